//! Content synchronisation (RFC 4533) in refreshOnly mode: the changes of a tree since a cookie.
//!
//! A server with a log of deletions names the deleted entries. A server without one, or with too short a log, names all
//! existing entries instead (the *present phase*); the deleted ones follow from a comparison.

use std::collections::HashSet;

use model::{Anchor, AnchorHash};

use crate::connection::LdapConnection;
use crate::cursor::{CursorPosition, SyncCookie};
use crate::decode;
use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::group_class::OBJECT_CLASS;
use crate::root_dse::SYNC_REQUEST;
use crate::search::{ANY_ENTRY, NO_ATTRIBUTES, NO_ENTRY, RunningSearch, SearchItem, SearchQuery};
use crate::server::DirectoryServer;
use crate::server_state::ReplicationState;
use crate::wire::ber::{self, BOOLEAN, ENUMERATED, OCTET_STRING, SEQUENCE, SET};
use crate::wire::{LdapControl, LdapMessage};

use super::changed_entry::{ChangedEntry, DetectedChanges, EntryClass, HAS_SUBORDINATES};

const STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

/// Position of now; `None` if the server refuses the control or sends no cookie.
pub(super) async fn start(
    directory: &mut Directory,
    server: &DirectoryServer,
) -> Result<Option<CursorPosition>> {
    if !server.root.offers(SYNC_REQUEST) {
        return Ok(None);
    }
    let query = query(directory, server, NO_ENTRY, &[NO_ATTRIBUTES]);
    match request(&mut directory.connection, query, None).await {
        Ok(answer) => Ok(answer.cookie.map(|cookie| CursorPosition::Sync { cookie: SyncCookie(cookie) })),
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn detect(
    directory: &mut Directory,
    server: &DirectoryServer,
    cookie: &SyncCookie,
) -> Result<Result<DetectedChanges, String>> {
    let anchor = directory.config.anchor.attribute.clone();
    let query = query(directory, server, ANY_ENTRY, &[&anchor, OBJECT_CLASS, HAS_SUBORDINATES]);
    let answer = match request(&mut directory.connection, query, Some(&cookie.0)).await {
        Ok(answer) => answer,
        Err(error @ DirectoryError::Refused { .. }) => {
            return Ok(Err(format!("the server refused the cursor's cookie: {error}")));
        }
        Err(error) => return Err(error),
    };
    let SyncAnswer { changed, present, names_deletions, cookie: next } = answer;
    let present = if names_deletions {
        None
    } else if present.is_empty() {
        // The root of the tree always exists, so an empty list does not mean that all entries were deleted.
        return Ok(Err("the server named neither existing nor deleted entries".to_owned()));
    } else {
        Some(present)
    };
    Ok(Ok(DetectedChanges {
        entries: changed,
        present,
        deletions_unclassified: true,
        compare_scope: false,
        // Without a new cookie the old one stays valid.
        position: CursorPosition::Sync { cookie: next.map_or_else(|| cookie.clone(), SyncCookie) },
    }))
}

/// Query of the whole tree if its root is readable: a move out of the base is then a move and not a deletion, and a deleted
/// group is distinguished from a changed one.
fn query(directory: &Directory, server: &DirectoryServer, filter: &str, attributes: &[&str]) -> SearchQuery {
    let base_dn = &directory.base_dn;
    let base = match (server.replication(), context_of(base_dn, &server.root.contexts)) {
        (Some(ReplicationState::Csn(_)), Some(context)) => context,
        _ => base_dn,
    };
    SearchQuery::subtree(
        base.to_owned(),
        filter.to_owned(),
        attributes.iter().map(|name| (*name).to_owned()).collect(),
        DirectoryOperation::ReadingChanges,
    )
}

#[derive(Default)]
struct SyncAnswer {
    changed: Vec<ChangedEntry>,
    /// Entries that were named as existing, changed or not.
    present: HashSet<AnchorHash>,
    /// Whether the server named every deleted entry, so that all others exist.
    names_deletions: bool,
    cookie: Option<Vec<u8>>,
}

async fn request(
    connection: &mut LdapConnection,
    query: SearchQuery,
    cookie: Option<&[u8]>,
) -> Result<SyncAnswer> {
    let operation = query.operation.clone();
    let protocol = |detail: &str| DirectoryError::protocol(&operation, detail);
    let mut search = RunningSearch::start(connection, query, &[control(cookie)]).await?;
    let mut answer = SyncAnswer::default();
    let mut had_present_phase = false;
    loop {
        match search.next(connection).await? {
            SearchItem::Reference(_) => {}
            SearchItem::Entry(message) => {
                answer.add_entry(&message).ok_or_else(|| protocol("an entry without its sync state"))?;
            }
            SearchItem::Intermediate(message) => {
                let info = info(&message.content);
                let info = info.ok_or_else(|| protocol("a sync info message that can't be decoded"))?;
                had_present_phase |= matches!(info, SyncInfo::Phase { is_present: true, .. });
                if matches!(&info, SyncInfo::Set { uuids, .. } if !uuids.is_empty()) {
                    search.note_progress();
                }
                answer.add_info(info);
            }
            SearchItem::Done(result) if result.code != 0 => {
                return Err(DirectoryError::refused(operation, result.code));
            }
            SearchItem::Done(result) => {
                let done = value_of(&result.controls, DONE).and_then(done);
                let (cookie, deletes) = done.ok_or_else(|| protocol("no sync done control at the end"))?;
                answer.cookie = cookie.or(answer.cookie);
                answer.names_deletions = deletes && !had_present_phase;
                return Ok(answer);
            }
        }
    }
}

impl SyncAnswer {
    fn add_entry(&mut self, message: &LdapMessage) -> Option<()> {
        let (state, uuid) = value_of(&message.controls(), STATE).and_then(state)?;
        self.add(state, Anchor::from_uuid(uuid), decode::entry(message).ok());
        Some(())
    }

    fn add_info(&mut self, info: SyncInfo) {
        let cookie = match info {
            SyncInfo::Cookie(cookie) => Some(cookie),
            SyncInfo::Phase { cookie, .. } => cookie,
            SyncInfo::Set { cookie, deletes, uuids } => {
                let state = if deletes { SyncState::Deleted } else { SyncState::Present };
                uuids.into_iter().for_each(|uuid| self.add(state, Anchor::from_uuid(uuid), None));
                cookie
            }
        };
        self.cookie = cookie.or(self.cookie.take());
    }

    fn add(&mut self, state: SyncState, anchor: Anchor, entry: Option<decode::DecodedEntry>) {
        if state != SyncState::Deleted {
            self.present.insert(anchor.hash());
        }
        if state == SyncState::Present {
            return;
        }
        let class = entry.as_ref().map_or(EntryClass::Unknown, |entry| EntryClass::of(&entry.attributes));
        let is_deleted = state == SyncState::Deleted;
        let dn = entry.filter(|_| !is_deleted).map(|entry| entry.dn);
        self.changed.push(ChangedEntry { anchor, dn, class, is_deleted });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    Present,
    Changed,
    Deleted,
}

#[derive(Debug, PartialEq, Eq)]
enum SyncInfo {
    Cookie(Vec<u8>),
    Phase { is_present: bool, cookie: Option<Vec<u8>> },
    Set { cookie: Option<Vec<u8>>, deletes: bool, uuids: Vec<[u8; 16]> },
}

/// `SEQUENCE { mode ENUMERATED, cookie OCTET STRING OPTIONAL, reloadHint BOOLEAN DEFAULT FALSE }`
fn control(cookie: Option<&[u8]>) -> LdapControl {
    const REFRESH_ONLY: u8 = 1;
    let mut parts = ber::element(ENUMERATED, &[REFRESH_ONLY]);
    if let Some(cookie) = cookie {
        ber::put(OCTET_STRING, cookie, &mut parts);
    }
    LdapControl::critical(SYNC_REQUEST, Some(ber::element(SEQUENCE, &parts)))
}

fn value_of<'a>(controls: &'a [LdapControl], oid: &str) -> Option<&'a [u8]> {
    controls.iter().find(|control| control.oid == oid)?.value.as_deref()
}

/// `SEQUENCE { state ENUMERATED, entryUUID OCTET STRING, cookie OCTET STRING OPTIONAL }`
fn state(value: &[u8]) -> Option<(SyncState, [u8; 16])> {
    let (content, _) = ber::take(SEQUENCE, value)?;
    let (state, content) = ber::take(ENUMERATED, content)?;
    let (uuid, _) = ber::take(OCTET_STRING, content)?;
    let state = match ber::integer(state)? {
        0 => SyncState::Present,
        1 | 2 => SyncState::Changed,
        3 => SyncState::Deleted,
        _ => return None,
    };
    Some((state, uuid.try_into().ok()?))
}

/// `SEQUENCE { cookie OCTET STRING OPTIONAL, refreshDeletes BOOLEAN DEFAULT FALSE }`
fn done(value: &[u8]) -> Option<(Option<Vec<u8>>, bool)> {
    let (content, _) = ber::take(SEQUENCE, value)?;
    let (cookie, content) = optional_cookie(content);
    let (deletes, _) = optional_flag(content)?;
    Some((cookie, deletes))
}

/// `[APPLICATION 25] SEQUENCE { [0] name, [1] value }` with a choice as the value: `[0] cookie`, the end of the delete phase
/// `[1]` or of the present phase `[2]`, or a set of ids `[3]`.
fn info(message: &[u8]) -> Option<SyncInfo> {
    const COOKIE: u8 = 0x80;
    const DELETE_PHASE: u8 = 0xa1;
    const PRESENT_PHASE: u8 = 0xa2;
    const ID_SET: u8 = 0xa3;
    let (name, rest) = ber::take(0x80, message)?;
    if name != INFO {
        return None;
    }
    let (value, _) = ber::take(0x81, rest)?;
    let (kind, content, _) = ber::next(value)?;
    let (cookie, rest) = optional_cookie(content);
    match kind {
        COOKIE => Some(SyncInfo::Cookie(content.to_vec())),
        DELETE_PHASE => Some(SyncInfo::Phase { is_present: false, cookie }),
        PRESENT_PHASE => Some(SyncInfo::Phase { is_present: true, cookie }),
        ID_SET => {
            let (deletes, rest) = optional_flag(rest)?;
            let (mut set, _) = ber::take(SET, rest)?;
            let mut uuids = Vec::new();
            while !set.is_empty() {
                let (uuid, rest) = ber::take(OCTET_STRING, set)?;
                uuids.push(uuid.try_into().ok()?);
                set = rest;
            }
            Some(SyncInfo::Set { cookie, deletes, uuids })
        }
        _ => None,
    }
}

fn optional_cookie(content: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    match ber::take(OCTET_STRING, content) {
        Some((cookie, rest)) => (Some(cookie.to_vec()), rest),
        None => (None, content),
    }
}

/// A flag that is false where it is absent.
fn optional_flag(content: &[u8]) -> Option<(bool, &[u8])> {
    if content.first() != Some(&BOOLEAN) {
        return Some((false, content));
    }
    let (flag, rest) = ber::take(BOOLEAN, content)?;
    Some((ber::boolean(flag)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ber::element;

    fn message(value: &[u8]) -> Vec<u8> {
        [element(0x80, INFO), element(0x81, value)].concat()
    }

    #[test]
    fn sync_state_decodes() {
        let uuid = [7; 16];
        for (number, expected) in [
            (0, Some(SyncState::Present)),
            (1, Some(SyncState::Changed)),
            (2, Some(SyncState::Changed)),
            (3, Some(SyncState::Deleted)),
            (4, None),
        ] {
            let content = [element(ENUMERATED, &[number]), element(OCTET_STRING, &uuid)].concat();
            assert_eq!(state(&element(SEQUENCE, &content)), expected.map(|state| (state, uuid)), "{number}");
        }
        assert_eq!(state(&element(SEQUENCE, &[])), None);
    }

    #[test]
    fn sync_done_decodes() {
        assert_eq!(done(&element(SEQUENCE, &[])), Some((None, false)));
        let content = [element(OCTET_STRING, b"rid=000"), element(BOOLEAN, &[0xff])].concat();
        assert_eq!(done(&element(SEQUENCE, &content)), Some((Some(b"rid=000".to_vec()), true)));
    }

    #[test]
    fn sync_info_decodes() {
        let ids = [element(OCTET_STRING, &[1; 16]), element(OCTET_STRING, &[2; 16])].concat();
        let content = [element(BOOLEAN, &[0xff]), element(SET, &ids)].concat();
        let expected = SyncInfo::Set { cookie: None, deletes: true, uuids: vec![[1; 16], [2; 16]] };
        assert_eq!(info(&message(&element(0xa3, &content))), Some(expected));
        assert_eq!(info(&message(&element(0x80, b"c"))), Some(SyncInfo::Cookie(b"c".to_vec())));
        let phase = SyncInfo::Phase { is_present: true, cookie: None };
        assert_eq!(info(&message(&element(0xa2, &[]))), Some(phase));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = (state(&bytes), done(&bytes), info(&message(&bytes)), info(&bytes));
        }
    }
}
