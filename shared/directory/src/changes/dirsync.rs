//! Active Directory's DirSync control (MS-ADTS, section 3.1.1.3.4.1.3): the changes of a whole domain since a cookie.
//!
//! Only what changed comes, so an entry says little more than which one it is. Deleted objects come to those who may see
//! them and are kept from all others without a word; where none can be seen, who is in scope is compared each time.

use model::Anchor;

use crate::connection::Connection;
use crate::cursor::{Bytes, Position};
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::search::Query;
use crate::server::Server;
use crate::wire::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};
use crate::wire::{Control, SearchScope};

use super::touched::{Class, Found, Touched};
use super::{Answer, usn};

const DIRSYNC: &str = "1.2.840.113556.1.4.841";

/// Only the values of a group's members that changed, rather than all of them.
const INCREMENTAL_VALUES: i32 = i32::MIN;
/// What the account may see anyway. Without it a right to replicate the domain is needed.
const OBJECT_SECURITY: i32 = 1;

/// How many bytes come at a time.
const AT_ONCE: i32 = 1 << 20;

/// A filter that nobody passes: all there is to it is the cookie.
const NOBODY: &str = "(!(objectClass=*))";

const GUID: &str = "objectGUID";
const DELETED: &str = "isDeleted";

pub(super) async fn begin(
    connection: &mut Connection,
    server: &Server,
) -> Result<Option<Position>, DirectoryError> {
    if !server.root.offers(DIRSYNC) {
        return Ok(None);
    }
    match ask(connection, server, NOBODY, &[]).await {
        Ok((_, cookie)) => {
            let sees_deleted = usn::sees_deleted(connection, server).await?;
            Ok(Some(Position::Dirsync { cookie: Bytes(cookie), sees_deleted }))
        }
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn changed(
    connection: &mut Connection,
    server: &Server,
    cookie: &Bytes,
    sees_deleted: bool,
) -> Result<Answer, DirectoryError> {
    let (touched, cookie) = match ask(connection, server, usn::OBJECTS, &cookie.0).await {
        Ok(found) => found,
        Err(error @ DirectoryError::Refused { .. }) => {
            return Ok(Err(format!("the cookie was refused: {error}")));
        }
        Err(error) => return Err(error),
    };
    Ok(Ok(Found {
        touched,
        present: None,
        deletions_unexplained: false,
        compare: !sees_deleted,
        position: Position::Dirsync { cookie: Bytes(cookie), sees_deleted },
    }))
}

/// Everything since the cookie, and the cookie behind it. Whoever has the right to replicate uses it; all others see what
/// they may see.
async fn ask(
    connection: &mut Connection,
    server: &Server,
    filter: &str,
    cookie: &[u8],
) -> Result<(Vec<Touched>, Vec<u8>), DirectoryError> {
    const NO_RIGHT: u32 = 50;
    match ask_with(connection, server, filter, cookie, INCREMENTAL_VALUES).await {
        Err(DirectoryError::Refused { code: NO_RIGHT, .. }) => {
            ask_with(connection, server, filter, cookie, INCREMENTAL_VALUES | OBJECT_SECURITY).await
        }
        answer => answer,
    }
}

async fn ask_with(
    connection: &mut Connection,
    server: &Server,
    filter: &str,
    cookie: &[u8],
    flags: i32,
) -> Result<(Vec<Touched>, Vec<u8>), DirectoryError> {
    let doing = DirectoryOperation::ReadingChanges;
    let protocol = |detail: &str| DirectoryError::Protocol {
        doing: DirectoryOperation::ReadingChanges,
        detail: detail.to_owned(),
    };
    let domain = server.root.domain.clone().ok_or_else(|| protocol("no domain that it belongs to"))?;
    let mut cookie = cookie.to_vec();
    let mut touched = Vec::new();
    loop {
        // All attributes: an entry in which none of those asked for has changed does not come at all.
        let query = Query {
            base: domain.clone(),
            scope: SearchScope::Subtree,
            filter: filter.to_owned(),
            attributes: vec!["*".to_owned()],
            doing: doing.clone(),
        };
        let (entries, controls) = connection.ask_with(query, &[control(flags, &cookie)]).await?;
        for entry in entries {
            let guid = entry.attributes.one(GUID).and_then(|guid| <[u8; 16]>::try_from(guid).ok());
            let guid = guid.ok_or_else(|| protocol("a changed entry without its objectGUID"))?;
            let is_deleted = is_true(entry.attributes.one(DELETED));
            let class = if is_deleted { Class::of(&entry.attributes) } else { Class::Unknown };
            touched.push(Touched { anchor: Anchor::from_guid(guid), dn: Some(entry.dn), class, is_deleted });
        }
        let answer =
            controls.into_iter().find(|control| control.oid == DIRSYNC).and_then(|control| control.value);
        let (more, next) =
            answer.as_deref().and_then(decode).ok_or_else(|| protocol("no cookie to go on with"))?;
        if !more {
            return Ok((touched, next.to_vec()));
        }
        if next == cookie {
            return Err(protocol("the same cookie again"));
        }
        cookie = next.to_vec();
    }
}

pub(super) fn is_true(value: Option<&[u8]>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"))
}

/// `SEQUENCE { flags INTEGER, maxBytes INTEGER, cookie OCTET STRING }`
fn control(flags: i32, cookie: &[u8]) -> Control {
    let parts =
        [ber::number(INTEGER, flags), ber::number(INTEGER, AT_ONCE), ber::element(OCTET_STRING, cookie)];
    Control::critical(DIRSYNC, Some(ber::element(SEQUENCE, &parts.concat())))
}

/// `SEQUENCE { moreResults INTEGER, unused INTEGER, cookie OCTET STRING }`
fn decode(value: &[u8]) -> Option<(bool, &[u8])> {
    let (content, _) = ber::take(SEQUENCE, value)?;
    let (more, content) = ber::take(INTEGER, content)?;
    let (_, content) = ber::take(INTEGER, content)?;
    let (cookie, _) = ber::take(OCTET_STRING, content)?;
    Some((ber::integer(more)? != 0, cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_value() {
        let value = control(INCREMENTAL_VALUES | OBJECT_SECURITY, b"cookie").value.unwrap();
        // Read back in the form of the answer, which has the same three fields.
        assert_eq!(decode(&value), Some((true, b"cookie".as_slice())));
        assert_eq!(decode(&[0x30, 8, 2, 1, 0, 2, 1, 0, 4, 0]), Some((false, [].as_slice())));
        assert_eq!(decode(&[0x30, 3, 2, 1, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
