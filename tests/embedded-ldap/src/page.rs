//! One answer of a search: a page of it, or all of it when the client didn't ask for pages.

use std::io;
use std::time::Duration;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::LdapOp;
use ldap3_proto::{LdapPartialAttribute, LdapResultCode, LdapSearchResultEntry, LdapSearchResultReference};

use crate::ber::{INTEGER, OCTET_STRING, SEQUENCE, element};
use crate::dn::Key;
use crate::entry::{ANCHORS, Entry, EntryId};
use crate::fault::LdapFault;
use crate::output::{Output, result};
use crate::request::PAGED_RESULTS;
use crate::selection::Selection;
use crate::tree::Tree;

/// Where referrals point: an address that is never a server.
const ELSEWHERE: &str = "ldap://ldap2.acme.test/dc=elsewhere,dc=test";

/// A search between two of its pages.
///
/// What it found is kept as ids, so that a page costs what is on it. An entry deleted in between is left out, a changed one
/// shown as it has become; a new one is not found any more.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) number: u32,
    pub(crate) base: Key,
    pub(crate) found: Vec<EntryId>,
    /// Whether a size limit cut the list.
    pub(crate) limited: bool,
    pub(crate) faults: Vec<LdapFault>,
    next: usize,
    page: usize,
    repeated: usize,
    sent_entries: usize,
    sent_bytes: usize,
}

impl Cursor {
    pub(crate) fn new(
        number: u32,
        base: Key,
        found: Vec<EntryId>,
        limited: bool,
        faults: Vec<LdapFault>,
    ) -> Cursor {
        Cursor {
            number,
            base,
            found,
            limited,
            faults,
            next: 0,
            page: 1,
            repeated: 0,
            sent_entries: 0,
            sent_bytes: 0,
        }
    }

    /// What the client hands back to get the next page. It names a position, so a cookie used twice is told apart.
    pub(crate) fn cookie(&self) -> Vec<u8> {
        let position = u32::try_from(self.next).unwrap_or(u32::MAX);
        [self.number.to_be_bytes(), position.to_be_bytes()].concat()
    }
}

/// The number of the cursor that a cookie belongs to.
pub(crate) fn cursor_number(cookie: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*cookie.first_chunk()?))
}

/// How the client wants this answer.
pub(crate) struct PageRequest {
    pub(crate) id: i32,
    pub(crate) selection: Selection,
    /// How many entries at most; none for an unpaged search.
    pub(crate) size: Option<usize>,
}

/// What came of answering.
pub(crate) struct Page {
    pub(crate) output: Output,
    /// Whether the search is over.
    pub(crate) ended: bool,
    /// How many faults showed.
    pub(crate) fired: usize,
}

/// The faults of a search, boiled down to what they mean for one page.
#[derive(Default)]
struct Plan {
    delay: Duration,
    cut_at_entry: Option<usize>,
    cut_at_byte: Option<usize>,
    fail: Option<(usize, LdapResultCode)>,
    referral: bool,
    garbled: bool,
    repeat: bool,
    end_early: bool,
    control: Control,
}

/// What happens to the paged-results control of an answer.
#[derive(Default)]
enum Control {
    #[default]
    Honest,
    Missing,
    Malformed,
}

impl Plan {
    fn of(cursor: &Cursor) -> Plan {
        let mut plan = Plan::default();
        for fault in &cursor.faults {
            match fault {
                LdapFault::CutAfterEntries { entries } => plan.cut_at_entry = Some(*entries),
                LdapFault::CutAfterBytes { bytes } => plan.cut_at_byte = Some(*bytes),
                LdapFault::Slow { delay } => plan.delay += *delay,
                LdapFault::FailPage { page, entries, code } if *page == cursor.page => {
                    plan.fail = Some((*entries, code.clone()));
                }
                LdapFault::Referral { page } if *page == cursor.page => plan.referral = true,
                LdapFault::GarbledEntry { page } if *page == cursor.page => plan.garbled = true,
                LdapFault::EndEarly { page } if *page == cursor.page => plan.end_early = true,
                LdapFault::MissingControl { page } if *page == cursor.page => plan.control = Control::Missing,
                LdapFault::MalformedControl { page } if *page == cursor.page => {
                    plan.control = Control::Malformed
                }
                LdapFault::RepeatPage { page, times } if *page == cursor.page => {
                    plan.repeat = cursor.repeated < *times;
                }
                // The rest is none of a page's business, or changes single entries.
                _ => {}
            }
        }
        plan
    }
}

/// Answers with the next page, faults included.
pub(crate) fn answer(tree: &Tree, cursor: &mut Cursor, request: &PageRequest) -> io::Result<Page> {
    let plan = Plan::of(cursor);
    let mut page = Page { output: Output::default(), ended: false, fired: 0 };
    page.output.delay = plan.delay;
    page.fired += usize::from(!plan.delay.is_zero());
    write_page(tree, cursor, request, &plan, &mut page)?;
    let allowed = plan.cut_at_byte.map(|bytes| bytes.saturating_sub(cursor.sent_bytes));
    if let Some(allowed) = allowed.filter(|allowed| *allowed < page.output.bytes.len()) {
        page.output.bytes.truncate(allowed);
        page.output.close = true;
        page.fired += 1;
    }
    cursor.sent_bytes += page.output.bytes.len();
    Ok(page)
}

