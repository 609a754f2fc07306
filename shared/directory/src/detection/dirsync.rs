//! Active Directory's DirSync control (MS-ADTS, section 3.1.1.3.4.1.3): the changes of a whole domain since a cookie.
//!
//! The answer holds changed attributes only, so it identifies an entry and says little more. Deleted objects are shown to
//! accounts with the right to see them and omitted without an error for all others; then the scope is compared each time.

use crate::anchor::guid;
use crate::connection::LdapConnection;
use crate::cursor::{CursorPosition, SyncCookie};
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::paging::{CookieChain, PageDigest, PagingStuck, page_control};
use crate::search::{NO_ATTRIBUTES, NO_ENTRY, SearchQuery};
use crate::server::DirectoryServer;
use crate::wire::ber::{self, INTEGER, OCTET_STRING, SEQUENCE};
use crate::wire::{LdapControl, SearchScope};

use super::changed_entry::{ChangedEntry, DetectedChanges, EntryClass};

const DIRSYNC: &str = "1.2.840.113556.1.4.841";

/// Control that includes deleted objects (LDAP_SERVER_SHOW_DELETED_OID).
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Flag: only the changed values of a group's member attribute.
const INCREMENTAL_VALUES: i32 = i32::MIN;
/// Flag: only what the account may read. Without it the account needs the right to replicate the domain.
const OBJECT_SECURITY: i32 = 1;

/// Bytes per answer.
const CHUNK: i32 = 1 << 20;

/// Filter that matches users, groups and containers. A deleted object keeps these classes and loses the attributes of a
/// usual user filter.
const OBJECTS: &str = "(|(objectClass=user)(objectClass=group)(objectClass=organizationalUnit)\
(objectClass=container))";

/// Changed entries, and the cookie behind them.
type DirsyncAnswer = (Vec<ChangedEntry>, SyncCookie);

