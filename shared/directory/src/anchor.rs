//! From an entry to its anchor, and from an anchor to the filter that finds the entry.

use model::{Anchor, Attributes};

use crate::config::{AnchorAttribute, AnchorForm};
use crate::escape::{escape, escape_bytes};

impl AnchorAttribute {
    /// Anchor of an entry, or the reason for which it has none. Such an entry is reported, because without it the user would
    /// seem to have left.
    pub(crate) fn of(&self, attributes: &Attributes) -> Result<Anchor, String> {
        let attribute = &self.attribute;
        let value = match attributes.all(attribute) {
            [value] => value,
            [] => return Err(format!("{attribute} is missing or not readable for the bind account")),
            several => return Err(format!("{attribute} has {} values", several.len())),
        };
        let text = || std::str::from_utf8(value).map_err(|_| format!("{attribute} is not text"));
        let anchor = match self.form {
            AnchorForm::Guid => {
                let wrong = || format!("{attribute} has {} bytes instead of 16", value.len());
                return guid(value).ok_or_else(wrong);
            }
            AnchorForm::Uuid if uuid_bytes(text()?.trim()).is_none() => {
                return Err(format!("{attribute} is not a UUID"));
            }
            AnchorForm::Uuid | AnchorForm::Text => Anchor::from_text(text()?),
            AnchorForm::Binary => Anchor::from_bytes(value),
        };
        anchor.map_err(|error| format!("{attribute} is not an anchor: {error}"))
    }

    /// Filter that finds the entry of an anchor; `None` for an anchor that this attribute can't hold.
    pub(crate) fn condition(&self, anchor: &Anchor) -> Option<String> {
        let text = anchor.as_str();
        let value = match self.form {
            AnchorForm::Uuid => uuid_bytes(text).map(|_| text.to_owned()),
            AnchorForm::Guid => guid_bytes(text).map(|bytes| escape_bytes(&bytes)),
            AnchorForm::Text => Some(escape(text)),
            AnchorForm::Binary => hex::decode(text).ok().map(|bytes| escape_bytes(&bytes)),
        };
        value.map(|value| format!("({}={value})", self.attribute))
    }
}

/// Anchor of a Microsoft GUID as Active Directory sends it: sixteen bytes.
pub(crate) fn guid(value: &[u8]) -> Option<Anchor> {
    <[u8; 16]>::try_from(value).ok().map(Anchor::from_guid)
}

/// Bytes of a GUID in its textual form: the inverse of [`Anchor::from_guid`].
fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d, e, f, g, h, i, j, k] = uuid_bytes(text)?;
    Some([a3, a2, a1, a0, b1, b0, c1, c0, d, e, f, g, h, i, j, k])
}

/// Bytes of a UUID in its textual form, in the order in which they are written.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let groups = text.split('-').map(str::len);
    if !groups.eq([8, 4, 4, 4, 12]) {
        return None;
    }
    hex::decode(text.replace('-', "")).ok()?.try_into().ok()
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
    fn missing_anchor_has_a_reason() {
        use AnchorForm::*;
        for (form, held, why) in [
            (Uuid, values(&[]), "id is missing or not readable for the bind account"),
            (Uuid, values(&[b"a", b"b"]), "id has 2 values"),
            (Uuid, values(&[b"\xff"]), "id is not text"),
            (Uuid, values(&[b"0f8fad5b"]), "id is not a UUID"),
            (Guid, values(&[b"0123456789"]), "id has 10 bytes instead of 16"),
            (Text, values(&[b" "]), "id is not an anchor: the anchor attribute is empty"),
            (Binary, values(&[b""]), "id is not an anchor: the anchor attribute is empty"),
        ] {
            assert_eq!(attribute(form).of(&held), Err(why.to_owned()), "{form:?}");
        }
        assert!(attribute(Binary).of(&values(&[&[0; 200]])).unwrap_err().contains("400 bytes"));
    }

    #[test]
    fn guid_filter_has_the_byte_order_of_the_directory() {
        let bytes: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(
            attribute(AnchorForm::Guid).condition(&Anchor::from_guid(bytes)).unwrap(),
            r"(id=\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f)"
        );
    }

    #[test]
    fn anchor_of_another_form_has_no_filter() {
        let anchor = Anchor::from_text("4711").unwrap();
        assert_eq!(attribute(AnchorForm::Guid).condition(&anchor), None);
        assert_eq!(attribute(AnchorForm::Uuid).condition(&anchor), None);
        assert_eq!(attribute(AnchorForm::Text).condition(&anchor).unwrap(), "(id=4711)");
        let odd = Anchor::from_text("471").unwrap();
        assert_eq!(attribute(AnchorForm::Binary).condition(&odd), None);
    }

    proptest! {
        #[test]
        fn binary_anchors_lead_back_to_their_bytes(value: [u8; 16], bytes in prop::collection::vec(any::<u8>(), 1..100)) {
            prop_assert_eq!(guid_bytes(Anchor::from_guid(value).as_str()), Some(value));
            prop_assert_eq!(uuid_bytes(Anchor::from_uuid(value).as_str()), Some(value));
            let anchor = Anchor::from_bytes(&bytes).unwrap();
            prop_assert_eq!(hex::decode(anchor.as_str()).ok(), Some(bytes));
        }
    }
}
