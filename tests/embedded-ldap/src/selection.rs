//! Which attributes of an entry are answered.

use ldap3_proto::{LdapPartialAttribute, LdapSearchResultEntry};

use crate::entry::{Entry, MEMBER_OF, is_operational};
use crate::tree::Tree;

/// The requested attributes: names, `*`, `+` and `1.1`.
#[derive(Debug)]
pub(crate) struct Selection {
    all_user: bool,
    all_operational: bool,
    names: Vec<String>,
    types_only: bool,
}

impl Selection {
    pub(crate) fn new(requested: &[String], types_only: bool) -> Selection {
        let asks = |wanted: &str| requested.iter().any(|name| name == wanted);
        Selection {
            all_user: requested.is_empty() || asks("*"),
            all_operational: asks("+"),
            names: requested.iter().map(|name| name.to_ascii_lowercase()).collect(),
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
        let vals = if self.types_only { Vec::new() } else { values };
        LdapPartialAttribute { atype: name.to_owned(), vals }
    }
}
