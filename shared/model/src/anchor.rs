//! Anchors: the immutable ids of directory entries.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use hex::{FromHex, FromHexError};
use serde::{Deserialize, Serialize};

use crate::digest::Purpose;

/// An entry's immutable id as text: entryUUID, nsUniqueId, or objectGUID in GUID form. It survives renames and
/// moves, so user records are keyed by it alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Anchor(String);

/// Why a value can't be an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnchor {
    /// The attribute is empty.
    #[error("the anchor attribute is empty")]
    Empty,
    /// The attribute is longer than the id of any known server.
    #[error("the anchor has {0} bytes; at most {max} are allowed", max = Anchor::MAX_BYTES)]
    TooLong(usize),
}

impl Anchor {
    /// Longest anchor, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes the text of an anchor attribute, in lower case, because UUIDs compare without case.
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

    /// Takes a GUID as Active Directory sends it: sixteen bytes, the first three groups little-endian.
    pub fn from_guid(bytes: [u8; 16]) -> Self {
        Self::from_uuid(reordered(bytes))
    }

    /// Takes the sixteen bytes of a UUID, in the order in which it is written.
    pub fn from_uuid(bytes: [u8; 16]) -> Self {
        let digits = hex::encode(bytes);
        let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| digits.get(group).unwrap_or_default());
        Self(groups.join("-"))
    }

    /// Takes any other binary id, as hexadecimal digits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidAnchor> {
        Self::from_text(&hex::encode(bytes))
    }

    /// The bytes of a UUID, in the order in which it is written; `None` for an anchor that is none.
    pub fn uuid_bytes(&self) -> Option<[u8; 16]> {
        let is_uuid = self.0.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        is_uuid.then(|| FromHex::from_hex(self.0.replace('-', "")).ok())?
    }

    /// The bytes of a GUID, as Active Directory sends them; `None` for an anchor that is none.
    pub fn guid_bytes(&self) -> Option<[u8; 16]> {
        self.uuid_bytes().map(reordered)
    }

    /// The anchor as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of the user record.
    pub fn hash(&self) -> AnchorHash {
        static PURPOSE: LazyLock<Purpose> = LazyLock::new(|| Purpose::new("provisioner 2026 anchor"));
        AnchorHash(PURPOSE.digest(self.0.as_bytes()))
    }
}

/// A GUID's bytes between the order of Active Directory and that of its textual form: the first three groups reversed.
fn reordered([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16]) -> [u8; 16] {
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
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

/// Hash of an anchor: keys records and snapshots. All hashes have one length and an even distribution, whatever
/// the server's ids look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnchorHash(pub [u8; 16]);

impl fmt::Display for AnchorHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for AnchorHash {
    type Err = FromHexError;

    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        FromHex::from_hex(digits).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guid_is_written_as_microsoft_tools_write_it() {
        let bytes =
            [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        let anchor = Anchor::from_guid(bytes);
        assert_eq!(anchor.as_str(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(anchor.guid_bytes(), Some(bytes));
    }

    #[test]
    fn uuid_and_bytes_are_written_in_order() {
        let bytes = std::array::from_fn(|at| at as u8);
        let anchor = Anchor::from_uuid(bytes);
        assert_eq!(anchor.as_str(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(anchor.uuid_bytes(), Some(bytes));
        assert_eq!(Anchor::from_text("0001-02").unwrap().uuid_bytes(), None);
        assert_eq!(Anchor::from_bytes(&[0, 0xab]).unwrap().as_str(), "00ab");
        assert_eq!(Anchor::from_bytes(&[]), Err(InvalidAnchor::Empty));
    }

    #[test]
    fn anchors_compare_without_case() {
        let upper = Anchor::from_text(" 0F8FAD5B-D9CB-469F-A165-70867728950E").unwrap();
        assert_eq!(upper.hash(), Anchor::from_text("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap().hash());
    }

    #[test]
    fn empty_and_overlong_anchors_are_refused() {
        assert_eq!(Anchor::from_text("  "), Err(InvalidAnchor::Empty));
        assert!(Anchor::from_text(&"x".repeat(255)).is_ok());
        assert_eq!(Anchor::from_text(&"x".repeat(256)), Err(InvalidAnchor::TooLong(256)));
    }

    #[test]
    fn text_and_json_return_the_same_anchor() {
        let anchor = Anchor::from_text("ada-1").unwrap();
        assert_eq!(anchor.to_string(), "ada-1");
        assert_eq!(serde_json::to_string(&anchor).unwrap(), "\"ada-1\"");
        assert_eq!(serde_json::from_str::<Anchor>("\"ADA-1\"").unwrap(), anchor);
        let hash = anchor.hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("00ab".parse::<AnchorHash>().is_err());
    }
}
