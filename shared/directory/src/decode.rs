//! Taking a search's entries and references apart (RFC 4511, section 4.5.2).
//!
//! The library's own decoder panics on what it doesn't expect, and calls a value text or binary by whether its bytes
//! happen to be UTF-8. This one returns what is wrong, keeps values as bytes, and moves them rather than copying.

use lber::common::TagClass;
use lber::structure::{PL, StructureTag};
use model::Attributes;

/// The tag of a search result entry.
const ENTRY: u64 = 4;

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
pub(crate) fn entry(tag: StructureTag) -> Result<RawEntry, Garbled> {
    let nameless = |why| Garbled { dn: String::new(), why };
    if tag.class != TagClass::Application || tag.id != ENTRY {
        return Err(nameless("it is not a search result entry"));
    }
    let mut parts = constructed(tag).ok_or(nameless("it has no content"))?.into_iter();
    let dn = parts.next().and_then(primitive).ok_or(nameless("it has no name"))?;
    let dn = String::from_utf8(dn).map_err(|error| Garbled {
        dn: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        why: "its name is not UTF-8",
    })?;
    let Some(list) = parts.next().and_then(constructed) else {
        return Err(Garbled { dn, why: "it has no list of attributes" });
    };
    let mut entry = RawEntry { dn, attributes: Attributes::default(), partial: Vec::new() };
    for one in list {
        if let Err(why) = entry.add(one) {
            return Err(Garbled { dn: entry.dn, why });
        }
    }
    Ok(entry)
}

impl RawEntry {
    fn add(&mut self, attribute: StructureTag) -> Result<(), &'static str> {
        let mut parts = constructed(attribute).ok_or("one of its attributes is no sequence")?.into_iter();
        let name = parts.next().and_then(primitive).ok_or("one of its attributes has no name")?;
        let name = String::from_utf8(name).map_err(|_| "the name of one of its attributes is not UTF-8")?;
        let values =
            parts.next().and_then(constructed).ok_or("one of its attributes has no set of values")?;
        let values: Option<Vec<Vec<u8>>> = values.into_iter().map(primitive).collect();
        let values = values.ok_or("one of its values is no octet string")?;
        if !name.contains(';') {
            self.attributes.insert(name, values);
            return Ok(());
        }
        let (name, range) = plain_name(&name);
        if let Some(range) = range {
            self.partial.push((name.to_ascii_lowercase(), range.missing));
        }
        self.attributes.insert(name, values);
        Ok(())
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

/// The addresses of a search result reference: `[APPLICATION 19] SEQUENCE OF URI`. What can't be read is left out,
/// and the reference still counts.
pub(crate) fn reference(tag: StructureTag) -> Vec<String> {
    let addresses = constructed(tag).unwrap_or_default().into_iter().filter_map(primitive);
    addresses.map(|address| String::from_utf8_lossy(&address).into_owned()).collect()
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(parts) => Some(parts),
        PL::P(_) => None,
    }
}

fn primitive(tag: StructureTag) -> Option<Vec<u8>> {
    match tag.payload {
        PL::P(bytes) => Some(bytes),
        PL::C(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(bytes: &[u8]) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 4, payload: PL::P(bytes.to_vec()) }
    }

    fn sequence(parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Universal, id: 16, payload: PL::C(parts) }
    }

    fn attribute(name: &str, values: &[&[u8]]) -> StructureTag {
        sequence(vec![octets(name.as_bytes()), sequence(values.iter().map(|value| octets(value)).collect())])
    }

    fn result_entry(parts: Vec<StructureTag>) -> StructureTag {
        StructureTag { class: TagClass::Application, id: ENTRY, payload: PL::C(parts) }
    }

    #[test]
    fn values_stay_bytes_and_names_have_no_case() {
        let tag = result_entry(vec![
            octets("cn=Jürgen,dc=x".as_bytes()),
            sequence(vec![
                attribute("objectGUID", &[b"\x00\xff"]),
                attribute("MAIL", &[b"a@x", b"b@x"]),
                attribute("userCertificate;binary", &[b"\x30"]),
                attribute("cn;lang-de;BINARY", &[b"J"]),
                attribute("empty", &[]),
            ]),
        ]);
        let entry = entry(tag).unwrap();
        assert_eq!(entry.dn, "cn=Jürgen,dc=x");
        assert_eq!(entry.attributes.one("objectguid"), Some(b"\x00\xff".as_slice()));
        assert_eq!(entry.attributes.all("mail").len(), 2);
        assert_eq!(entry.attributes.one("userCertificate"), Some(b"\x30".as_slice()));
        assert_eq!(entry.attributes.one("cn;lang-de"), Some(b"J".as_slice()));
        assert_eq!(entry.attributes.one("cn"), None);
        assert!(entry.partial.is_empty());
    }

    #[test]
    fn a_range_is_noticed() {
        let list = sequence(vec![attribute("member", &[]), attribute("Member;Range=0-1499", &[b"cn=a"])]);
        let entry = entry(result_entry(vec![octets(b"cn=g"), list])).unwrap();
        assert_eq!(entry.partial, [("member".to_owned(), Some(1500))]);
        assert_eq!(entry.attributes.all("member"), [b"cn=a".to_vec()]);
    }

    #[test]
    fn whatever_is_wrong_is_said_with_the_name() {
        let name = || octets(b"cn=a");
        for (tag, dn, why) in [
            (octets(b"cn=a"), "", "it is not a search result entry"),
            (result_entry(vec![]), "", "it has no name"),
            (result_entry(vec![octets(b"cn=\xff")]), "cn=\u{fffd}", "its name is not UTF-8"),
            (result_entry(vec![name()]), "cn=a", "it has no list of attributes"),
            (result_entry(vec![name(), name()]), "cn=a", "it has no list of attributes"),
            (
                result_entry(vec![name(), sequence(vec![name()])]),
                "cn=a",
                "one of its attributes is no sequence",
            ),
            (
                result_entry(vec![name(), sequence(vec![sequence(vec![name()])])]),
                "cn=a",
                "one of its attributes has no set of values",
            ),
            (
                result_entry(vec![
                    name(),
                    sequence(vec![sequence(vec![name(), sequence(vec![sequence(vec![])])])]),
                ]),
                "cn=a",
                "one of its values is no octet string",
            ),
        ] {
            assert_eq!(entry(tag), Err(Garbled { dn: dn.into(), why }));
        }
    }

    /// Anything that BER can say, with a liking for what an entry looks like.
    fn any_tag() -> impl Strategy<Value = StructureTag> {
        let class = prop_oneof![
            Just(TagClass::Universal),
            Just(TagClass::Application),
            Just(TagClass::Context),
            Just(TagClass::Private)
        ];
        let id = prop_oneof![Just(4_u64), Just(16), Just(17), Just(19), any::<u64>()];
        let leaf = (class.clone(), id.clone(), any::<Vec<u8>>())
            .prop_map(|(class, id, bytes)| StructureTag { class, id, payload: PL::P(bytes) });
        leaf.prop_recursive(5, 60, 5, move |inner| {
            (class.clone(), id.clone(), prop::collection::vec(inner, 0..5))
                .prop_map(|(class, id, parts)| StructureTag { class, id, payload: PL::C(parts) })
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(tag in any_tag(), parts in prop::collection::vec(any_tag(), 0..4)) {
            let _ = entry(tag.clone());
            let _ = reference(tag);
            let _ = entry(result_entry(parts));
        }

        #[test]
        fn no_attribute_name_is_too_strange(name: String) {
            let _ = plain_name(&name);
        }
    }
}
