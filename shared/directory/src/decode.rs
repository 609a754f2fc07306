//! Taking a search's entries apart (RFC 4511, section 4.5.2).
//!
//! What is wrong is returned; values are bytes, and stay where they came in.

use bytes::Bytes;
use model::Attributes;

use crate::wire::Message;
use crate::wire::ber::{self, OCTET_STRING, SEQUENCE, SET};

/// An entry before anything is known about its anchor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawEntry {
    /// The distinguished name as the server spells it.
    pub(crate) dn: String,
    /// The attributes, without those options that only say how the values were transferred.
    pub(crate) attributes: Attributes,
    /// The attributes, in lower case, whose values came in ranges (`member;range=0-1499`), with the number of the first
    /// value that is still missing.
    pub(crate) partial: Vec<(String, Option<usize>)>,
}

/// An entry that can't be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbled {
    /// The name, as far as it could be read.
    pub(crate) dn: String,
    /// What is wrong.
    pub(crate) why: &'static str,
}

/// Takes an entry apart: `[APPLICATION 4] SEQUENCE { name, SEQUENCE OF { type, SET OF value } }`.
pub(crate) fn entry(message: &Message) -> Result<RawEntry, Garbled> {
    let nameless = |why| Garbled { dn: String::new(), why };
    if message.kind != Message::ENTRY {
        return Err(nameless("it is not a search result entry"));
    }
    let (name, rest) = ber::take(OCTET_STRING, &message.content).ok_or_else(|| nameless("it has no name"))?;
    let dn = std::str::from_utf8(name).map_err(|_| Garbled {
        dn: String::from_utf8_lossy(name).into_owned(),
        why: "its name is not UTF-8",
    })?;
    let garbled = |why| Garbled { dn: dn.to_owned(), why };
    let (mut list, _) = ber::take(SEQUENCE, rest).ok_or_else(|| garbled("it has no list of attributes"))?;
    let mut entry = RawEntry { dn: dn.to_owned(), attributes: Attributes::default(), partial: Vec::new() };
    while !list.is_empty() {
        let (attribute, rest) =
            ber::take(SEQUENCE, list).ok_or_else(|| garbled("one of its attributes is no sequence"))?;
        entry.add(&message.content, attribute).map_err(garbled)?;
        list = rest;
    }
    Ok(entry)
}

impl RawEntry {
    /// Adds an attribute, which is a part of the whole.
    fn add(&mut self, whole: &Bytes, attribute: &[u8]) -> Result<(), &'static str> {
        let (name, rest) = ber::take(OCTET_STRING, attribute).ok_or("one of its attributes has no name")?;
        let text = std::str::from_utf8(name).map_err(|_| "the name of one of its attributes is not UTF-8")?;
        let (values, _) = ber::take(SET, rest).ok_or("one of its attributes has no set of values")?;
        let mut values = Values { whole, rest: values, is_garbled: false };
        if text.contains(';') {
            let (name, range) = plain_name(text);
            if let Some(range) = range {
                self.partial.push((name.to_ascii_lowercase(), range.missing));
            }
            self.attributes.insert(name, &mut values);
        } else {
            self.attributes.insert(whole.slice_ref(name), &mut values);
        }
        if values.is_garbled { Err("one of its values is no octet string") } else { Ok(()) }
    }
}

/// The values in a set, up to the first that can't be read.
struct Values<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
    is_garbled: bool,
}

impl Iterator for Values<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        match ber::take(OCTET_STRING, self.rest) {
            Some((value, rest)) => {
                self.rest = rest;
                Some(self.whole.slice_ref(value))
            }
            None => {
                (self.rest, self.is_garbled) = (&[], true);
                None
            }
        }
    }
}

/// A range of values: `range=0-1499`, or `range=1500-*` for the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    /// The number of the first value behind it.
    missing: Option<usize>,
}

impl Range {
    /// One that can't be read counts as if all that came were the first value: more is certainly missing.
    fn of(option: &str) -> Option<Self> {
        let (name, bounds) = option.split_once('=')?;
        if !name.eq_ignore_ascii_case("range") {
            return None;
        }
        let missing = match bounds.split_once('-').map(|(_, last)| last) {
            Some("*") => None,
            Some(last) => Some(last.parse().map_or(1, |last: usize| last.saturating_add(1))),
            None => Some(1),
        };
        Some(Self { missing })
    }
}

