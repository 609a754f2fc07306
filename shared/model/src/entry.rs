//! Entries as read from the directory.

use std::ops::Range;

use bytes::Bytes;

use crate::Anchor;

/// A user's entry in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The immutable id.
    pub anchor: Anchor,
    /// Distinguished name, as the server spells it.
    pub dn: String,
    /// The requested attributes that are present.
    pub attributes: Attributes,
}

/// Attribute values by name. Names compare without case. Values are bytes, because LDAP promises no text.
///
/// A list is faster than a map here: an entry has a dozen attributes and is short-lived. Names and values share the
/// memory of the LDAP message.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    names: Vec<(Bytes, Range<usize>)>,
    values: Vec<Bytes>,
    /// Names without values that the reading account may not read.
    hidden: Vec<String>,
}

impl Attributes {
    /// Adds the values of one attribute.
    pub fn insert(&mut self, name: impl Into<Bytes>, values: impl IntoIterator<Item = Bytes>) {
        let name = name.into();
        let start = self.values.len();
        let known = self.names.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let known = match known {
            Some((_, range)) => {
                // The values of an attribute are adjacent.
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

    /// Notes that the server hides the values of an attribute, if it has any.
    pub fn hide(&mut self, name: String) {
        self.hidden.push(name);
    }

    /// Whether the server hides the values of an attribute. Its absence then says nothing.
    pub fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(name))
    }

    /// All values of an attribute, in the server's order; empty when it is absent.
    pub fn all(&self, name: &str) -> &[Bytes] {
        self.all_near(name, &mut 0)
    }

    /// The same, faster for one attribute of many entries: most entries list their attributes in the same order.
    /// `position` is where the attribute was in the previous entry.
    pub fn all_near(&self, name: &str, position: &mut usize) -> &[Bytes] {
        let is_it = |(known, _): &(Bytes, _)| known.eq_ignore_ascii_case(name.as_bytes());
        if !self.names.get(*position).is_some_and(is_it) {
            let Some(found) = self.names.iter().position(is_it) else { return &[] };
            *position = found;
        }
        let range = self.names.get(*position).map(|(_, range)| range.clone());
        range.and_then(|range| self.values.get(range)).unwrap_or_default()
    }

    /// The smallest value that is not empty. LDAP values have no order, so a fixed choice gives the same user on each
    /// server and in each scan.
    pub fn one(&self, name: &str) -> Option<&[u8]> {
        self.all(name).iter().map(Bytes::as_ref).filter(|value| !value.is_empty()).min()
    }

    /// The names that are present, as the server spells them.
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
    fn names_compare_without_case_and_in_any_order() {
        let a: Attributes = [("Mail", "b@x"), ("sn", "y"), ("mail", "a@x")].into_iter().collect();
        assert_eq!(a.one("MAIL"), Some(b"a@x".as_slice()));
        assert_eq!(a.all("mail"), [b"b@x".as_slice(), b"a@x"]);
        assert_eq!(a.all("SN"), [b"y".as_slice()]);
        for start in 0..3 {
            let mut position = start;
            assert_eq!(a.all_near("Sn", &mut position), [b"y".as_slice()]);
            assert_eq!((a.all_near("cn", &mut position).len(), position), (0, 1));
        }
        assert_eq!(a.one("cn"), None);
        assert_eq!(a.names().collect::<Vec<_>>(), ["Mail", "sn"]);
        let b: Attributes = [("SN", "y"), ("mail", "b@x"), ("mail", "a@x")].into_iter().collect();
        assert_eq!(a, b);
        assert_ne!(a, [("sn", "y"), ("mail", "b@x")].into_iter().collect());
        assert_ne!(a, [("cn", "y"), ("mail", "b@x"), ("mail", "a@x")].into_iter().collect());
        assert_ne!(a, [("sn", "y")].into_iter().collect());
    }

    #[test]
    fn empty_values_do_not_count() {
        let attributes: Attributes = [("sn", ""), ("sn", "y")].into_iter().collect();
        assert_eq!((attributes.one("sn"), attributes.all("sn").len()), (Some(b"y".as_slice()), 2));
    }
}
