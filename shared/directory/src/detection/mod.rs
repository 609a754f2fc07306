//! Change detection: the entries that changed since a cursor.
//!
//! Three methods, one file each: Active Directory's DirSync control, content synchronisation (RFC 4533), and the time of the
//! last modification. A method only *names* entries. Their attributes and their scope are read in the usual way afterwards,
//! so a method can miss an entry but never report a wrong one; the regular full scan finds what it missed.

mod changed_entry;
mod dirsync;
mod sync;
mod timestamp;

use crate::config::{AnchorForm, ChangeDetection};
use crate::cursor::CursorPosition;
use crate::directory::Directory;
use crate::errors::{DirectoryError, Result};
use crate::server::DirectoryServer;

pub(crate) use changed_entry::{ChangedEntry, DetectedChanges, EntryClass, classify};
pub(crate) use timestamp::advance as advance_time;

/// Position for a full read that starts now; `None` if the server supports no method of change detection.
pub(crate) async fn start_position(
    directory: &mut Directory,
    server: &DirectoryServer,
) -> Result<Option<CursorPosition>> {
    let config = &directory.config;
    // A change of a group changes these attributes of a user without marking the user as changed.
    let is_computed =
        |name: &String| ["memberOf", "isMemberOf"].iter().any(|it| name.eq_ignore_ascii_case(it));
    if config.changes == ChangeDetection::None || config.attributes.iter().any(is_computed) {
        return Ok(None);
    }
    let configured = config.changes;
    let may_use = |method| configured == ChangeDetection::Auto || configured == method;
    let has_guid = server.root.is_active_directory && config.anchor.form == AnchorForm::Guid;
    let has_entry_uuid = config.anchor.attribute.eq_ignore_ascii_case("entryUUID");
    if has_guid
        && may_use(ChangeDetection::DirSync)
        && let Some(position) = dirsync::start(directory, server).await?
    {
        return Ok(Some(position));
    }
    if has_entry_uuid
        && may_use(ChangeDetection::Sync)
        && let Some(position) = sync::start(directory, server).await?
    {
        return Ok(Some(position));
    }
    if server.has_timestamps && may_use(ChangeDetection::Timestamp) {
        return match timestamp::start(directory, server).await {
            Ok(position) => Ok(Some(position)),
            Err(DirectoryError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        };
    }
    Ok(None)
}

/// Changes since a position, or the reason for which a full read is needed.
pub(crate) async fn detect(
    directory: &mut Directory,
    server: &DirectoryServer,
    position: &CursorPosition,
) -> Result<Result<DetectedChanges, String>> {
    match position {
        CursorPosition::Dirsync { cookie, sees_deleted } => {
            dirsync::detect(directory, server, cookie, *sees_deleted).await
        }
        CursorPosition::Sync { cookie } => sync::detect(directory, server, cookie).await,
        CursorPosition::Timestamp { since, containers } => {
            timestamp::detect(directory, server, since, *containers).await
        }
    }
}
