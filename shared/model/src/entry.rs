//! A user as read from the directory.

use std::collections::BTreeMap;

use crate::Anchor;

/// A user as read from the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The immutable id.
    pub anchor: Anchor,
    /// The distinguished name, as the server spells it.
    pub dn: String,
    /// The attributes that were asked for and are there.
    pub attributes: Attributes,
}

/// Attribute values by name. Names compare without case; values are bytes, because a directory promises no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, Vec<Vec<u8>>>);

impl Attributes {
    /// Adds the values of one attribute.
    pub fn insert(&mut self, name: &str, values: Vec<Vec<u8>>) {
        self.0.entry(name.to_ascii_lowercase()).or_default().extend(values);
    }

    /// All values of an attribute, in the server's order; empty when it is absent.
    pub fn all(&self, name: &str) -> &[Vec<u8>] {
        let found = match self.0.get(name) {
            Some(values) => Some(values),
            None => self.0.get(&name.to_ascii_lowercase()),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// The one value that stands for an attribute. LDAP gives values in no order, so the smallest is taken:
    /// another server, or the same one tomorrow, then gives the same user.
    pub fn one(&self, name: &str) -> Option<&[u8]> {
        self.all(name).iter().map(Vec::as_slice).filter(|value| !value.is_empty()).min()
    }

    /// The names that are there, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Self {
        let mut attributes = Self::default();
        for (name, value) in pairs {
            attributes.insert(name, vec![value.as_bytes().to_vec()]);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_order_does_not_matter() {
        let a: Attributes = [("Mail", "b@x"), ("mail", "a@x")].into_iter().collect();
        assert_eq!(a.one("MAIL"), Some(b"a@x".as_slice()));
        assert_eq!(a.all("mail").len(), 2);
        assert_eq!(a.one("sn"), None);
    }
}
