//! From an entry to its anchor, and from an anchor to the filter that finds the entry.

use model::{Anchor, Attributes};

use crate::config::{AnchorAttribute, AnchorForm};
use crate::filter::{escape, escape_bytes};

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
        let anchor = match self.form {
            AnchorForm::Guid => {
                let wrong = || format!("{attribute} has {} bytes instead of 16", value.len());
                return guid(value).ok_or_else(wrong);
            }
            AnchorForm::Binary => Anchor::from_bytes(value),
            AnchorForm::Uuid | AnchorForm::Text => {
                let text = std::str::from_utf8(value).map_err(|_| format!("{attribute} is not text"))?;
                Anchor::from_text(text)
            }
        };
        let anchor = anchor.map_err(|error| format!("{attribute} is not an anchor: {error}"))?;
        if self.form == AnchorForm::Uuid && anchor.uuid_bytes().is_none() {
            return Err(format!("{attribute} is not a UUID"));
        }
        Ok(anchor)
    }

    /// Filter that finds the entry of an anchor; `None` for an anchor that this attribute can't hold.
    pub(crate) fn condition(&self, anchor: &Anchor) -> Option<String> {
        let text = anchor.as_str();
        let value = match self.form {
            AnchorForm::Uuid => anchor.uuid_bytes().map(|_| text.to_owned()),
            AnchorForm::Guid => anchor.guid_bytes().map(|bytes| escape_bytes(&bytes)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use AnchorForm::*;

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
    fn condition_has_the_bytes_of_the_directory() {
        let condition = |form, anchor: &Anchor| attribute(form).condition(anchor);
        let guid = Anchor::from_guid(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let bytes = r"(id=\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f)";
        assert_eq!(condition(Guid, &guid).as_deref(), Some(bytes));
        let [number, odd] = ["4711", "471"].map(|text| Anchor::from_text(text).unwrap());
        assert_eq!(condition(Guid, &number), None);
        assert_eq!(condition(Uuid, &number), None);
        assert_eq!(condition(Text, &number).as_deref(), Some("(id=4711)"));
        assert_eq!(condition(Binary, &number).as_deref(), Some(r"(id=\47\11)"));
        assert_eq!(condition(Binary, &odd), None);
    }
}
