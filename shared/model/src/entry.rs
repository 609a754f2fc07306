//! A user as read from the directory.

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
///
/// An entry has a dozen of them and lives for a moment, so they are a sorted list rather than a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, Vec<Vec<u8>>)>);

impl Attributes {
    /// Adds the values of one attribute.
    pub fn insert(&mut self, name: impl Into<String>, values: Vec<Vec<u8>>) {
        let mut name = name.into();
        name.make_ascii_lowercase();
        match self.place(&name) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    known.extend(values);
                }
            }
            Err(at) => self.0.insert(at, (name, values)),
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// All values of an attribute, in the server's order; empty when it is absent.
    pub fn all(&self, name: &str) -> &[Vec<u8>] {
        let found = match self.place(name) {
            Err(_) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.place(&name.to_ascii_lowercase())
            }
            found => found,
        };
        found.ok().and_then(|at| self.0.get(at)).map_or(&[], |(_, values)| values.as_slice())
    }

    /// The one value that stands for an attribute. LDAP gives values in no order, so the smallest is taken:
    /// another server, or the same one tomorrow, then gives the same user.
    pub fn one(&self, name: &str) -> Option<&[u8]> {
        self.all(name).iter().map(Vec::as_slice).filter(|value| !value.is_empty()).min()
    }

    /// The names that are there, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
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
