//! Changed entries and their classes.

use std::collections::{HashMap, HashSet};

use model::{Anchor, AnchorHash, Attributes};

use crate::cursor::CursorPosition;
use crate::directory::Directory;
use crate::dn::is_under;
use crate::errors::{DirectoryOperation, Result};
use crate::group_class::{self, OBJECT_CLASS};
use crate::search::SearchQuery;
use crate::server::DirectoryServer;

/// Result of change detection.
pub(crate) struct DetectedChanges {
    /// Added, modified, moved and deleted entries.
    pub(crate) entries: Vec<ChangedEntry>,
    /// All existing entries, where the server names these instead of the deleted ones.
    pub(crate) present: Option<HashSet<AnchorHash>>,
    /// Whether deleted entries come without their class.
    pub(crate) deletions_unclassified: bool,
    /// Whether the scope must be compared each time, because the method does not report deletions.
    pub(crate) compare_scope: bool,
    pub(crate) position: CursorPosition,
}

#[derive(Clone, Debug)]
pub(crate) struct ChangedEntry {
    pub(crate) anchor: Anchor,
    pub(crate) dn: Option<String>,
    pub(crate) class: EntryClass,
    pub(crate) is_deleted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryClass {
    /// Not known; any class is possible.
    Unknown,
    /// Possibly a user.
    Person,
    Group,
    /// Entry with other entries under it.
    Container,
}

/// Attribute by which some servers tell whether an entry has entries under it.
pub(super) const HAS_SUBORDINATES: &str = "hasSubordinates";

/// Entries per search. Servers limit the length of a filter and the number of entries without paging.
const BATCH: usize = 100;

impl EntryClass {
    pub(super) fn of(attributes: &Attributes) -> Self {
        const CONTAINERS: &str =
            "organizationalunit container organization builtindomain domain domaindns locality country";
        let classes = attributes.all(OBJECT_CLASS);
        let any = |names: &str| {
            let is_one =
                |class: &bytes::Bytes| names.split(' ').any(|it| class.eq_ignore_ascii_case(it.as_bytes()));
            classes.iter().any(is_one)
        };
        let has_subordinates =
            attributes.one(HAS_SUBORDINATES).is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
        match () {
            () if classes.is_empty() => Self::Unknown,
            () if has_subordinates || any(CONTAINERS) => Self::Container,
            () if group_class::of_entry(attributes).next().is_some() => Self::Group,
            () => Self::Person,
        }
    }
}

impl ChangedEntry {
    /// Whether the DNs of other entries may have changed with this one. Those of the base and of the entries above it can't
    /// have, because the base is still found by its DN.
    pub(crate) fn may_rename_others(&self, base_dn: &str) -> bool {
        let holds_base = self.dn.as_deref().is_some_and(|dn| is_under(base_dn, dn));
        self.class == EntryClass::Container && !self.is_deleted && !holds_base
    }

    pub(crate) fn is_deleted_person(&self) -> bool {
        self.is_deleted && matches!(self.class, EntryClass::Person | EntryClass::Unknown)
    }
}

/// Reads DN and class of the entries for which the method gave none. Entries that are not found stay as they are.
pub(crate) async fn classify(
    directory: &mut Directory,
    server: &DirectoryServer,
    entries: &mut [ChangedEntry],
) -> Result<()> {
    let Directory { connection, config, .. } = directory;
    let is_open = |entry: &&mut ChangedEntry| entry.class == EntryClass::Unknown && !entry.is_deleted;
    let mut open: Vec<&mut ChangedEntry> = entries.iter_mut().filter(is_open).collect();
    for batch in open.chunks_mut(BATCH) {
        let any: String = batch.iter().filter_map(|entry| config.anchor.condition(&entry.anchor)).collect();
        let query = SearchQuery::subtree(
            server.root.domain.clone().unwrap_or_else(|| config.base_dn.clone()),
            format!("(|{any})"),
            vec![config.anchor.attribute.clone(), OBJECT_CLASS.to_owned()],
            DirectoryOperation::ReadingChanges,
        );
        let found = connection.search(query).await?.into_iter().filter_map(|entry| {
            let anchor = config.anchor.of(&entry.attributes).ok()?;
            Some((anchor, (entry.dn, EntryClass::of(&entry.attributes))))
        });
        let mut found: HashMap<Anchor, (String, EntryClass)> = found.collect();
        for entry in batch {
            if let Some((dn, class)) = found.remove(&entry.anchor) {
                (entry.dn, entry.class) = (Some(dn), class);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_follows_from_object_classes_and_subordinates() {
        for (attributes, class) in [
            (vec![("objectClass", "top"), ("objectClass", "user")], EntryClass::Person),
            (vec![("objectClass", "Group")], EntryClass::Group),
            (vec![("objectClass", "organizationalUnit")], EntryClass::Container),
            (vec![("objectClass", "person"), ("hasSubordinates", "TRUE")], EntryClass::Container),
            (vec![("objectClass", "person"), ("hasSubordinates", "FALSE")], EntryClass::Person),
            (vec![], EntryClass::Unknown),
        ] {
            assert_eq!(EntryClass::of(&attributes.into_iter().collect()), class);
        }
    }
}
