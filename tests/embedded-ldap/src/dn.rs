//! Distinguished names: their position in the tree, and their naming attributes.

use anyhow::{Result, bail, ensure};
use model::DnKey;

/// Position of an entry: the keys of its RDNs, root first, so that a subtree is a range of an ordered map. Equal DNs have
/// equal paths, however they are spelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DnPath(Vec<DnKey>);

impl DnPath {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(ParsedDn::parse(text)?.path())
    }

    /// Path of the empty DN, which addresses the root DSE.
    pub(crate) fn root() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the ancestor or lies under it.
    pub(crate) fn is_within(&self, ancestor: &Self) -> bool {
        self.0.starts_with(&ancestor.0)
    }

    /// Path one level up; `None` directly under the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        (!parent.is_empty()).then(|| Self(parent.to_vec()))
    }
}

/// DN with its RDNs, the entry's own first.
#[derive(Debug)]
pub(crate) struct ParsedDn<'a>(Vec<ParsedRdn<'a>>);

#[derive(Debug)]
struct ParsedRdn<'a> {
    text: &'a str,
    values: Vec<(String, Vec<u8>)>,
}

impl<'a> ParsedDn<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self(Vec::new()));
        }
        let rdn = |text: &'a str| {
            let values = split(text, '+').into_iter().map(parse_value).collect::<Result<_>>()?;
            Ok(ParsedRdn { text: text.trim(), values })
        };
        Ok(Self(split(text, ',').into_iter().map(rdn).collect::<Result<_>>()?))
    }

    pub(crate) fn path(&self) -> DnPath {
        DnPath(self.0.iter().rev().map(|rdn| DnKey::of(rdn.text)).collect())
    }

    /// Unescaped values of the entry's RDN, with attribute names in lower case.
    pub(crate) fn naming_values(&self) -> &[(String, Vec<u8>)] {
        self.0.first().map_or(&[], |rdn| &rdn.values)
    }

    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    /// DN after the last `old_depth` RDNs became `new_base`.
    pub(crate) fn rebased(&self, old_depth: usize, new_base: &str) -> String {
        let own = self.0.len().saturating_sub(old_depth);
        let mut texts: Vec<&str> = self.0.iter().take(own).map(|rdn| rdn.text).collect();
        texts.push(new_base);
        texts.join(",")
    }
}

/// Splits at every separator that is not escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
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

fn parse_value(text: &str) -> Result<(String, Vec<u8>)> {
    let Some((name, value)) = text.split_once('=') else {
        bail!("invalid DN: `{text}` has no `=`");
    };
    let name = name.trim().to_ascii_lowercase();
    ensure!(!name.is_empty(), "invalid DN: `{text}` has no attribute name");
    Ok((name, unescape(value)?))
}

/// Value without its escapes (`\,`, `\2C`) and without unescaped spaces around it.
fn unescape(value: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut protected = 0;
    let mut rest = value.trim_start().chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let tail = rest.as_str();
        if let Some(byte) = tail.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default().chars();
        } else if let Some(literal) = rest.next() {
            bytes.extend(literal.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bail!("invalid DN: `{value}` ends inside an escape");
        }
        protected = bytes.len();
    }
    while bytes.len() > protected && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> DnPath {
        DnPath::parse(text).unwrap()
    }

    #[test]
    fn spellings_of_one_dn_are_equal() {
        for (one, other) in [
            ("cn=Ann,ou=people", "CN = ann , OU = People"),
            ("cn=a\\,b,dc=x", "cn=a\\2Cb,dc=x"),
            ("cn=ZOË,dc=x", "cn=zo\\C3\\AB,dc=x"),
            ("cn=a+uid=1,dc=x", "uid=1+CN=A,dc=x"),
        ] {
            assert_eq!(path(one), path(other), "{one} and {other}");
        }
        for (one, other) in [("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"), ("cn=a\\+uid=1,dc=x", "cn=a+uid=1,dc=x")] {
            assert_ne!(path(one), path(other), "{one} and {other}");
        }
    }

    #[test]
    fn invalid_dn_is_refused() {
        for text in ["people", "=x,dc=y", "cn=a,,dc=x", "cn=a\\"] {
            assert!(DnPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn subtree_excludes_siblings() {
        assert!(path("cn=a,dc=acme").is_within(&path("dc=acme")));
        assert!(path("dc=acme").is_within(&path("dc=acme")));
        assert!(!path("dc=acme-2").is_within(&path("dc=acme")));
        assert_eq!(path("cn=a,dc=acme").parent(), Some(path("dc=acme")));
    }
}
