//! Content synchronisation (RFC 4533), in its refreshOnly mode: the changes of a tree since a cookie.
//!
//! A server that remembers deletions names them. One that does not, or not for long enough, names everybody who is still
//! there instead (the *present phase*); who is gone is then found by comparing.

use std::collections::HashSet;

use model::{Anchor, AnchorHash};

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::cursor::{Bytes, Mark, Position};
use crate::decode;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::search::{Item, NO_ATTRIBUTES, Query, Search};
use crate::server::{Server, context_of};
use crate::wire::ber::{self, BOOLEAN, ENUMERATED, OCTET_STRING, SEQUENCE, SET};
use crate::wire::{Control, SearchScope};

use super::Answer;
use super::touched::{Class, Found, HAS_SUBORDINATES, OBJECT_CLASS, Touched};

const REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

/// A filter that nobody passes: all there is to it is the cookie.
const NOBODY: &str = "(!(objectClass=*))";

pub(super) async fn begin(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
) -> Result<Option<Position>, DirectoryError> {
    if !server.root.offers(REQUEST) {
        return Ok(None);
    }
    let base = base(config, server);
    match ask(connection, &base, NOBODY, &[NO_ATTRIBUTES], None).await {
        Ok(Told { cookie: Some(cookie), .. }) => Ok(Some(Position::Sync { cookie: Bytes(cookie) })),
        Ok(_) | Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn changed(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    cookie: &Bytes,
) -> Result<Answer, DirectoryError> {
    let base = base(config, server);
    let attributes = [config.anchor.attribute.as_str(), OBJECT_CLASS, HAS_SUBORDINATES];
    let told = match ask(connection, &base, crate::search::ANY, &attributes, Some(&cookie.0)).await {
        Ok(told) => told,
        Err(error @ DirectoryError::Refused { .. }) => {
            return Ok(Err(format!("the cookie was refused: {error}")));
        }
        Err(error) => return Err(error),
    };
    let Told { touched, present, names_deletions, cookie: next } = told;
    let present = if names_deletions {
        None
    } else if present.is_empty() {
        // The root of the tree is always there. A server that names nobody has not said that everybody is gone.
        return Ok(Err("the server told neither who is there nor who is gone".to_owned()));
    } else {
        Some(present)
    };
    Ok(Ok(Found {
        touched,
        present,
        deletions_unexplained: true,
        compare: false,
        // No new cookie means that the old one is still good.
        position: Position::Sync { cookie: next.map_or_else(|| cookie.clone(), Bytes) },
    }))
}

/// The whole tree, if the account may see its root: then an entry that is moved out of the base is seen to move, and a
/// change to a group is told from a deletion.
fn base(config: &DirectoryConfig, server: &Server) -> String {
    let context = context_of(&config.base_dn, &server.root.contexts);
    match (&server.mark, context) {
        (Some(Mark::Csn(_)), Some(context)) => context.to_owned(),
        _ => config.base_dn.clone(),
    }
}

/// What a server told.
#[derive(Default)]
struct Told {
    touched: Vec<Touched>,
    /// Everybody who was named as being there, changed or not.
    present: HashSet<AnchorHash>,
    /// Whether everybody else is there as well.
    names_deletions: bool,
    cookie: Option<Vec<u8>>,
}

async fn ask(
    connection: &mut Connection,
    base: &str,
    filter: &str,
    attributes: &[&str],
    cookie: Option<&[u8]>,
) -> Result<Told, DirectoryError> {
    let doing = DirectoryOperation::ReadingChanges;
    let protocol = |detail: &str| DirectoryError::Protocol {
        doing: DirectoryOperation::ReadingChanges,
        detail: detail.to_owned(),
    };
    let query = Query {
        base: base.to_owned(),
        scope: SearchScope::Subtree,
        filter: filter.to_owned(),
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        doing: doing.clone(),
    };
    let mut search = Search::start(connection, query, &[request(cookie)]).await?;
    let mut told = Told::default();
    let mut had_present_phase = false;
    loop {
        match search.next(connection).await? {
            Item::Reference(_) => {}
            Item::Entry(message) => {
                let (state, uuid) = value_of(&message.controls(), STATE)
                    .and_then(state)
                    .ok_or_else(|| protocol("an entry that does not say what became of it"))?;
                let anchor = Anchor::from_uuid(uuid);
                told.note(state, anchor, decode::entry(&message).ok());
            }
            Item::Intermediate(message) => match info(&message.content) {
                Some(Info::Cookie(cookie)) => told.cookie = Some(cookie),
                Some(Info::Phase { is_present, cookie }) => {
                    had_present_phase |= is_present;
                    told.cookie = cookie.or(told.cookie);
                }
                Some(Info::Set { cookie, deletes, uuids }) => {
                    told.cookie = cookie.or(told.cookie);
                    let state = if deletes { State::Deleted } else { State::Present };
                    uuids.into_iter().for_each(|uuid| told.note(state, Anchor::from_uuid(uuid), None));
                }
                None => return Err(protocol("something about the changes that can't be read")),
            },
            Item::Done(result) if result.code != 0 => {
                return Err(DirectoryError::refused(doing, result.code));
            }
            Item::Done(result) => {
                let (cookie, deletes) = value_of(&result.controls, DONE)
                    .and_then(done)
                    .ok_or_else(|| protocol("no word on how the changes ended"))?;
                told.cookie = cookie.or(told.cookie);
                told.names_deletions = deletes && !had_present_phase;
                return Ok(told);
            }
        }
    }
}

impl Told {
    fn note(&mut self, state: State, anchor: Anchor, entry: Option<decode::RawEntry>) {
        if state != State::Deleted {
            self.present.insert(anchor.hash());
        }
        if state == State::Present {
            return;
        }
        let class = entry.as_ref().map_or(Class::Unknown, |entry| Class::of(&entry.attributes));
        let is_deleted = state == State::Deleted;
        let dn = entry.filter(|_| !is_deleted).map(|entry| entry.dn);
        self.touched.push(Touched { anchor, dn, class, is_deleted });
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Present,
    /// Made or changed.
    Changed,
    Deleted,
}

/// What is said about the changes as a whole.
#[derive(Debug, PartialEq, Eq)]
enum Info {
    Cookie(Vec<u8>),
    Phase { is_present: bool, cookie: Option<Vec<u8>> },
    Set { cookie: Option<Vec<u8>>, deletes: bool, uuids: Vec<[u8; 16]> },
}

/// `SEQUENCE { mode ENUMERATED, cookie OCTET STRING OPTIONAL, reloadHint BOOLEAN DEFAULT FALSE }`
fn request(cookie: Option<&[u8]>) -> Control {
    const REFRESH_ONLY: u8 = 1;
    let mut parts = ber::element(ENUMERATED, &[REFRESH_ONLY]);
    if let Some(cookie) = cookie {
        ber::put(OCTET_STRING, cookie, &mut parts);
    }
    Control::critical(REQUEST, Some(ber::element(SEQUENCE, &parts)))
}

fn value_of<'a>(controls: &'a [Control], name: &str) -> Option<&'a [u8]> {
    controls.iter().find(|control| control.oid == name)?.value.as_deref()
}

/// `SEQUENCE { state ENUMERATED, entryUUID OCTET STRING, cookie OCTET STRING OPTIONAL }`
fn state(value: &[u8]) -> Option<(State, [u8; 16])> {
    let (content, _) = ber::take(SEQUENCE, value)?;
    let (state, content) = ber::take(ENUMERATED, content)?;
    let (uuid, _) = ber::take(OCTET_STRING, content)?;
    let state = match ber::integer(state)? {
        0 => State::Present,
        1 | 2 => State::Changed,
        3 => State::Deleted,
        _ => return None,
    };
    Some((state, uuid.try_into().ok()?))
}

/// `SEQUENCE { cookie OCTET STRING OPTIONAL, refreshDeletes BOOLEAN DEFAULT FALSE }`
fn done(value: &[u8]) -> Option<(Option<Vec<u8>>, bool)> {
    let (content, _) = ber::take(SEQUENCE, value)?;
    let (cookie, content) = optional_cookie(content);
    let (deletes, _) = optional_flag(content, false)?;
    Some((cookie, deletes))
}

/// `[APPLICATION 25] SEQUENCE { [0] name, [1] value }`, and in the value a choice: `[0] cookie`, `[1]` or `[2]` the end of
/// the delete or the present phase, `[3]` a set of ids.
fn info(message: &[u8]) -> Option<Info> {
    const COOKIE: u8 = 0x80;
    const DELETE_PHASE: u8 = 0xa1;
    const PRESENT_PHASE: u8 = 0xa2;
    const ID_SET: u8 = 0xa3;
    let (name, rest) = ber::take(0x80, message)?;
    if name != INFO {
        return None;
    }
    let (value, _) = ber::take(0x81, rest)?;
    let kind = *value.first()?;
    let (content, _) = ber::take(kind, value)?;
    let (cookie, rest) = optional_cookie(content);
    match kind {
        COOKIE => Some(Info::Cookie(content.to_vec())),
        DELETE_PHASE => Some(Info::Phase { is_present: false, cookie }),
        PRESENT_PHASE => Some(Info::Phase { is_present: true, cookie }),
        ID_SET => {
            let (deletes, rest) = optional_flag(rest, false)?;
            let (mut set, _) = ber::take(SET, rest)?;
            let mut uuids = Vec::new();
            while !set.is_empty() {
                let (uuid, rest) = ber::take(OCTET_STRING, set)?;
                uuids.push(uuid.try_into().ok()?);
                set = rest;
            }
            Some(Info::Set { cookie, deletes, uuids })
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

fn optional_flag(content: &[u8], default: bool) -> Option<(bool, &[u8])> {
    match content.first() {
        Some(&BOOLEAN) => {
            let (flag, rest) = ber::take(BOOLEAN, content)?;
            Some((ber::boolean(flag)?, rest))
        }
        _ => Some((default, content)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ber::element;

    fn message(value: &[u8]) -> Vec<u8> {
        [element(0x80, INFO), element(0x81, value)].concat()
    }

    #[test]
    fn what_became_of_an_entry() {
        let uuid = [7; 16];
        for (number, expected) in [
            (0, Some(State::Present)),
            (1, Some(State::Changed)),
            (2, Some(State::Changed)),
            (3, Some(State::Deleted)),
            (4, None),
        ] {
            let content = [element(ENUMERATED, &[number]), element(OCTET_STRING, &uuid)].concat();
            assert_eq!(state(&element(SEQUENCE, &content)), expected.map(|state| (state, uuid)), "{number}");
        }
        assert_eq!(state(&element(SEQUENCE, &[])), None);
    }

    #[test]
    fn how_it_ended() {
        assert_eq!(done(&element(SEQUENCE, &[])), Some((None, false)));
        let content = [element(OCTET_STRING, b"rid=000"), element(BOOLEAN, &[0xff])].concat();
        assert_eq!(done(&element(SEQUENCE, &content)), Some((Some(b"rid=000".to_vec()), true)));
    }

    #[test]
    fn a_set_of_ids() {
        let ids = [element(OCTET_STRING, &[1; 16]), element(OCTET_STRING, &[2; 16])].concat();
        let content = [element(BOOLEAN, &[0xff]), element(SET, &ids)].concat();
        let expected = Info::Set { cookie: None, deletes: true, uuids: vec![[1; 16], [2; 16]] };
        assert_eq!(info(&message(&element(0xa3, &content))), Some(expected));
        assert_eq!(info(&message(&element(0x80, b"c"))), Some(Info::Cookie(b"c".to_vec())));
        let phase = Info::Phase { is_present: true, cookie: None };
        assert_eq!(info(&message(&element(0xa2, &[]))), Some(phase));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = (state(&bytes), done(&bytes), info(&message(&bytes)), info(&bytes));
        }
    }
}
