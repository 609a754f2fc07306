//! Fingerprints: short, stable hashes of values.

use std::fmt;

use hex::{FromHex, FromHexError};
use serde::{Deserialize, Serialize};

use crate::digest::Purpose;
use crate::{Managed, Value};

/// Hash of a value; it changes when the value changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The first twelve digits, enough to name a plan or an approval on a command line.
    pub fn short(self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FromHexError;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        FromHex::from_hex(digits).map(Self)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// Builds a fingerprint from parts.
///
/// The serialisation is part of the stored format. Each part carries its length or a word for its kind, so a letter
/// that moves from one part to the next changes the fingerprint. Parts are short and many, so they are collected and
/// hashed once.
pub struct Fingerprinter {
    purpose: Purpose,
    parts: Vec<u8>,
}

impl Fingerprinter {
    /// Starts a fingerprint for one purpose; equal parts for another purpose give another fingerprint.
    pub fn new(purpose: &str) -> Self {
        Self { purpose: Purpose::new(purpose), parts: Vec::new() }
    }

    /// Starts again with the parts of `other`, in the memory that is allocated already.
    pub fn start_from(&mut self, other: &Self) {
        self.purpose = other.purpose;
        self.parts.clear();
        self.parts.extend_from_slice(&other.parts);
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.parts.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.parts.extend_from_slice(bytes);
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds text that may be absent.
    pub fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        text.into_iter().for_each(|text| self.text(text));
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds a flag.
    pub fn flag(&mut self, flag: bool) {
        self.parts.push(u8::from(flag));
    }

    /// Adds a managed attribute.
    pub fn managed(&mut self, managed: &Managed) {
        match managed {
            Managed::Clear => self.text("clear"),
            Managed::Set(value) => self.value(value),
        }
    }

    /// Adds a value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => {
                self.text("text");
                self.text(text);
            }
            Value::Integer(number) => {
                self.text("integer");
                self.bytes(&number.to_le_bytes());
            }
            Value::Boolean(flag) => {
                self.text("boolean");
                self.flag(*flag);
            }
            Value::Reference(dn) => {
                self.text("reference");
                self.text(&dn.to_string());
            }
            Value::Account(id) => {
                self.text("account");
                self.text(id.as_str());
            }
        }
    }

    /// The fingerprint of all parts.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.purpose.digest(&self.parts))
    }

    /// The serialised parts, for tests that pin the stored format.
    pub fn serialised(&self) -> &[u8] {
        &self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, DnKey};

    fn of(parts: &[&str]) -> Fingerprint {
        let mut hash = Fingerprinter::new("test");
        parts.iter().for_each(|part| hash.text(part));
        hash.finish()
    }

    #[test]
    fn parts_keep_their_boundaries() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_eq!(of(&["ab"]).to_string(), "fefa03f8fd6adbe6b8965e3776878d2f");
    }

    #[test]
    fn text_form_is_read_back() {
        let fingerprint = of(&["x"]);
        assert_eq!(Fingerprint::try_from(String::from(fingerprint)), Ok(fingerprint));
    }

    #[test]
    fn serialisation_is_pinned() {
        let mut hash = Fingerprinter::new("test");
        hash.optional_text(None);
        hash.optional_text(Some("x"));
        hash.number(258);
        hash.managed(&Managed::Clear);
        hash.managed(&Managed::Set(Value::Text("Poet".into())));
        hash.value(&Value::Integer(-1));
        hash.value(&Value::Boolean(true));
        hash.value(&Value::Reference(DnKey::of("cn=a")));
        hash.value(&Value::Account(AccountId::new("7").unwrap()));
        let found = hash.serialised().escape_ascii().to_string().replace(r"\x00", "");
        let expected = concat!(
            r"\x01\x01x\x08\x02\x01\x05clear\x04text\x04Poet\x07integer\x08\xff\xff\xff\xff\xff\xff\xff\xff",
            r"\x07boolean\x01\treference 399fd25cf7101fbe6a1bd92c0a435035\x07account\x017",
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn start_from_equals_the_same_parts_from_the_beginning() {
        let mut start = Fingerprinter::new("test");
        start.text("a");
        let mut hash = Fingerprinter::new("other");
        hash.text("left over");
        hash.start_from(&start);
        hash.text("b");
        assert_eq!(hash.finish(), of(&["a", "b"]));
    }

    #[test]
    fn text_returns_the_same_fingerprint() {
        let fingerprint = of(&["a"]);
        assert_eq!(Fingerprint::try_from(fingerprint.to_string()), Ok(fingerprint));
        assert!(Fingerprint::try_from("abcd".to_owned()).is_err());
        assert_eq!(fingerprint.short(), fingerprint.to_string()[..12]);
        assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({fingerprint})"));
    }
}
