//! Distinguished names (RFC 4514): comparison, and extraction of the CN.

use std::fmt;
use std::sync::LazyLock;

use hex::{FromHex, FromHexError};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::digest::Purpose;

/// Hash of a distinguished name; equal for every spelling of the same name. User records hold it in place of the name:
/// it is enough to find a manager's record, and it reveals no name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnKey([u8; 16]);

impl DnKey {
    /// Hashes a distinguished name. A malformed name is hashed as plain text without case.
    pub fn of(dn: &str) -> Self {
        static PURPOSE: LazyLock<Purpose> = LazyLock::new(|| Purpose::new("provisioner 2026 dn"));
        let normal = if is_plain(dn) { dn.to_ascii_lowercase() } else { normal(dn) };
        Self(PURPOSE.digest(normal.as_bytes()))
    }
}

impl fmt::Display for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnKey({self})")
    }
}

impl TryFrom<String> for DnKey {
    type Error = FromHexError;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        FromHex::from_hex(digits).map(Self)
    }
}

impl From<DnKey> for String {
    fn from(key: DnKey) -> Self {
        key.to_string()
    }
}

/// The value of the first `CN` of a distinguished name.
pub fn cn_of(dn: &str) -> Option<String> {
    split(dn, ',').into_iter().flat_map(|rdn| split(rdn, '+')).find_map(|part| {
        let (kind, value) = part.split_once('=')?;
        kind.trim().eq_ignore_ascii_case("cn").then(|| unescaped(value))
    })
}

/// Attribute types of names, with their OIDs (RFC 4514, section 3).
const TYPES: [(&str, &str); 9] = [
    ("cn", "2.5.4.3"),
    ("l", "2.5.4.7"),
    ("st", "2.5.4.8"),
    ("o", "2.5.4.10"),
    ("ou", "2.5.4.11"),
    ("c", "2.5.4.6"),
    ("street", "2.5.4.9"),
    ("dc", "0.9.2342.19200300.100.1.25"),
    ("uid", "0.9.2342.19200300.100.1.1"),
];

/// Whether lower case is all that a name lacks of its normal form. Most names are plain, and this test is quick.
fn is_plain(dn: &str) -> bool {
    let neighbours = std::iter::once(b',').chain(dn.bytes()).zip(dn.bytes().chain([b',']));
    let is_between_words = |(before, after): (u8, u8)| {
        !matches!((before, after), (b' ', b' ' | b',' | b'=') | (b',' | b'=', b' ') | (b',', b'0'..=b'9'))
    };
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'\\' | b'"' | b'+');
    dn.bytes().all(is_plain) && neighbours.into_iter().all(is_between_words)
}

/// The normal form of a name: equal for every spelling.
fn normal(dn: &str) -> String {
    let mut rdns: Vec<String> = Vec::new();
    for rdn in split(dn, ',') {
        let mut parts: Vec<String> = split(rdn, '+').into_iter().map(normal_part).collect();
        parts.sort();
        rdns.push(parts.join("+"));
    }
    rdns.join(",")
}

/// Splits at separators that are neither escaped nor quoted.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut escaped, mut quoted) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                pieces.push(text.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

/// The normal form of one `type=value`: the short type, and the value as servers compare it (RFC 4518: compatibility
/// composition, lower case, single spaces), without escapes but for separators.
fn normal_part(part: &str) -> String {
    match part.split_once('=') {
        Some((kind, value)) => {
            let kind = kind.trim().to_lowercase();
            let kind = TYPES.iter().find(|(_, oid)| *oid == kind).map_or(&*kind, |(short, _)| short);
            let value: String = unescaped(value).nfkc().flat_map(char::to_lowercase).nfkc().collect();
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            // Escaped separators keep `a\,b` apart from two components.
            let value = words.join(" ").replace('\\', "\\\\").replace(',', "\\,").replace('+', "\\+");
            format!("{kind}={value}")
        }
        None => part.trim().to_lowercase(),
    }
}