/// The name without `;binary` and `;range=…`, and the range if there was one.
/// Other options (`;lang-de`) make another attribute, and stay.
///
/// A range on a user's attribute leaves what values came: somebody with thousands of them is not to be taken for
/// somebody without any. Who needs all of them looks at [`RawEntry::partial`].
fn plain_name(description: &str) -> (String, Option<Range>) {
    let (transfer, kept): (Vec<&str>, Vec<&str>) = description
        .split(';')
        .partition(|option| Range::of(option).is_some() || option.eq_ignore_ascii_case("binary"));
    (kept.join(";"), transfer.into_iter().find_map(Range::of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ber::{element, put_all};
    use proptest::prelude::*;

    fn octets(bytes: &[u8]) -> Vec<u8> {
        element(OCTET_STRING, bytes)
    }

    fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
        element(SEQUENCE, &parts.concat())
    }

    fn set(parts: &[Vec<u8>]) -> Vec<u8> {
        element(SET, &parts.concat())
    }

    fn attribute(name: &str, values: &[&[u8]]) -> Vec<u8> {
        let values: Vec<Vec<u8>> = values.iter().map(|value| octets(value)).collect();
        sequence(&[octets(name.as_bytes()), set(&values)])
    }

    fn answer(kind: u8, parts: &[Vec<u8>]) -> Message {
        let mut content = element(ber::INTEGER, &[1]);
        put_all(kind, parts, &mut content);
        Message::parse(&element(SEQUENCE, &content).into()).unwrap()
    }

    fn result_entry(parts: &[Vec<u8>]) -> Message {
        answer(Message::ENTRY, parts)
    }

    #[test]
    fn values_stay_bytes_and_names_have_no_case() {
        let message = result_entry(&[
            octets("cn=Jürgen,dc=x".as_bytes()),
            sequence(&[
                attribute("objectGUID", &[b"\x00\xff"]),
                attribute("MAIL", &[b"a@x", b"b@x"]),
                attribute("userCertificate;binary", &[b"\x30"]),
                attribute("cn;lang-de;BINARY", &[b"J"]),
                attribute("empty", &[]),
            ]),
        ]);
        let entry = entry(&message).unwrap();
        assert_eq!(entry.dn, "cn=Jürgen,dc=x");
        assert_eq!(entry.attributes.one("objectguid"), Some(b"\x00\xff".as_slice()));
        assert_eq!(entry.attributes.all("mail"), [b"a@x".as_slice(), b"b@x"]);
        assert_eq!(entry.attributes.one("userCertificate"), Some(b"\x30".as_slice()));
        assert_eq!(entry.attributes.one("cn;lang-de"), Some(b"J".as_slice()));
        assert_eq!(entry.attributes.one("cn"), None);
        assert!(entry.partial.is_empty());
    }

    #[test]
    fn a_range_is_noticed() {
        let list = sequence(&[attribute("member", &[]), attribute("Member;Range=0-1499", &[b"cn=a"])]);
        let entry = entry(&result_entry(&[octets(b"cn=g"), list])).unwrap();
        assert_eq!(entry.partial, [("member".to_owned(), Some(1500))]);
        assert_eq!(entry.attributes.all("member"), [b"cn=a".as_slice()]);
    }

    #[test]
    fn whatever_is_wrong_is_said_with_the_name() {
        let name = || octets(b"cn=a");
        for (message, dn, why) in [
            (answer(Message::REFERENCE, &[name()]), "", "it is not a search result entry"),
            (result_entry(&[]), "", "it has no name"),
            (result_entry(&[octets(b"cn=\xff")]), "cn=\u{fffd}", "its name is not UTF-8"),
            (result_entry(&[name()]), "cn=a", "it has no list of attributes"),
            (result_entry(&[name(), name()]), "cn=a", "it has no list of attributes"),
            (result_entry(&[name(), sequence(&[name()])]), "cn=a", "one of its attributes is no sequence"),
            (
                result_entry(&[name(), sequence(&[sequence(&[])])]),
                "cn=a",
                "one of its attributes has no name",
            ),
            (
                result_entry(&[name(), sequence(&[sequence(&[octets(b"\xff"), set(&[])])])]),
                "cn=a",
                "the name of one of its attributes is not UTF-8",
            ),
            (
                result_entry(&[name(), sequence(&[sequence(&[name()])])]),
                "cn=a",
                "one of its attributes has no set of values",
            ),
            (
                result_entry(&[name(), sequence(&[sequence(&[name(), set(&[name(), set(&[])])])])]),
                "cn=a",
                "one of its values is no octet string",
            ),
        ] {
            assert_eq!(entry(&message), Err(Garbled { dn: dn.into(), why }));
        }
    }

    /// Bytes with a liking for what BER looks like.
    fn any_element() -> impl Strategy<Value = Vec<u8>> {
        let tag = prop_oneof![Just(OCTET_STRING), Just(SEQUENCE), Just(SET), any::<u8>()];
        let leaf = (tag.clone(), any::<Vec<u8>>()).prop_map(|(tag, content)| element(tag, &content));
        leaf.prop_recursive(5, 60, 5, move |inner| {
            let parts = prop::collection::vec(prop_oneof![4 => inner, 1 => any::<Vec<u8>>()], 0..5);
            (tag.clone(), parts).prop_map(|(tag, parts)| element(tag, &parts.concat()))
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(parts in prop::collection::vec(any_element(), 0..4), at: usize, byte: u8) {
            let _ = entry(&result_entry(&parts));
            let whole = [octets(b"cn=a"), sequence(&[attribute("mail", &[b"a@x", b"b@x"]), attribute("cn;x", &[b"a"])])];
            let mut bytes = whole.concat();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = entry(&result_entry(&[bytes]));
        }

        #[test]
        fn no_attribute_name_is_too_strange(name: String) {
            let _ = plain_name(&name);
        }
    }
}
