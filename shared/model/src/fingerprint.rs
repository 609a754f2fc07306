//! Short, stable hashes of what something looks like.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Purpose;
use crate::{Managed, Value};

/// Sixteen bytes that change when what they stand for changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// So much of it as a person needs to name it.
    pub fn short(self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "a fingerprint is 32 hexadecimal digits";
        let number = u128::from_str_radix(&text, 16).map_err(|_| WRONG)?;
        if text.len() == 32 { Ok(Self(number.to_be_bytes())) } else { Err(WRONG) }
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// Builds a fingerprint out of parts. Every part carries its length or its kind, so that moving a letter from
/// one part to the next is a change too.
///
/// The parts are gathered and hashed at the end, because there are many of them and each is short.
pub struct Fingerprinter {
    purpose: Purpose,
    parts: Vec<u8>,
}

impl Fingerprinter {
    /// Starts a fingerprint for one purpose; the same parts for another purpose give another fingerprint.
    pub fn new(purpose: &str) -> Self {
        Self { purpose: Purpose::new(purpose), parts: Vec::new() }
    }

    /// Starts anew with the parts that another one has so far. Who makes many fingerprints makes them in the same memory.
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

    /// Adds a yes or no.
    pub fn flag(&mut self, yes: bool) {
        self.parts.push(u8::from(yes));
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
            Value::Boolean(yes) => {
                self.text("boolean");
                self.flag(*yes);
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

    /// The fingerprint of all that was added.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.purpose.digest(&self.parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> Fingerprint {
        let mut hash = Fingerprinter::new("test");
        parts.iter().for_each(|part| hash.text(part));
        hash.finish()
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }
}