fn write_page(
    tree: &Tree,
    cursor: &mut Cursor,
    request: &PageRequest,
    plan: &Plan,
    page: &mut Page,
) -> io::Result<()> {
    let id = request.id;
    let left = cursor.found.len().saturating_sub(cursor.next);
    let size = request.size.unwrap_or(left).min(left);
    if plan.referral {
        let reference = LdapSearchResultReference { uris: vec![ELSEWHERE.to_owned()] };
        page.output.push(id, LdapOp::SearchResultReference(reference), Vec::new())?;
        page.fired += 1;
    }
    let entries = plan.fail.as_ref().map_or(size, |(entries, _)| size.min(*entries));
    let found = cursor.found.iter().skip(cursor.next).take(entries);
    for (position, entry) in found.enumerate() {
        let Some(entry) = tree.entry(*entry) else { continue };
        if plan.cut_at_entry == Some(cursor.sent_entries) {
            break;
        }
        cursor.sent_entries += 1;
        if plan.garbled && position == 0 {
            page.output.bytes.extend_from_slice(&garbled_entry(id, &entry.dn));
            page.fired += 1;
            continue;
        }
        let mut projected = request.selection.project(entry, tree);
        page.fired += falsify(&cursor.faults, entry, &mut projected, tree, &request.selection);
        page.output.push(id, LdapOp::SearchResultEntry(projected), Vec::new())?;
    }
    if plan.cut_at_entry == Some(cursor.sent_entries) {
        page.output.close = true;
        page.fired += 1;
        return Ok(());
    }
    if let Some((_, code)) = &plan.fail {
        page.ended = true;
        page.fired += 1;
        let mut failure = result(code.clone(), "injected");
        if *code == LdapResultCode::Referral {
            failure.referral.push(ELSEWHERE.to_owned());
        }
        return page.output.push(id, LdapOp::SearchResultDone(failure), Vec::new());
    }
    finish_page(cursor, request, plan, size, page)
}

/// Moves on, and says how the page ended.
fn finish_page(
    cursor: &mut Cursor,
    request: &PageRequest,
    plan: &Plan,
    size: usize,
    page: &mut Page,
) -> io::Result<()> {
    if plan.repeat {
        cursor.repeated += 1;
        page.fired += 1;
    } else {
        cursor.next += size;
        cursor.page += 1;
    }
    let exhausted = cursor.next >= cursor.found.len() && !plan.repeat;
    page.fired += usize::from(plan.end_early && !exhausted);
    page.ended = exhausted || plan.end_early;
    let outcome = match exhausted && cursor.limited {
        true => result(LdapResultCode::SizeLimitExceeded, "more entries match than may be answered"),
        false => result(LdapResultCode::Success, ""),
    };
    let mut controls = Vec::new();
    if request.size.is_some() {
        match plan.control {
            Control::Honest => {
                let cookie = if page.ended { Vec::new() } else { cursor.cookie() };
                controls.push(LdapControl::SimplePagedResults { size: 0, cookie });
            }
            Control::Missing => page.fired += 1,
            Control::Malformed => {
                let value = Some(vec![0x30, 0x7f, 0x02]);
                let oid = PAGED_RESULTS.to_owned();
                controls.push(LdapControl::Unknown { oid, criticality: false, value });
                page.fired += 1;
            }
        }
    }
    page.output.push(request.id, LdapOp::SearchResultDone(outcome), controls)
}

/// Takes an entry's identity away or exchanges it, where a fault says so, and counts how often.
fn falsify(
    faults: &[LdapFault],
    entry: &Entry,
    answer: &mut LdapSearchResultEntry,
    tree: &Tree,
    selection: &Selection,
) -> usize {
    let is_this = |dn: &str| Key::parse(dn).is_ok_and(|key| key == entry.key);
    let mut fired = 0;
    for fault in faults {
        let borrowed = match fault {
            LdapFault::WithoutUuid { dn } if is_this(dn) => Vec::new(),
            LdapFault::DuplicateUuid { dn, of } if is_this(dn) => {
                let other = Key::parse(of).ok().and_then(|key| tree.find(&key));
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

fn is_anchor(attribute: &LdapPartialAttribute) -> bool {
    ANCHORS.iter().any(|anchor| attribute.atype.eq_ignore_ascii_case(anchor))
}

/// An entry whose only attribute has a bare value where a set of values belongs. Decoders that expect the set without asking
/// fall over it.
fn garbled_entry(id: i32, dn: &str) -> Vec<u8> {
    let attribute = [element(OCTET_STRING, b"cn"), element(OCTET_STRING, b"no set")].concat();
    let attributes = element(SEQUENCE, &element(SEQUENCE, &attribute));
    let entry = element(0x64, &[element(OCTET_STRING, dn.as_bytes()), attributes].concat());
    element(SEQUENCE, &[element(INTEGER, &id.to_be_bytes()), entry].concat())
}
