//! Time of the last modification, for servers without a better method.
//!
//! All times are the server's. A read starts some time before the latest modification of the previous one, so neither this
//! machine's clock nor a slightly older change of another server matters. Deletions are not reported, so the scope is
//! compared each time.

use jiff::Timestamp;
use model::{Attributes, Fingerprint, Fingerprinter};

use crate::change_time::{MODIFIED, whole_seconds};
use crate::cursor::CursorPosition;
use crate::directory::Directory;
use crate::errors::{DirectoryOperation, Result};
use crate::group_class::OBJECT_CLASS;
use crate::search::SearchQuery;
use crate::server::DirectoryServer;

use super::changed_entry::{ChangedEntry, DetectedChanges, EntryClass};

/// Seconds by which a read reaches back behind the previous one.
const OVERLAP: i64 = 600;

/// Time before every entry.
const BEGINNING: &str = "19700101000000Z";

/// Position before every entry; the full read advances it.
pub(super) async fn start(directory: &mut Directory, server: &DirectoryServer) -> Result<CursorPosition> {
    let containers = containers(directory, server).await?;
    Ok(CursorPosition::Timestamp { since: BEGINNING.to_owned(), containers })
}

/// Advances the time to an entry's last modification, if that is later.
pub(crate) fn advance(since: &mut String, attributes: &Attributes) {
    let modified = attributes.one(MODIFIED).and_then(|value| std::str::from_utf8(value).ok());
    if let Some(modified) = modified.and_then(whole_seconds)
        && modified > *since
    {
        *since = modified;
    }
}

pub(super) async fn detect(
    directory: &mut Directory,
    server: &DirectoryServer,
    since: &str,
    known_containers: Fingerprint,
) -> Result<Result<DetectedChanges, String>> {
    let containers = containers(directory, server).await?;
    if containers != known_containers {
        return Ok(Err("a container was added, renamed, moved or deleted".to_owned()));
    }
    let Directory { connection, config, .. } = directory;
    let query = SearchQuery::subtree(
        config.base_dn.clone(),
        format!("({MODIFIED}>={})", earlier(since)),
        [&config.anchor.attribute, MODIFIED, OBJECT_CLASS].map(str::to_owned).to_vec(),
        DirectoryOperation::ReadingChanges,
    );
    let page_size = server.root.has_paging.then_some(config.page_size);
    let found = connection.search_paged(query, page_size).await?;
    let mut since = since.to_owned();
    let mut entries = Vec::new();
    for entry in found {
        advance(&mut since, &entry.attributes);
        let class = match EntryClass::of(&entry.attributes) {
            // Their DNs are compared above, and the overlap would report them repeatedly.
            EntryClass::Container => continue,
            class => class,
        };
        // An entry without an anchor is not a known user.
        let Ok(anchor) = config.anchor.of(&entry.attributes) else { continue };
        entries.push(ChangedEntry { anchor, dn: Some(entry.dn), class, is_deleted: false });
    }
    Ok(Ok(DetectedChanges {
        entries,
        present: None,
        deletions_unclassified: false,
        compare_scope: true,
        position: CursorPosition::Timestamp { since, containers },
    }))
}

/// Fingerprint of the DNs of all containers. A renamed container changes the DN of every entry in it without modifying them.
async fn containers(directory: &mut Directory, server: &DirectoryServer) -> Result<Fingerprint> {
    let Directory { connection, config, .. } = directory;
    let query = SearchQuery::subtree(
        config.base_dn.clone(),
        "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=organization)\
(objectClass=domain)(objectClass=locality)(objectClass=country))"
            .to_owned(),
        vec![config.anchor.attribute.clone()],
        DirectoryOperation::ReadingChanges,
    );
    let page_size = server.root.has_paging.then_some(config.page_size);
    let entries = connection.search_paged(query, page_size).await?;
    let mut dns: Vec<String> = entries.into_iter().map(|entry| entry.dn).collect();
    dns.sort();
    let mut hash = Fingerprinter::new("provisioner 2026 containers");
    dns.iter().for_each(|dn| hash.text(dn));
    Ok(hash.finish())
}

/// Time [`OVERLAP`] seconds before.
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
    fn read_starts_before_the_latest_modification() {
        assert_eq!(earlier("20260101000000Z"), "20251231235000Z");
        assert_eq!(earlier(BEGINNING), BEGINNING);
        assert_eq!(earlier("nonsense"), BEGINNING);
    }

    #[test]
    fn latest_modification_counts() {
        let mut since = BEGINNING.to_owned();
        for (modified, expected) in [
            ("20260101120000Z", "20260101120000Z"),
            ("20250101120000Z", "20260101120000Z"),
            ("20260101120001.5Z", "20260101120001Z"),
            ("soon", "20260101120001Z"),
        ] {
            advance(&mut since, &[(MODIFIED, modified)].into_iter().collect());
            assert_eq!(since, expected);
        }
    }
}