/// Position of now; `None` if the server refuses the control.
pub(super) async fn start(
    directory: &mut Directory,
    server: &DirectoryServer,
) -> Result<Option<CursorPosition>> {
    if !server.root.offers(DIRSYNC) {
        return Ok(None);
    }
    let connection = &mut directory.connection;
    match request(connection, server, NO_ENTRY, &SyncCookie(Vec::new())).await {
        Ok((_, cookie)) => {
            let sees_deleted = sees_deleted(connection, server).await?;
            Ok(Some(CursorPosition::Dirsync { cookie, sees_deleted }))
        }
        Err(DirectoryError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn detect(
    directory: &mut Directory,
    server: &DirectoryServer,
    cookie: &SyncCookie,
    sees_deleted: bool,
) -> Result<Result<DetectedChanges, String>> {
    let (entries, cookie) = match request(&mut directory.connection, server, OBJECTS, cookie).await {
        Ok(answer) => answer,
        Err(error @ DirectoryError::Refused { .. }) => {
            return Ok(Err(format!("the server refused the cursor's cookie: {error}")));
        }
        Err(error) => return Err(error),
    };
    Ok(Ok(DetectedChanges {
        entries,
        present: None,
        deletions_unclassified: false,
        compare_scope: !sees_deleted,
        position: CursorPosition::Dirsync { cookie, sees_deleted },
    }))
}

/// All changes since the cookie: by the right to replicate if the account has it, else limited to what it may read.
async fn request(
    connection: &mut LdapConnection,
    server: &DirectoryServer,
    filter: &str,
    cookie: &SyncCookie,
) -> Result<DirsyncAnswer> {
    const NO_RIGHT: u32 = 50;
    let operation = DirectoryOperation::ReadingChanges;
    let domain = server.root.domain.clone();
    let query = SearchQuery {
        base: domain.ok_or_else(|| DirectoryError::protocol(&operation, "the root DSE names no domain"))?,
        scope: SearchScope::Subtree,
        filter: filter.to_owned(),
        // All attributes: an entry without a change of a requested attribute would be missing.
        attributes: vec!["*".to_owned()],
        operation,
    };
    match request_with(connection, &query, cookie, INCREMENTAL_VALUES).await {
        Err(DirectoryError::Refused { code: NO_RIGHT, .. }) => {
            request_with(connection, &query, cookie, INCREMENTAL_VALUES | OBJECT_SECURITY).await
        }
        answer => answer,
    }
}

async fn request_with(
    connection: &mut LdapConnection,
    query: &SearchQuery,
    cookie: &SyncCookie,
    flags: i32,
) -> Result<DirsyncAnswer> {
    let protocol = |detail: &str| DirectoryError::protocol(&query.operation, detail);
    let mut cookie = cookie.0.clone();
    let mut chain = CookieChain::default();
    let mut changed = Vec::new();
    loop {
        let (entries, controls) = connection.search_with(query.clone(), &[control(flags, &cookie)]).await?;
        let mut digest = PageDigest::default();
        for entry in entries {
            digest.add(&entry.dn);
            let anchor = entry.attributes.one("objectGUID").and_then(guid);
            let anchor = anchor.ok_or_else(|| protocol("a changed entry without its objectGUID"))?;
            let deleted = entry.attributes.one("isDeleted");
            let is_deleted = deleted.is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
            let class = if is_deleted { EntryClass::of(&entry.attributes) } else { EntryClass::Unknown };
            changed.push(ChangedEntry { anchor, dn: Some(entry.dn), class, is_deleted });
        }
        let answer =
            controls.into_iter().find(|control| control.oid == DIRSYNC).and_then(|control| control.value);
        let (more, next) =
            answer.as_deref().and_then(decode).ok_or_else(|| protocol("no cookie to continue with"))?;
        if !more {
            return Ok((changed, SyncCookie(next.to_vec())));
        }
        if next == cookie {
            return Err(protocol("the same cookie again"));
        }
        cookie = next.to_vec();
        chain.advance(cookie.clone(), digest).map_err(|PagingStuck(why)| protocol(why))?;
    }
}

/// Whether the account may see deleted objects. By default only administrators may, and all others get an empty answer with
/// success. So a visible deleted object is the only proof; without one the answer is no, which only costs time.
async fn sees_deleted(connection: &mut LdapConnection, server: &DirectoryServer) -> Result<bool> {
    let Some(domain) = &server.root.domain else { return Ok(false) };
    let query = SearchQuery {
        base: format!("CN=Deleted Objects,{domain}"),
        scope: SearchScope::OneLevel,
        filter: "(isDeleted=TRUE)".to_owned(),
        attributes: vec![NO_ATTRIBUTES.to_owned()],
        operation: DirectoryOperation::ReadingChanges,
    };
    let controls = [LdapControl::critical(SHOW_DELETED, None), page_control(1, &[])];
    match connection.search_with(query, &controls).await {
        Ok((entries, _)) => Ok(!entries.is_empty()),
        Err(DirectoryError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `SEQUENCE { flags INTEGER, maxBytes INTEGER, cookie OCTET STRING }`
fn control(flags: i32, cookie: &[u8]) -> LdapControl {
    let parts =
        [ber::number(INTEGER, flags), ber::number(INTEGER, CHUNK), ber::element(OCTET_STRING, cookie)];
    LdapControl::critical(DIRSYNC, Some(ber::element(SEQUENCE, &parts.concat())))
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
    fn control_value_decodes() {
        let value = control(INCREMENTAL_VALUES | OBJECT_SECURITY, b"cookie").value.unwrap();
        // The answer has the same three fields.
        assert_eq!(decode(&value), Some((true, b"cookie".as_slice())));
        assert_eq!(decode(&[0x30, 8, 2, 1, 0, 2, 1, 0, 4, 0]), Some((false, [].as_slice())));
        assert_eq!(decode(&[0x30, 3, 2, 1, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
