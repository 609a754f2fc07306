//! One answer of a search: a page, or everything for a search without paging.

use std::time::Duration;

use directory::wire::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};
use directory::wire::{LdapControl, LdapMessage, encode_message};

use crate::dn::DnPath;
use crate::entry::{ANCHORS, EntryId, StoredEntry};
use crate::fault::LdapFault;
use crate::request::PAGED_RESULTS;
use crate::response::{AnsweredEntry, LdapResponse, LdapResultParts, OK, ResultCode};
use crate::selection::AttributeSelection;
use crate::tree::EntryTree;

/// Address in referrals. No server has it.
const ELSEWHERE: &str = "ldap://ldap2.acme.test/dc=elsewhere,dc=test";

/// Search between two of its pages.
///
/// It holds ids: an entry that is deleted meanwhile is left out, a changed one is answered as it is, and a new one is not found.
#[derive(Debug, Default)]
pub(crate) struct PagedSearch {
    pub(crate) number: u32,
    pub(crate) found: Vec<EntryId>,
    /// Whether a size limit truncated the list.
    pub(crate) limited: bool,
    pub(crate) faults: Vec<LdapFault>,
    next: usize,
    /// Complete pages so far.
    pages: usize,
    repeated: usize,
    sent_entries: usize,
    sent_bytes: usize,
}

impl PagedSearch {
    pub(crate) fn new(number: u32, found: Vec<EntryId>, limited: bool, faults: Vec<LdapFault>) -> Self {
        Self { number, found, limited, faults, ..Self::default() }
    }

    /// Cookie of the next page. It contains the position, so that a used cookie is recognised.
    pub(crate) fn cookie(&self) -> Vec<u8> {
        let position = u32::try_from(self.next).unwrap_or(u32::MAX);
        [self.number.to_be_bytes(), position.to_be_bytes()].concat()
    }
}

/// Number of the search that a cookie belongs to.
pub(crate) fn search_number(cookie: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*cookie.first_chunk()?))
}

/// Parameters of one answer.
pub(crate) struct PageRequest {
    pub(crate) id: i32,
    pub(crate) selection: AttributeSelection,
    /// Most entries; `None` without paging.
    pub(crate) size: Option<usize>,
}

/// Answer with a page.
#[derive(Default)]
pub(crate) struct PageAnswer {
    pub(crate) response: LdapResponse,
    /// Whether the search has ended.
    pub(crate) ended: bool,
    /// Visible faults.
    pub(crate) fired: usize,
}

/// Effects of a search's faults on one page.
#[derive(Default)]
struct PageFaults {
    delay: Duration,
    cut_at_entry: Option<usize>,
    cut_at_byte: Option<usize>,
    fail: Option<(usize, ResultCode)>,
    referral: bool,
    garbled: bool,
    repeat: bool,
    end_early: bool,
    control: PageControl,
}

/// State of the paged-results control of an answer.
#[derive(Default)]
enum PageControl {
    #[default]
    Valid,
    Missing,
    Malformed,
}

impl PageFaults {
    fn of(search: &PagedSearch) -> Self {
        let mut effects = Self::default();
        let is_now = |page: &usize| *page == search.pages + 1;
        for fault in &search.faults {
            match fault {
                LdapFault::CutAfterEntries { entries } => effects.cut_at_entry = Some(*entries),
                LdapFault::CutAfterBytes { bytes } => effects.cut_at_byte = Some(*bytes),
                LdapFault::Slow { delay } => effects.delay += *delay,
                LdapFault::FailPage { page, entries, code } if is_now(page) => {
                    effects.fail = Some((*entries, *code));
                }
                LdapFault::Referral { page } if is_now(page) => effects.referral = true,
                LdapFault::GarbledEntry { page } if is_now(page) => effects.garbled = true,
                LdapFault::EndEarly { page } if is_now(page) => effects.end_early = true,
                LdapFault::MissingControl { page } if is_now(page) => effects.control = PageControl::Missing,
                LdapFault::MalformedControl { page } if is_now(page) => {
                    effects.control = PageControl::Malformed;
                }
                LdapFault::RepeatPage { page, times } if is_now(page) => {
                    effects.repeat = search.repeated < *times;
                }
                // The others apply to single entries, or to no page.
                _ => {}
            }
        }
        effects
    }
}

/// Answers with the next page, including its faults.
pub(crate) fn answer(tree: &EntryTree, search: &mut PagedSearch, request: &PageRequest) -> PageAnswer {
    let faults = PageFaults::of(search);
    let mut page = PageAnswer::default();
    page.response.delay = faults.delay;
    page.fired += usize::from(!faults.delay.is_zero());
    let left = search.found.len().saturating_sub(search.next);
    let size = request.size.unwrap_or(left).min(left);
    if faults.referral {
        let uri = ber::element(OCTET_STRING, ELSEWHERE.as_bytes());
        page.response.push(request.id, &ber::element(LdapMessage::REFERENCE, &uri), &[]);
        page.fired += 1;
    }
    write_entries(tree, search, (request, size, &faults), &mut page);
    if faults.cut_at_entry == Some(search.sent_entries) {
        page.response.close = true;
        page.fired += 1;
    } else if let Some((_, code)) = faults.fail {
        page.ended = true;
        page.fired += 1;
        let referral = match code {
            ResultCode::Referral => ber::element(0xa3, &ber::element(OCTET_STRING, ELSEWHERE.as_bytes())),
            _ => Vec::new(),
        };
        let failure = LdapResultParts { code, text: "injected", ..OK };
        page.response.push(request.id, &failure.encode(LdapMessage::SEARCH_DONE, &referral), &[]);
    } else {
        finish_page(search, (request, size), &faults, &mut page);
    }
    let allowed = faults.cut_at_byte.map(|bytes| bytes.saturating_sub(search.sent_bytes));
    if let Some(allowed) = allowed.filter(|allowed| *allowed < page.response.bytes.len()) {
        page.response.bytes.truncate(allowed);
        page.response.close = true;
        page.fired += 1;
    }
    search.sent_bytes += page.response.bytes.len();
    page
}

