//! The immutable id of a directory entry.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::digest::Purpose;

/// An entry's immutable id as text: entryUUID, nsUniqueId, or objectGUID in its usual GUID form. It survives
/// renames and moves, which is why everything is remembered by it and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Anchor(String);

/// Why a value can't be an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnchor {
    /// The attribute is there but holds nothing.
    #[error("the anchor attribute is empty")]
    Empty,
    /// No server makes such long ids, so this is the wrong attribute.
    #[error("the anchor has {0} bytes, more than the {max} that are allowed", max = Anchor::MAX_BYTES)]
    TooLong(usize),
}

impl Anchor {
    /// The longest anchor taken, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes the text of an anchor attribute. UUIDs compare without case, so they are kept in lower case.
    pub fn from_text(text: &str) -> Result<Self, InvalidAnchor> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidAnchor::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidAnchor::TooLong(text.len()));
        }
        Ok(Self(text.to_lowercase()))
    }

    /// Takes a Microsoft GUID as Active Directory sends it: sixteen bytes, the first three groups little-endian.
    pub fn from_guid(bytes: [u8; 16]) -> Self {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e @ ..] = bytes;
        let mut text = format!(
            "{:08x}-{:04x}-{:04x}-{d0:02x}{d1:02x}-",
            u32::from_le_bytes([a0, a1, a2, a3]),
            u16::from_le_bytes([b0, b1]),
            u16::from_le_bytes([c0, c1]),
        );
        for byte in e {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text)
    }

    /// Takes a UUID of sixteen bytes, in the order in which it is written.
    pub fn from_uuid(bytes: [u8; 16]) -> Self {
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
        Self(parts.join("-"))
    }

    /// Takes any other binary id, kept as hexadecimal digits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidAnchor> {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::from_text(&hex)
    }

    /// The anchor as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which this anchor is remembered.
    pub fn hash(&self) -> AnchorHash {
        static PURPOSE: LazyLock<Purpose> = LazyLock::new(|| Purpose::new("provisioner 2026 anchor"));
        AnchorHash(PURPOSE.digest(self.0.as_bytes()))
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Anchor {
    type Error = InvalidAnchor;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_text(&text)
    }
}

impl From<Anchor> for String {
    fn from(anchor: Anchor) -> Self {
        anchor.0
    }
}

/// Sixteen bytes that stand for an anchor: they sort evenly, whatever the server's ids look like, and cost the
/// same for all of them. A snapshot holds these, and records are keyed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnchorHash(pub [u8; 16]);

impl fmt::Display for AnchorHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_reads_as_its_tools_show_it() {
        let bytes =
            [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(Anchor::from_guid(bytes).as_str(), "00112233-4455-6677-8899-aabbccddeeff");
    }

    #[test]
    fn case_does_not_make_another_anchor() {
        let upper = Anchor::from_text(" 0F8FAD5B-D9CB-469F-A165-70867728950E").unwrap();
        assert_eq!(upper.hash(), Anchor::from_text("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap().hash());
    }

    #[test]
    fn empty_and_endless_anchors_are_refused() {
        assert_eq!(Anchor::from_text("  "), Err(InvalidAnchor::Empty));
        assert_eq!(Anchor::from_text(&"x".repeat(300)), Err(InvalidAnchor::TooLong(300)));
    }
}
