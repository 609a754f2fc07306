//! By the time of the last modification, for servers that offer nothing better.
//!
//! The times are the server's own throughout: the next question begins a while before the latest time that was seen, so
//! neither our clock nor a change that another server made a little earlier makes a difference. Nothing tells who is
//! gone, so who is in scope is compared each time.

use jiff::Timestamp;
use model::{Attributes, Fingerprint, Fingerprinter};

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::cursor::Position;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::search::Query;
use crate::server::{MODIFIED, Server};
use crate::wire::SearchScope;

use super::Answer;
use super::touched::{Class, Found, OBJECT_CLASS, Touched};

/// How far the next question reaches back behind what was seen, in seconds.
const OVERLAP: i64 = 600;

/// Before every entry.
const BEGINNING: &str = "19700101000000Z";

pub(super) async fn begin(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
) -> Result<Position, DirectoryError> {
    let branches = branches(connection, config, server).await?;
    Ok(Position::Timestamp { since: BEGINNING.to_owned(), branches })
}

/// Moves the time on to an entry's, if that is later.
pub(super) fn note(since: &mut String, attributes: &Attributes) {
    let modified = attributes.one(MODIFIED).and_then(|value| std::str::from_utf8(value).ok());
    if let Some(modified) = modified.and_then(whole_seconds)
        && modified > *since
    {
        *since = modified;
    }
}

pub(super) async fn changed(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    since: &str,
    known_branches: Fingerprint,
) -> Result<Answer, DirectoryError> {
    let branches = branches(connection, config, server).await?;
    if branches != known_branches {
        return Ok(Err("a branch of the tree was made, renamed, moved or deleted".to_owned()));
    }
    let query = Query {
        base: config.base_dn.clone(),
        scope: SearchScope::Subtree,
        filter: format!("({MODIFIED}>={})", earlier(since)),
        attributes: [&config.anchor.attribute, MODIFIED, OBJECT_CLASS].map(str::to_owned).to_vec(),
        doing: DirectoryOperation::ReadingChanges,
    };
    let page_size = server.root.has_paging.then_some(config.page_size);
    let entries = connection.ask_paged(query, page_size, &[]).await?;
    let mut since = since.to_owned();
    let mut touched = Vec::new();
    for entry in entries {
        note(&mut since, &entry.attributes);
        let class = match Class::of(&entry.attributes) {
            // What they are called was looked at, and the overlap shows them again and again.
            Class::Branch => continue,
            class => class,
        };
        // Who has no anchor is no user who could be known.
        let Ok(anchor) = config.anchor.of(&entry.attributes) else { continue };
        touched.push(Touched { anchor, dn: Some(entry.dn), class, is_deleted: false });
    }
    Ok(Ok(Found {
        touched,
        present: None,
        deletions_unexplained: false,
        compare: true,
        position: Position::Timestamp { since, branches },
    }))
}

/// The names of all branches, in one fingerprint. Renaming one renames everybody in it, and none of them counts as
/// modified.
async fn branches(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
) -> Result<Fingerprint, DirectoryError> {
    let query = Query {
        base: config.base_dn.clone(),
        scope: SearchScope::Subtree,
        filter: "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=organization)\
(objectClass=domain)(objectClass=locality)(objectClass=country))"
            .to_owned(),
        attributes: vec![config.anchor.attribute.clone()],
        doing: DirectoryOperation::ReadingChanges,
    };
    let page_size = server.root.has_paging.then_some(config.page_size);
    let entries = connection.ask_paged(query, page_size, &[]).await?;
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.dn).collect();
    names.sort();
    let mut hash = Fingerprinter::new("provisioner 2026 branches");
    names.iter().for_each(|name| hash.text(name));
    Ok(hash.finish())
}

/// A time in whole seconds (RFC 4517, section 3.3.13): `20260101120000Z`, also with a fraction.
fn whole_seconds(text: &str) -> Option<String> {
    let digits = text.get(..14)?;
    (digits.bytes().all(|byte| byte.is_ascii_digit()) && text.ends_with('Z')).then(|| format!("{digits}Z"))
}

/// A while before.
fn earlier(since: &str) -> String {
    const FORM: &str = "%Y%m%d%H%M%SZ";
    let zoned = since.replace('Z', "+0000");
    let Ok(time) = Timestamp::strptime("%Y%m%d%H%M%S%z", zoned) else { return BEGINNING.to_owned() };
    let seconds = (time.as_second() - OVERLAP).max(0);
    Timestamp::from_second(seconds)
        .map_or_else(|_| BEGINNING.to_owned(), |time| time.strftime(FORM).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlap() {
        assert_eq!(earlier("20260101000000Z"), "20251231235000Z");
        assert_eq!(earlier(BEGINNING), BEGINNING);
        assert_eq!(earlier("nonsense"), BEGINNING);
    }

    #[test]
    fn the_latest_time_counts() {
        let mut since = BEGINNING.to_owned();
        for (modified, expected) in [
            ("20260101120000Z", "20260101120000Z"),
            ("20250101120000Z", "20260101120000Z"),
            ("20260101120001.5Z", "20260101120001Z"),
            ("soon", "20260101120001Z"),
        ] {
            note(&mut since, &[(MODIFIED, modified)].into_iter().collect());
            assert_eq!(since, expected);
        }
    }
}
