//! Decoding of search result entries (RFC 4511, section 4.5.2). Values stay in the buffer in which they arrived.

use bytes::Bytes;
use model::Attributes;

use crate::wire::LdapMessage;
use crate::wire::ber::{self, OCTET_STRING, SEQUENCE, SET};

/// Decoded entry, before its anchor is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodedEntry {
    /// Distinguished name in the server's spelling.
    pub(crate) dn: String,
    /// Attributes, without options about the transfer of their values.
    pub(crate) attributes: Attributes,
    /// Attributes in lower case with values in ranges (`member;range=0-1499`), with the index of the first missing
    /// value.
    pub(crate) partial: Vec<(String, Option<usize>)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MalformedEntry {
    /// Distinguished name, as far as it is readable.
    pub(crate) dn: String,
    pub(crate) why: &'static str,
}

/// Decodes `[APPLICATION 4] SEQUENCE { name, SEQUENCE OF { type, SET OF value } }`.
pub(crate) fn entry(message: &LdapMessage) -> Result<DecodedEntry, MalformedEntry> {
    let nameless = |why| MalformedEntry { dn: String::new(), why };
    if message.kind != LdapMessage::ENTRY {
        return Err(nameless("it is not a search result entry"));
    }
    let (name, rest) = ber::take(OCTET_STRING, &message.content).ok_or_else(|| nameless("it has no name"))?;
    let dn = std::str::from_utf8(name).map_err(|_| MalformedEntry {
        dn: String::from_utf8_lossy(name).into_owned(),
        why: "its name is not UTF-8",
    })?;
    let malformed = |why| MalformedEntry { dn: dn.to_owned(), why };
    let (mut list, _) = ber::take(SEQUENCE, rest).ok_or_else(|| malformed("it has no list of attributes"))?;
    let mut entry =
        DecodedEntry { dn: dn.to_owned(), attributes: Attributes::default(), partial: Vec::new() };
    while !list.is_empty() {
        let (attribute, rest) =
            ber::take(SEQUENCE, list).ok_or_else(|| malformed("one of its attributes is no sequence"))?;
        entry.add(&message.content, attribute).map_err(malformed)?;
        list = rest;
    }
    Ok(entry)
}

impl DecodedEntry {
    /// Adds an attribute, which is a slice of the entry's bytes.
    fn add(&mut self, entry: &Bytes, attribute: &[u8]) -> Result<(), &'static str> {
        let (name, rest) = ber::take(OCTET_STRING, attribute).ok_or("one of its attributes has no name")?;
        let text = std::str::from_utf8(name).map_err(|_| "the name of one of its attributes is not UTF-8")?;
        let (values, _) = ber::take(SET, rest).ok_or("one of its attributes has no set of values")?;
        let mut values = ValueIter { entry, rest: values, is_malformed: false };
        if text.contains(';') {
            let (name, range) = plain_name(text);
            if let Some(range) = range {
                self.partial.push((name.to_ascii_lowercase(), range.missing));
            }
            self.attributes.insert(name, &mut values);
        } else {
            self.attributes.insert(entry.slice_ref(name), &mut values);
        }
        if values.is_malformed { Err("one of its values is no octet string") } else { Ok(()) }
    }
}

/// Values of a set, up to the first that can't be decoded.
struct ValueIter<'a> {
    entry: &'a Bytes,
    rest: &'a [u8],
    is_malformed: bool,
}

impl Iterator for ValueIter<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        match ber::take(OCTET_STRING, self.rest) {
            Some((value, rest)) => {
                self.rest = rest;
                Some(self.entry.slice_ref(value))
            }
            None => {
                (self.rest, self.is_malformed) = (&[], true);
                None
            }
        }
    }
}

/// Range of values: `range=0-1499`, or `range=1500-*` for the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ValueRange {
    /// Index of the first value behind the range.
    missing: Option<usize>,
}

impl ValueRange {
    /// Reads an option. An unreadable range counts as one of a single value, so that the rest is requested.
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

/// Attribute name without `;binary` and `;range=…`, and the range. Other options (`;lang-de`) belong to the name.
///
/// The values of a range stay with the attribute: a user with thousands of values must not seem to have none. A caller that
/// needs all of them looks at [`DecodedEntry::partial`].
fn plain_name(description: &str) -> (String, Option<ValueRange>) {
    let (transfer, kept): (Vec<&str>, Vec<&str>) = description
        .split(';')
        .partition(|option| ValueRange::of(option).is_some() || option.eq_ignore_ascii_case("binary"));
    (kept.join(";"), transfer.into_iter().find_map(ValueRange::of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ber::element;
    use crate::wire::encode_message;
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

    fn answer(kind: u8, parts: &[Vec<u8>]) -> LdapMessage {
        LdapMessage::parse(&encode_message(1, &element(kind, &parts.concat()), &[]).into()).unwrap()
    }

    fn result_entry(parts: &[Vec<u8>]) -> LdapMessage {
        answer(LdapMessage::ENTRY, parts)
    }

    #[test]
    fn values_are_bytes_and_names_ignore_case() {
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
    fn value_range_is_reported() {
        let list = sequence(&[attribute("member", &[]), attribute("Member;Range=0-1499", &[b"cn=a"])]);
        let entry = entry(&result_entry(&[octets(b"cn=g"), list])).unwrap();
        assert_eq!(entry.partial, [("member".to_owned(), Some(1500))]);
        assert_eq!(entry.attributes.all("member"), [b"cn=a".as_slice()]);
    }

    #[test]
    fn malformed_entry_is_reported_with_its_name() {
        let name = || octets(b"cn=a");
        for (message, dn, why) in [
            (answer(LdapMessage::REFERENCE, &[name()]), "", "it is not a search result entry"),
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
            assert_eq!(entry(&message), Err(MalformedEntry { dn: dn.into(), why }));
        }
    }

    /// Bytes that resemble BER.
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
        fn decoding_never_panics(parts in prop::collection::vec(any_element(), 0..4), at: usize, byte: u8) {
            let _ = entry(&result_entry(&parts));
            let whole = [octets(b"cn=a"), sequence(&[attribute("mail", &[b"a@x", b"b@x"]), attribute("cn;x", &[b"a"])])];
            let mut bytes = whole.concat();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = entry(&result_entry(&[bytes]));
        }

        #[test]
        fn attribute_names_never_panic(name: String) {
            let _ = plain_name(&name);
        }
    }
}