/// A value without escapes (`\,`, `\C3\A4`), quotes, and the spaces that belong to the syntax.
fn unescaped(value: &str) -> String {
    let value = value.trim_start();
    let value = match value.strip_prefix('"').and_then(|inner| inner.trim_end().strip_suffix('"')) {
        Some(inner) => inner,
        None => value,
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(value.len());
    // Length up to the last byte that is escaped or not a space.
    let mut kept = 0;
    let mut rest = value.as_bytes();
    while let Some((byte, is_escaped, after)) = next_byte(rest) {
        rest = after;
        bytes.push(byte);
        if is_escaped || byte != b' ' {
            kept = bytes.len();
        }
    }
    bytes.truncate(kept);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The next byte of a value, whether it is escaped, and the remaining bytes.
fn next_byte(text: &[u8]) -> Option<(u8, bool, &[u8])> {
    if let [b'\\', high, low, rest @ ..] = text
        && let Ok([byte]) = <[u8; 1]>::from_hex([*high, *low])
    {
        return Some((byte, true, rest));
    }
    match text {
        [] => None,
        [b'\\', byte, rest @ ..] => Some((*byte, true, rest)),
        [byte, rest @ ..] => Some((*byte, false, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        let key = DnKey::of("CN=Grace Hopper,OU=Navy,DC=acme,DC=test");
        assert_eq!(key, DnKey::of("cn=grace  hopper, ou=navy , dc=ACME,dc=test"));
        assert_eq!(DnKey::of(r"cn=J\C3\BCrgen,dc=x"), DnKey::of("cn=jürgen,dc=x"));
        assert_eq!(DnKey::of(r"cn=Smith\, Jo,dc=x"), DnKey::of(r"CN=Smith\2c Jo,dc=x"));
        assert_eq!(DnKey::of("cn=a+uid=b,dc=x"), DnKey::of("uid=b+cn=a,dc=x"));
        assert_eq!(DnKey::of("cn=ju\u{308}rgen,dc=x"), DnKey::of("cn=J\u{dc}RGEN,dc=x"), "decomposed");
        assert_eq!(DnKey::of("cn=\u{ff21}da,dc=x"), DnKey::of("cn=ada,dc=x"), "full-width");
        assert_eq!(DnKey::of("2.5.4.3=ada,0.9.2342.19200300.100.1.25=x"), DnKey::of("cn=ada,dc=x"));
        assert_eq!(key.to_string(), String::from(key));
        assert_eq!(DnKey::try_from(key.to_string()), Ok(key));
        assert_eq!(format!("{key:?}"), format!("DnKey({key})"));
        assert!(DnKey::try_from("abcd".to_owned()).is_err());
    }

    #[test]
    fn different_names_differ() {
        assert_ne!(DnKey::of(r"cn=a\,ou=b,dc=x"), DnKey::of("cn=a,ou=b,dc=x"));
        assert_ne!(DnKey::of("cn=a,dc=x"), DnKey::of("cn=b,dc=x"));
    }

    #[test]
    fn plain_names_are_normal_after_lowercasing() {
        let (mut plain, mut number) = (0, 1_u32);
        let mut next = |below: usize| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (number >> 8) as usize % below
        };
        let letters = [
            "cn=", "OU=", "2.5.4.3=", "a", "B", "=", ",", ",", " ", "+", "\\", "\\2C", "\"", "\t", "ü", "#",
            "/",
        ];
        for _ in 0..200_000 {
            let dn: String = (0..next(9)).map(|_| letters[next(letters.len())]).collect();
            if is_plain(&dn) {
                plain += 1;
                assert_eq!(dn.to_ascii_lowercase(), normal(&dn), "{dn:?}");
            }
        }
        assert!(plain > 10_000, "{plain}");
        assert!(is_plain("CN=Grace Hopper,OU=Navy,DC=acme,DC=test"));
    }

    #[test]
    fn cn_is_extracted() {
        assert_eq!(cn_of(r"CN=Lovelace\, Ada,OU=x"), Some("Lovelace, Ada".into()));
        assert_eq!(cn_of("uid=ada+cn=Ada \\20,OU=x"), Some("Ada  ".into()));
        assert_eq!(cn_of("uid=ada,ou=x"), None);
        assert_eq!(cn_of("\\"), None);
        assert_eq!(cn_of(r#"cn=" a, b ""#).as_deref(), Some(" a, b"));
        assert_eq!(cn_of(r"cn=\zz\").as_deref(), Some(r"zz\"));
    }
}
