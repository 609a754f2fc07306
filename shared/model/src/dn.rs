//! Distinguished names (RFC 4514), as far as comparing them and taking a CN out of them needs.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::digest::Purpose;

/// Sixteen bytes that are equal for equal distinguished names, however they are spelled. A record keeps this
/// instead of the name: it is enough to find a manager's record, and it tells nobody who that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnKey([u8; 16]);

impl DnKey {
    /// The key of a distinguished name. A malformed one still gets a key, of its plain text without case.
    pub fn of(dn: &str) -> Self {
        static PURPOSE: LazyLock<Purpose> = LazyLock::new(|| Purpose::new("provisioner 2026 dn"));
        let normal = if is_plain(dn) { dn.to_ascii_lowercase() } else { normal(dn) };
        Self(PURPOSE.digest(normal.as_bytes()))
    }
}

impl fmt::Display for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DnKey({self})")
    }
}

impl TryFrom<String> for DnKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "a DN key is 32 hexadecimal digits";
        let number = u128::from_str_radix(&text, 16).map_err(|_| WRONG)?;
        if text.len() == 32 { Ok(Self(number.to_be_bytes())) } else { Err(WRONG) }
    }
}

impl From<DnKey> for String {
    fn from(key: DnKey) -> Self {
        key.to_string()
    }
}

/// The value of the first `CN` in a distinguished name, if there is one.
pub fn cn_of(dn: &str) -> Option<String> {
    split(dn, ',').into_iter().flat_map(|rdn| split(rdn, '+')).find_map(|part| {
        let (kind, value) = part.split_once('=')?;
        kind.trim().eq_ignore_ascii_case("cn").then(|| unescaped(value))
    })
}

/// Whether a name is in the form that is compared, but for its case: most are, and there are many of them.
fn is_plain(dn: &str) -> bool {
    let neighbours = std::iter::once(b',').chain(dn.bytes()).zip(dn.bytes().chain([b',']));
    let is_between_words = |(before, after): (u8, u8)| {
        !matches!((before, after), (b' ', b' ' | b',' | b'=') | (b',' | b'=', b' '))
    };
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'\\' | b'"' | b'+');
    dn.bytes().all(is_plain) && neighbours.into_iter().all(is_between_words)
}

/// A name in the form that is compared.
fn normal(dn: &str) -> String {
    let mut rdns: Vec<String> = Vec::new();
    for rdn in split(dn, ',') {
        let mut parts: Vec<String> = split(rdn, '+').into_iter().map(normal_part).collect();
        parts.sort();
        rdns.push(parts.join("+"));
    }
    rdns.join(",")
}

/// Splits at a separator that is neither escaped nor quoted.
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

/// One `type=value` in the form that is compared: no case, no escapes, single spaces.
fn normal_part(part: &str) -> String {
    match part.split_once('=') {
        Some((kind, value)) => {
            let value = unescaped(value).to_lowercase();
            let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            // The separators are escaped again, so that `a\,b` and two components never look alike.
            let value = words.join(" ").replace('\\', "\\\\").replace(',', "\\,").replace('+', "\\+");
            format!("{}={value}", kind.trim().to_lowercase())
        }
        None => part.trim().to_lowercase(),
    }
}

/// A value without its escapes (`\,`, `\C3\A4`) and without the spaces that belong to the syntax.
fn unescaped(value: &str) -> String {
    let value = value.trim_start();
    let value = match value.strip_prefix('"').and_then(|inner| inner.trim_end().strip_suffix('"')) {
        Some(inner) => inner,
        None => value,
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(value.len());
    let mut kept = 0;
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex_digit(*high) * 16 + hex_digit(*low));
                rest = tail;
                kept = bytes.len();
            }
            (b'\\', [plain, tail @ ..]) => {
                bytes.push(*plain);
                rest = tail;
                kept = bytes.len();
            }
            _ => {
                bytes.push(byte);
                if byte != b' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_make_another_dn() {
        let key = DnKey::of("CN=Grace Hopper,OU=Navy,DC=acme,DC=test");
        assert_eq!(key, DnKey::of("cn=grace  hopper, ou=navy , dc=ACME,dc=test"));
        assert_eq!(DnKey::of(r"cn=J\C3\BCrgen,dc=x"), DnKey::of("cn=jürgen,dc=x"));
        assert_eq!(DnKey::of(r"cn=Smith\, Jo,dc=x"), DnKey::of(r"CN=Smith\2c Jo,dc=x"));
        assert_eq!(DnKey::of("cn=a+uid=b,dc=x"), DnKey::of("uid=b+cn=a,dc=x"));
    }

    #[test]
    fn different_dns_differ() {
        assert_ne!(DnKey::of(r"cn=a\,ou=b,dc=x"), DnKey::of("cn=a,ou=b,dc=x"));
        assert_ne!(DnKey::of("cn=a,dc=x"), DnKey::of("cn=b,dc=x"));
    }

    /// What is quick is no other name.
    #[test]
    fn a_plain_name_is_its_normal_form_but_for_its_case() {
        let (mut plain, mut number) = (0, 1_u32);
        let mut next = |below: usize| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (number >> 8) as usize % below
        };
        let letters =
            ["cn=", "OU=", "a", "B", "=", ",", ",", " ", "+", "\\", "\\2C", "\"", "\t", "ü", "#", "/"];
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
    fn the_cn_comes_out_of_a_dn() {
        assert_eq!(cn_of(r"CN=Lovelace\, Ada,OU=x"), Some("Lovelace, Ada".into()));
        assert_eq!(cn_of("uid=ada+cn=Ada \\20,OU=x"), Some("Ada  ".into()));
        assert_eq!(cn_of("uid=ada,ou=x"), None);
        assert_eq!(cn_of("\\"), None);
    }
}
