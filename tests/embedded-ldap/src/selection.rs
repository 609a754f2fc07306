//! Selection of the attributes of an answer.

use std::collections::BTreeMap;

use crate::entry::{MEMBER_OF, StoredEntry, is_operational};
use crate::response::AnsweredEntry;
use crate::tree::EntryTree;

/// Requested attributes: names, `*`, `+` and `1.1`.
#[derive(Debug)]
pub(crate) struct AttributeSelection {
    all_user: bool,
    all_operational: bool,
    names: Vec<String>,
    /// First requested value, by attribute, for attributes requested in ranges.
    starts: BTreeMap<String, usize>,
    /// Most values of an attribute in one answer.
    max_values: usize,
    types_only: bool,
}

impl AttributeSelection {
    pub(crate) fn new(requested: &[String], types_only: bool, max_values: Option<usize>) -> Self {
        let mut starts = BTreeMap::new();
        let mut names = Vec::new();
        for name in requested.iter().map(|name| name.to_ascii_lowercase()) {
            match name.split_once(";range=") {
                Some((name, range)) => {
                    let first = range.split('-').next().and_then(|first| first.parse().ok());
                    starts.insert(name.to_owned(), first.unwrap_or(0));
                    names.push(name.to_owned());
                }
                None => names.push(name),
            }
        }
        let has = |wanted: &str| requested.iter().any(|name| name == wanted);
        Self {
            all_user: requested.is_empty() || has("*"),
            all_operational: has("+"),
            names,
            starts,
            max_values: max_values.unwrap_or(usize::MAX),
            types_only,
        }
    }

    fn includes(&self, lower_name: &str, operational: bool) -> bool {
        let all = if operational { self.all_operational } else { self.all_user };
        all || self.names.iter().any(|name| name == lower_name)
    }

    /// Answer for an entry of the tree.
    pub(crate) fn project(&self, entry: &StoredEntry, tree: &EntryTree) -> AnsweredEntry {
        let mut answer = self.project_stored(entry, is_operational);
        if self.includes(MEMBER_OF, true) {
            let groups: Vec<_> =
                tree.groups_of(&entry.path).map(|group| group.dn.clone().into_bytes()).collect();
            if !groups.is_empty() {
                answer.attributes.push(self.attribute("memberOf", &groups));
            }
        }
        answer
    }

    /// Answer with the stored attributes alone.
    pub(crate) fn project_stored(
        &self,
        entry: &StoredEntry,
        is_operational: impl Fn(&str) -> bool,
    ) -> AnsweredEntry {
        let attributes = entry
            .attributes
            .iter()
            .filter(|(lower_name, _)| self.includes(lower_name, is_operational(lower_name)))
            .map(|(_, attribute)| self.attribute(&attribute.name, &attribute.values))
            .collect();
        AnsweredEntry { dn: entry.dn.clone(), attributes }
    }

    fn attribute(&self, name: &str, values: &[Vec<u8>]) -> (String, Vec<Vec<u8>>) {
        if self.types_only {
            return (name.to_owned(), Vec::new());
        }
        let start = self.starts.get(&name.to_ascii_lowercase()).copied();
        if start.is_none() && values.len() <= self.max_values {
            return (name.to_owned(), values.to_vec());
        }
        // As in Active Directory: the name contains the range, with an asterisk at the end of the last one.
        let start = start.unwrap_or(0);
        let range: Vec<_> = values.iter().skip(start).take(self.max_values).cloned().collect();
        let end = start + range.len();
        let last = if end >= values.len() { "*".to_owned() } else { (end - 1).to_string() };
        (format!("{name};range={start}-{last}"), range)
    }
}
