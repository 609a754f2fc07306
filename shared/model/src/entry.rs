//! A user as read from the directory.

use std::ops::Range;

use bytes::Bytes;

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
/// An entry has a dozen of them and lives for a moment: they are a list, and share the memory of the message that they
/// came in.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    names: Vec<(Bytes, Range<usize>)>,
    values: Vec<Bytes>,
}

impl Attributes {
    /// Adds the values of one attribute.
    pub fn insert(&mut self, name: impl Into<Bytes>, values: impl IntoIterator<Item = Bytes>) {
        let name = name.into();
        let start = self.values.len();
        let known = self.names.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let known = match known {
            Some((_, range)) => {
                // What is together stays together.
                self.values.extend_from_within(range.clone());
                range
            }
            None => {
                self.names.push((name, 0..0));
                let Some((_, range)) = self.names.last_mut() else { return };
                range
            }
        };
        self.values.extend(values);
        *known = start..self.values.len();
    }

    /// All values of an attribute, in the server's order; empty when it is absent.
    pub fn all(&self, name: &str) -> &[Bytes] {
        let found = self.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.and_then(|(_, range)| self.values.get(range.clone())).unwrap_or_default()
    }

    /// The same for somebody who asks entry after entry: most list the same attributes in the same order. `place` is where the
    /// attribute was in the entry before.
    pub fn all_near(&self, name: &str, place: &mut usize) -> &[Bytes] {
        let is_it = |(known, _): &(Bytes, _)| known.eq_ignore_ascii_case(name.as_bytes());
        if !self.names.get(*place).is_some_and(is_it) {
            let Some(found) = self.names.iter().position(is_it) else { return &[] };
            *place = found;
        }
        let range = self.names.get(*place).map(|(_, range)| range.clone());
        range.and_then(|range| self.values.get(range)).unwrap_or_default()
    }

    /// The one value that stands for an attribute. LDAP gives values in no order, so the smallest is taken:
    /// another server, or the same one tomorrow, then gives the same user.
    pub fn one(&self, name: &str) -> Option<&[u8]> {
        self.all(name).iter().map(Bytes::as_ref).filter(|value| !value.is_empty()).min()
    }

    /// The names that are there, as the server spells them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        let same = |(name, _): &(Bytes, _)| {
            std::str::from_utf8(name).is_ok_and(|name| self.all(name) == other.all(name))
        };
        self.names.len() == other.names.len() && self.names.iter().chain(&other.names).all(same)
    }
}

impl Eq for Attributes {}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Self {
        let mut attributes = Self::default();
        for (name, value) in pairs {
            attributes.insert(name.to_owned(), [Bytes::copy_from_slice(value.as_bytes())]);
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case_and_order_does_not_matter() {
        let a: Attributes = [("Mail", "b@x"), ("sn", "y"), ("mail", "a@x")].into_iter().collect();
        assert_eq!(a.one("MAIL"), Some(b"a@x".as_slice()));
        assert_eq!(a.all("mail"), [b"b@x".as_slice(), b"a@x"]);
        assert_eq!(a.all("SN"), [b"y".as_slice()]);
        for place in 0..3 {
            let mut place = place;
            assert_eq!(a.all_near("Sn", &mut place), [b"y".as_slice()]);
            assert_eq!((a.all_near("cn", &mut place).len(), place), (0, 1));
        }
        assert_eq!(a.one("cn"), None);
        let b: Attributes = [("SN", "y"), ("mail", "b@x"), ("mail", "a@x")].into_iter().collect();
        assert_eq!(a, b);
        assert_ne!(a, [("sn", "y"), ("mail", "b@x")].into_iter().collect());
        assert_ne!(a, [("cn", "y"), ("mail", "b@x"), ("mail", "a@x")].into_iter().collect());
    }
}
