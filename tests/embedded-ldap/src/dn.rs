//! Distinguished names, reduced to what equality looks at.
//!
//! Two spellings of one name (`CN=Ann, OU=people` and `cn=ann,ou=people`, or `\2C` and `\,`) have to find the same
//! entry, so everything inside the server goes by a [`Key`]; the text a caller wrote is kept only to be answered.

use anyhow::{Result, bail, ensure};

/// A name in canonical form, root first, its parts joined by NUL.
///
/// Root first makes a subtree one contiguous range of an ordered map, and NUL sorts before everything a part can hold, so
/// a sibling such as `dc=acme-2` never falls inside the range of `dc=acme`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(String);

impl Key {
    /// Reads a name as a client or a caller wrote it.
    pub(crate) fn parse(text: &str) -> Result<Key> {
        Ok(Dn::parse(text)?.key())
    }

    /// The empty name, which addresses the root DSE.
    pub(crate) fn root() -> Key {
        Key(String::new())
    }

    /// Whether this is the empty name.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this name is `ancestor` itself or lies somewhere under it.
    pub(crate) fn is_within(&self, ancestor: &Key) -> bool {
        match self.0.strip_prefix(&ancestor.0) {
            Some(rest) => rest.is_empty() || rest.starts_with('\0') || ancestor.is_empty(),
            None => false,
        }
    }

    /// The name one level up; nothing above a name of a single part.
    pub(crate) fn parent(&self) -> Option<Key> {
        let (parent, _) = self.0.rsplit_once('\0')?;
        Some(Key(parent.to_owned()))
    }
}

/// A name taken apart, for the few places that need its text or its naming values: adding and renaming.
#[derive(Debug)]
pub(crate) struct Dn<'a> {
    /// The parts as written, the entry's own first.
    parts: Vec<Part<'a>>,
}

/// One relative name, such as `cn=Ann` or `cn=Ann+uid=ann`.
#[derive(Debug)]
struct Part<'a> {
    text: &'a str,
    values: Vec<(String, Vec<u8>)>,
}

impl<'a> Dn<'a> {
    /// Splits at the unescaped commas, and each part at its unescaped plus signs.
    pub(crate) fn parse(text: &'a str) -> Result<Dn<'a>> {
        let mut parts = Vec::new();
        if text.trim().is_empty() {
            return Ok(Dn { parts });
        }
        for part in split_unescaped(text, ',') {
            let values =
                split_unescaped(part, '+').into_iter().map(parse_value).collect::<Result<Vec<_>>>()?;
            parts.push(Part { text: part.trim(), values });
        }
        Ok(Dn { parts })
    }

    /// The form that equality looks at.
    pub(crate) fn key(&self) -> Key {
        let mut key = String::new();
        for part in self.parts.iter().rev() {
            let mut values: Vec<String> =
                part.values.iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
            values.sort();
            if !key.is_empty() {
                key.push('\0');
            }
            key.push_str(&values.join("+"));
        }
        Key(key)
    }

    /// The attribute values that the entry's own part names it by, unescaped; the attribute names are in lower case.
    pub(crate) fn naming_values(&self) -> &[(String, Vec<u8>)] {
        self.parts.first().map_or(&[], |part| &part.values)
    }

    /// How many parts the name has.
    pub(crate) fn depth(&self) -> usize {
        self.parts.len()
    }

    /// The same name with its last `old_depth` parts replaced by `new_base`: what a move of an ancestor makes of it.
    pub(crate) fn rebased(&self, old_depth: usize, new_base: &str) -> String {
        let own = self.parts.len().saturating_sub(old_depth);
        let mut texts: Vec<&str> = self.parts.iter().take(own).map(|part| part.text).collect();
        texts.push(new_base);
        texts.join(",")
    }
}

/// Splits at every `separator` that no backslash stands before.
fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = c == '\\';
        c == separator
    })
    .collect()
}

/// Reads `type=value`, the type in lower case, the value unescaped.
fn parse_value(text: &str) -> Result<(String, Vec<u8>)> {
    let Some((name, value)) = text.split_once('=') else {
        bail!("invalid DN: `{text}` has no `=`");
    };
    let name = name.trim().to_ascii_lowercase();
    ensure!(!name.is_empty(), "invalid DN: `{text}` names no attribute");
    Ok((name, unescape(value)?))
}

/// Undoes `\,` and `\2C`. Spaces around a value don't count, unless they are escaped.
fn unescape(value: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut protected = 0;
    let mut rest = value.trim_start().chars();
    while let Some(c) = rest.next() {
        if c == '\\' {
            let tail = rest.as_str();
            if let Some(byte) = tail.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default().chars();
            } else if let Some(literal) = rest.next() {
                push_char(&mut bytes, literal);
            } else {
                bail!("invalid DN: `{value}` ends inside an escape");
            }
            protected = bytes.len();
        } else {
            push_char(&mut bytes, c);
        }
    }
    while bytes.len() > protected && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    Ok(bytes)
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// A value without case and with only the characters escaped that have a meaning inside a [`Key`].
fn canonical(value: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(value) else {
        return value.iter().map(|byte| format!("\\{byte:02x}")).collect();
    };
    let text = text.trim();
    let mut folded = if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() };
    if folded.contains(['\\', '+', '\0']) {
        folded = folded.replace('\\', "\\5c").replace('+', "\\2b").replace('\0', "\\00");
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (one, other) in [
            ("cn=Ann,ou=people", "CN = ann , OU = People"),
            ("cn=a\\,b,dc=x", "cn=a\\2Cb,dc=x"),
            ("cn=ZOË,dc=x", "cn=zo\\C3\\AB,dc=x"),
            ("cn=a+uid=1,dc=x", "uid=1+CN=A,dc=x"),
        ] {
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
    }

    #[test]
    fn different_names_differ() {
        for (one, other) in [
            ("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"),
            ("cn=a\\+uid=1,dc=x", "cn=a+uid=1,dc=x"),
            ("cn=a\\00b", "cn=ab"),
        ] {
            assert_ne!(Key::parse(one).ok(), Key::parse(other).ok(), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["people", "=x,dc=y", "cn=a,,dc=x", "cn=a\\"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn within_means_below_and_not_beside() {
        assert!(key("cn=a,dc=acme").is_within(&key("dc=acme")));
        assert!(key("dc=acme").is_within(&key("dc=acme")));
        assert!(!key("dc=acme-2").is_within(&key("dc=acme")));
        assert_eq!(key("cn=a,dc=acme").parent(), Some(key("dc=acme")));
    }
}
