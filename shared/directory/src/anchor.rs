//! From an entry to its anchor, and from an anchor to the filter that finds the entry again.

use model::{Anchor, Attributes};

use crate::config::{AnchorAttribute, AnchorForm};
use crate::escape::{escape, escape_bytes};

impl AnchorAttribute {
    /// The anchor of an entry, or why it has none. An entry without is never skipped in silence: that would look as
    /// if somebody had left.
    pub(crate) fn of(&self, attributes: &Attributes) -> Result<Anchor, String> {
        let attribute = &self.attribute;
        let value = match attributes.all(attribute) {
            [value] => value,
            [] => {
                return Err(format!(
                    "there is no {attribute}, or the account used for reading may not see it"
                ));
            }
            several => return Err(format!("there are {} values of {attribute}", several.len())),
        };
        let text = || std::str::from_utf8(value).map_err(|_| format!("{attribute} is not text"));
        let anchor = match self.form {
            AnchorForm::Guid => {
                let bytes = value.as_ref().try_into();
                let bytes =
                    bytes.map_err(|_| format!("{attribute} has {} bytes instead of 16", value.len()))?;
                return Ok(Anchor::from_guid(bytes));
            }
            AnchorForm::Uuid if !is_uuid(text()?.trim()) => return Err(format!("{attribute} is not a UUID")),
            AnchorForm::Uuid | AnchorForm::Text => Anchor::from_text(text()?),
            AnchorForm::Binary => Anchor::from_bytes(value),
        };
        anchor.map_err(|error| format!("{attribute} is no anchor: {error}"))
    }

    /// The filter that finds the entry of an anchor; `None` for an anchor that no entry can have, because it
    /// stems from another attribute.
    pub(crate) fn condition(&self, anchor: &Anchor) -> Option<String> {
        let value = match self.form {
            AnchorForm::Uuid => is_uuid(anchor.as_str()).then(|| anchor.as_str().to_owned()),
            AnchorForm::Guid => guid_bytes(anchor.as_str()).map(|bytes| escape_bytes(&bytes)),
            AnchorForm::Text => Some(escape(anchor.as_str())),
            AnchorForm::Binary => hex_bytes(anchor.as_str()).map(|bytes| escape_bytes(&bytes)),
        };
        value.map(|value| format!("({}={value})", self.attribute))
    }
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The bytes of a GUID in its usual form: the inverse of [`Anchor::from_guid`].
fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    if !is_uuid(text) {
        return None;
    }
    let [a0, a1, a2, a3, b0, b1, c0, c1, rest @ ..] =
        <[u8; 16]>::try_from(hex_bytes(&text.replace('-', ""))?).ok()?;
    let [d, e, f, g, h, i, j, k] = rest;
    Some([a3, a2, a1, a0, b1, b0, c1, c0, d, e, f, g, h, i, j, k])
}

pub(crate) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(form: AnchorForm) -> AnchorAttribute {
        AnchorAttribute { attribute: "id".into(), form }
    }

    fn values(values: &[&[u8]]) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.insert("ID", values.iter().map(|value| value.to_vec().into()));
        attributes
    }

    #[test]
    fn an_entry_without_a_usable_anchor_says_why() {
        use AnchorForm::*;
        for (form, held, why) in [
            (Uuid, values(&[]), "there is no id, or the account used for reading may not see it"),
            (Uuid, values(&[b"a", b"b"]), "there are 2 values of id"),
            (Uuid, values(&[b"\xff"]), "id is not text"),
            (Uuid, values(&[b"0f8fad5b"]), "id is not a UUID"),
            (Guid, values(&[b"0123456789"]), "id has 10 bytes instead of 16"),
            (Text, values(&[b" "]), "id is no anchor: the anchor attribute is empty"),
            (Binary, values(&[b""]), "id is no anchor: the anchor attribute is empty"),
            (
                Binary,
                values(&[&[0; 200]]),
                "id is no anchor: the anchor has 400 bytes, more than the 255 that are allowed",
            ),
        ] {
            assert_eq!(attribute(form).of(&held), Err(why.to_owned()), "{form:?}");
        }
    }

    #[test]
    fn a_guid_is_looked_up_in_the_order_of_its_bytes() {
        let bytes: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let anchor = Anchor::from_guid(bytes);
        assert_eq!(
            attribute(AnchorForm::Guid).condition(&anchor).unwrap(),
            r"(id=\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f)"
        );
    }

    #[test]
    fn an_anchor_of_another_form_finds_nobody() {
        let anchor = Anchor::from_text("4711").unwrap();
        assert_eq!(attribute(AnchorForm::Guid).condition(&anchor), None);
        assert_eq!(attribute(AnchorForm::Uuid).condition(&anchor), None);
        assert_eq!(attribute(AnchorForm::Text).condition(&anchor).unwrap(), "(id=4711)");
        let odd = Anchor::from_text("471").unwrap();
        assert_eq!(attribute(AnchorForm::Binary).condition(&odd), None);
    }

    proptest! {
        #[test]
        fn a_binary_anchor_leads_back_to_its_bytes(guid: [u8; 16], bytes in prop::collection::vec(any::<u8>(), 1..100)) {
            prop_assert_eq!(guid_bytes(Anchor::from_guid(guid).as_str()), Some(guid));
            let anchor = Anchor::from_bytes(&bytes).unwrap();
            prop_assert_eq!(hex_bytes(anchor.as_str()), Some(bytes));
        }
    }
}
