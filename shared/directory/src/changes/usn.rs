//! Active Directory's update sequence numbers: each domain controller counts the changes that it makes or takes over,
//! and every object shows the number of its last one. The numbers mean nothing on another controller.

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::cursor::Position;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::search::Query;
use crate::server::Server;
use crate::wire::{Control, SearchScope};

use super::Answer;
use super::dirsync::is_true;
use super::touched::{Class, Found, OBJECT_CLASS, Touched};

/// Shows deleted objects too (LDAP_SERVER_SHOW_DELETED_OID).
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const DELETED: &str = "isDeleted";

/// What can be a user, a group, or a branch of the tree. A deleted object keeps these classes, and loses what else a user
/// filter goes by.
pub(super) const OBJECTS: &str = "(|(objectClass=user)(objectClass=group)(objectClass=organizationalUnit)\
(objectClass=container))";

pub(super) async fn begin(
    connection: &mut Connection,
    server: &Server,
) -> Result<Option<Position>, DirectoryError> {
    let Some(usn) = server.root.highest_usn else { return Ok(None) };
    let sees_deleted = sees_deleted(connection, server).await?;
    Ok(Some(Position::Usn { usn, sees_deleted }))
}

pub(super) async fn changed(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    usn: u64,
    sees_deleted: bool,
) -> Result<Answer, DirectoryError> {
    let Some(highest) = server.root.highest_usn else {
        return Ok(Err("the server does not show its update sequence number any more".to_owned()));
    };
    let query = Query {
        base: server.root.domain.clone().unwrap_or_else(|| config.base_dn.clone()),
        scope: SearchScope::Subtree,
        filter: format!("(&(uSNChanged>={}){OBJECTS})", usn.saturating_add(1)),
        attributes: [&config.anchor.attribute, OBJECT_CLASS, DELETED].map(str::to_owned).to_vec(),
        doing: DirectoryOperation::ReadingChanges,
    };
    let page_size = server.root.has_paging.then_some(config.page_size);
    let entries = connection.ask_paged(query, page_size, &[show_deleted()]).await?;
    let mut touched = Vec::new();
    for entry in entries {
        let anchor = config.anchor.of(&entry.attributes);
        let anchor = anchor.map_err(|detail| DirectoryError::Protocol {
            doing: DirectoryOperation::ReadingChanges,
            detail,
        })?;
        let is_deleted = is_true(entry.attributes.one(DELETED));
        touched.push(Touched { anchor, dn: Some(entry.dn), class: Class::of(&entry.attributes), is_deleted });
    }
    Ok(Ok(Found {
        touched,
        present: None,
        deletions_unexplained: false,
        compare: !sees_deleted,
        position: Position::Usn { usn: highest, sees_deleted },
    }))
}

/// Whether the account may see deleted objects. By default only administrators may, and all others get an empty answer
/// with success. So to see one is the only proof; where there is none yet, the answer is no, which does no harm.
pub(super) async fn sees_deleted(
    connection: &mut Connection,
    server: &Server,
) -> Result<bool, DirectoryError> {
    let Some(domain) = &server.root.domain else { return Ok(false) };
    let query = Query {
        base: format!("CN=Deleted Objects,{domain}"),
        scope: SearchScope::OneLevel,
        filter: "(isDeleted=TRUE)".to_owned(),
        attributes: vec![crate::search::NO_ATTRIBUTES.to_owned()],
        doing: DirectoryOperation::ReadingChanges,
    };
    let one = [show_deleted(), crate::paging::page(1, &[])];
    match connection.ask_with(query, &one).await {
        Ok((entries, _)) => Ok(!entries.is_empty()),
        Err(DirectoryError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn show_deleted() -> Control {
    Control::critical(SHOW_DELETED, None)
}