fn write_entries(
    tree: &EntryTree,
    search: &mut PagedSearch,
    (request, size, faults): (&PageRequest, usize, &PageFaults),
    page: &mut PageAnswer,
) {
    let entries = faults.fail.map_or(size, |(entries, _)| size.min(entries));
    let found = search.found.iter().skip(search.next).take(entries);
    for (position, id) in found.enumerate() {
        let Some(entry) = tree.entry(*id) else { continue };
        if faults.cut_at_entry == Some(search.sent_entries) {
            break;
        }
        search.sent_entries += 1;
        if faults.garbled && position == 0 {
            page.response.bytes.extend(garbled_entry(request.id, &entry.dn));
            page.fired += 1;
            continue;
        }
        let mut answered = request.selection.project(entry, tree);
        page.fired += falsify(&search.faults, entry, &mut answered, (tree, &request.selection));
        page.response.push(request.id, &answered.encode(), &[]);
    }
}

/// Advances the search and writes the result of the page.
fn finish_page(
    search: &mut PagedSearch,
    (request, size): (&PageRequest, usize),
    faults: &PageFaults,
    page: &mut PageAnswer,
) {
    if faults.repeat {
        search.repeated += 1;
        page.fired += 1;
    } else {
        search.next += size;
        search.pages += 1;
    }
    let exhausted = search.next >= search.found.len() && !faults.repeat;
    page.fired += usize::from(faults.end_early && !exhausted);
    page.ended = exhausted || faults.end_early;
    let result = match exhausted && search.limited {
        true => {
            LdapResultParts { code: ResultCode::SizeLimitExceeded, text: "the size limit was reached", ..OK }
        }
        false => OK,
    };
    let value = match faults.control {
        _ if request.size.is_none() => None,
        PageControl::Valid => {
            let cookie = if page.ended { Vec::new() } else { search.cookie() };
            let parts = [ber::number(INTEGER, 0), ber::element(OCTET_STRING, &cookie)];
            Some(ber::element(SEQUENCE, &parts.concat()))
        }
        PageControl::Missing => {
            page.fired += 1;
            None
        }
        PageControl::Malformed => {
            page.fired += 1;
            Some(vec![0x30, 0x7f, 0x02])
        }
    };
    let control = value.map(|value| LdapControl {
        oid: PAGED_RESULTS.to_owned(),
        is_critical: false,
        value: Some(value),
    });
    page.response.push(request.id, &result.encode(LdapMessage::SEARCH_DONE, &[]), control.as_slice());
}

/// Whether an attribute of an answer has this name, with or without a range.
fn is_named(answered: &str, name: &str) -> bool {
    answered.split(';').next().is_some_and(|plain| plain.eq_ignore_ascii_case(name))
}

/// Removes attributes, or removes or exchanges an entry's anchors, where a fault demands it; returns the number of faults.
fn falsify(
    faults: &[LdapFault],
    entry: &StoredEntry,
    answer: &mut AnsweredEntry,
    (tree, selection): (&EntryTree, &AttributeSelection),
) -> usize {
    let is_this = |dn: &str| DnPath::parse(dn).is_ok_and(|path| path == entry.path);
    let is_anchor =
        |(name, _): &(String, Vec<Vec<u8>>)| ANCHORS.iter().any(|anchor| name.eq_ignore_ascii_case(anchor));
    let mut fired = 0;
    for fault in faults {
        if let LdapFault::HiddenAttribute { attribute, of } = fault
            && of.as_deref().is_none_or(is_this)
        {
            let shown = answer.attributes.len();
            answer.attributes.retain(|(name, _)| !is_named(name, attribute));
            fired += shown - answer.attributes.len();
        }
        let borrowed = match fault {
            LdapFault::WithoutUuid { dn } if is_this(dn) => Vec::new(),
            LdapFault::DuplicateUuid { dn, of } if is_this(dn) => {
                let other = DnPath::parse(of).ok().and_then(|path| tree.find(&path));
                other.map_or_else(Vec::new, |other| selection.project(other, tree).attributes)
            }
            _ => continue,
        };
        answer.attributes.retain(|attribute| !is_anchor(attribute));
        answer.attributes.extend(borrowed.into_iter().filter(is_anchor));
        fired += 1;
    }
    fired
}

/// Entry with a single attribute, which has a bare value in place of a set of values.
fn garbled_entry(id: i32, dn: &str) -> Vec<u8> {
    let attribute = [ber::element(OCTET_STRING, b"cn"), ber::element(OCTET_STRING, b"no set")].concat();
    let attributes = ber::element(SEQUENCE, &ber::element(SEQUENCE, &attribute));
    let parts = [ber::element(OCTET_STRING, dn.as_bytes()), attributes];
    encode_message(id, &ber::element(LdapMessage::ENTRY, &parts.concat()), &[])
}
