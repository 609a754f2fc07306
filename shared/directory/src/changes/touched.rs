//! Entries that are worth a look, and what kind of entries they are.

use std::collections::{HashMap, HashSet};

use model::{Anchor, AnchorHash, Attributes};

use crate::config::DirectoryConfig;
use crate::connection::Connection;
use crate::cursor::Position;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::search::Query;
use crate::server::Server;
use crate::wire::SearchScope;

use super::{BATCH, is_under};

/// What a way of asking for changes found.
pub(super) struct Found {
    /// What was made, changed, moved or deleted.
    pub(super) touched: Vec<Touched>,
    /// Everything that is there, where the server tells that instead of what is gone.
    pub(super) present: Option<HashSet<AnchorHash>>,
    /// Whether deletions come without saying what kind of entry it was.
    pub(super) deletions_unexplained: bool,
    /// Whether who is in scope must be compared each time, because nothing tells who is gone.
    pub(super) compare: bool,
    /// Where to go on the next time.
    pub(super) position: Position,
}

/// An entry that was made, changed, moved or deleted.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    pub(super) anchor: Anchor,
    pub(super) dn: Option<String>,
    pub(super) class: Class,
    pub(super) is_deleted: bool,
}

/// What kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Not known; it may be anything.
    Unknown,
    /// Perhaps a user.
    Person,
    /// A group.
    Group,
    /// One that others are under.
    Branch,
}

pub(super) const OBJECT_CLASS: &str = "objectClass";
/// Whether other entries are under this one, for servers that say so.
pub(super) const HAS_SUBORDINATES: &str = "hasSubordinates";

impl Class {
    pub(super) fn of(attributes: &Attributes) -> Self {
        const GROUPS: [&str; 7] = [
            "group",
            "groupofnames",
            "groupofuniquenames",
            "groupofentries",
            "groupofurls",
            "groupofmembers",
            "posixgroup",
        ];
        const BRANCHES: [&str; 8] = [
            "organizationalunit",
            "container",
            "organization",
            "builtindomain",
            "domain",
            "domaindns",
            "locality",
            "country",
        ];
        let classes = attributes.all(OBJECT_CLASS);
        let any = |names: &[&str]| {
            classes.iter().any(|class| names.iter().any(|name| class.eq_ignore_ascii_case(name.as_bytes())))
        };
        let has_subordinates =
            attributes.one(HAS_SUBORDINATES).is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
        match () {
            () if classes.is_empty() => Self::Unknown,
            () if has_subordinates || any(&BRANCHES) => Self::Branch,
            () if any(&GROUPS) => Self::Group,
            () => Self::Person,
        }
    }
}

impl Touched {
    /// Whether the names of other entries may have changed with this one. The names of the base entry and of those above
    /// it can't have, as long as it is found under its own.
    pub(super) fn is_branch(&self, config: &DirectoryConfig) -> bool {
        let holds_base = self.dn.as_deref().is_some_and(|dn| is_under(&config.base_dn, dn));
        self.class == Class::Branch && !self.is_deleted && !holds_base
    }

    pub(super) fn is_deleted_person(&self) -> bool {
        self.is_deleted && matches!(self.class, Class::Person | Class::Unknown)
    }
}

/// Finds out what kind of entries these are and where, for ways of asking that don't tell. Those that are not found
/// stay as they are.
pub(super) async fn classify(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    touched: &mut [Touched],
) -> Result<(), DirectoryError> {
    let is_open = |touched: &&mut Touched| touched.class == Class::Unknown && !touched.is_deleted;
    let mut open: Vec<&mut Touched> = touched.iter_mut().filter(is_open).collect();
    for batch in open.chunks_mut(BATCH) {
        let any: String =
            batch.iter().filter_map(|touched| config.anchor.condition(&touched.anchor)).collect();
        let query = Query {
            base: server.root.domain.clone().unwrap_or_else(|| config.base_dn.clone()),
            scope: SearchScope::Subtree,
            filter: format!("(|{any})"),
            attributes: vec![config.anchor.attribute.clone(), OBJECT_CLASS.to_owned()],
            doing: DirectoryOperation::ReadingChanges,
        };
        let found = connection.ask(query).await?.into_iter().filter_map(|entry| {
            let anchor = config.anchor.of(&entry.attributes).ok()?;
            Some((anchor, (entry.dn, Class::of(&entry.attributes))))
        });
        let mut found: HashMap<Anchor, (String, Class)> = found.collect();
        for touched in batch {
            if let Some((dn, class)) = found.remove(&touched.anchor) {
                (touched.dn, touched.class) = (Some(dn), class);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_its_classes_say() {
        for (attributes, class) in [
            (vec![("objectClass", "top"), ("objectClass", "user")], Class::Person),
            (vec![("objectClass", "Group")], Class::Group),
            (vec![("objectClass", "organizationalUnit")], Class::Branch),
            (vec![("objectClass", "person"), ("hasSubordinates", "TRUE")], Class::Branch),
            (vec![("objectClass", "person"), ("hasSubordinates", "FALSE")], Class::Person),
            (vec![], Class::Unknown),
        ] {
            assert_eq!(Class::of(&attributes.into_iter().collect()), class);
        }
    }
}
