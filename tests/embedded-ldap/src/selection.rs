//! Which attributes of an entry are answered.

use std::collections::BTreeMap;

use ldap3_proto::{LdapPartialAttribute, LdapSearchResultEntry};

use crate::entry::{Entry, MEMBER_OF, is_operational};
use crate::tree::Tree;

/// The requested attributes: names, `*`, `+` and `1.1`.
#[derive(Debug)]
pub(crate) struct Selection {
    all_user: bool,
    all_operational: bool,
    names: Vec<String>,
    /// The number of the first value that is asked for, by attribute, where one is named.
    starts: BTreeMap<String, usize>,
    /// How many values of one attribute come at once.
    max_values: usize,
    types_only: bool,
}

impl Selection {
    pub(crate) fn new(requested: &[String], types_only: bool, max_values: Option<usize>) -> Selection {
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
        let asks = |wanted: &str| requested.iter().any(|name| name == wanted);
        Selection {
            all_user: requested.is_empty() || asks("*"),
            all_operational: asks("+"),
            names,
            starts,
            max_values: max_values.unwrap_or(usize::MAX),
            types_only,
        }
    }

    fn wants(&self, lower_name: &str, operational: bool) -> bool {
        let all = if operational { self.all_operational } else { self.all_user };
        all || self.names.iter().any(|name| name == lower_name)
    }

    /// What an entry of the tree is answered as.
    pub(crate) fn project(&self, entry: &Entry, tree: &Tree) -> LdapSearchResultEntry {
        let mut answer = self.project_stored(entry, is_operational);
        if self.wants(MEMBER_OF, true) {
            let groups: Vec<_> =
                tree.groups_of(&entry.key).map(|group| group.dn.clone().into_bytes()).collect();
            if !groups.is_empty() {
                answer.attributes.push(self.attribute("memberOf", groups));
            }
        }
        answer
    }

    /// What an entry is answered as by its stored attributes alone.
    pub(crate) fn project_stored(
        &self,
        entry: &Entry,
        is_operational: impl Fn(&str) -> bool,
    ) -> LdapSearchResultEntry {
        let attributes = entry
            .attributes
            .iter()
            .filter(|(lower_name, _)| self.wants(lower_name, is_operational(lower_name)))
            .map(|(_, attribute)| self.attribute(&attribute.name, attribute.values.clone()))
            .collect();
        LdapSearchResultEntry { dn: entry.dn.clone(), attributes }
    }

    fn attribute(&self, name: &str, values: Vec<Vec<u8>>) -> LdapPartialAttribute {
        if self.types_only {
            return LdapPartialAttribute { atype: name.to_owned(), vals: Vec::new() };
        }
        let start = self.starts.get(&name.to_ascii_lowercase()).copied();
        if start.is_none() && values.len() <= self.max_values {
            return LdapPartialAttribute { atype: name.to_owned(), vals: values };
        }
        // As Active Directory does it: the name says which values these are, and a star that they are the last.
        let start = start.unwrap_or(0);
        let count = values.len();
        let vals: Vec<_> = values.into_iter().skip(start).take(self.max_values).collect();
        let end = start + vals.len();
        let last = if end >= count { "*".to_owned() } else { (end - 1).to_string() };
        LdapPartialAttribute { atype: format!("{name};range={start}-{last}"), vals }
    }
}
