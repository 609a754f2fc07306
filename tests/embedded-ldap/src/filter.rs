//! Search filters: decoding and evaluation.

use std::cmp::Ordering;

use directory::wire::ber::{self, OCTET_STRING, SEQUENCE};

use crate::dn::DnPath;
use crate::entry::{AttributeSyntax, MEMBER_OF, StoredEntry, syntax};
use crate::tree::EntryTree;

/// Deepest nesting of a filter, because decoding is recursive.
const MAX_DEPTH: usize = 32;

/// Filter with attribute names in lower case and values prepared for comparison.
#[derive(Debug, Clone)]
pub(crate) enum SearchFilter {
    And(Vec<SearchFilter>),
    Or(Vec<SearchFilter>),
    Not(Box<SearchFilter>),
    Present(String),
    Equal(String, FilterValue),
    AtLeast(String, FilterValue),
    AtMost(String, FilterValue),
    Substrings(String, SubstringPattern),
    /// Unknown matching rule: neither it nor its negation matches.
    Undefined,
}

/// Value in the form that the attribute's syntax compares.
#[derive(Debug, Clone)]
pub(crate) enum FilterValue {
    Text(String),
    Dn(DnPath),
    Octets(Vec<u8>),
}

/// Pieces of `a*b*c`, in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubstringPattern {
    initial: String,
    any: Vec<String>,
    last: String,
}

impl SearchFilter {
    /// Decodes the first element; returns the rest too.
    pub(crate) fn decode(input: &[u8]) -> Option<(Self, &[u8])> {
        decode(input, MAX_DEPTH)
    }

    /// Whether an entry matches.
    pub(crate) fn matches(&self, entry: &StoredEntry, tree: &EntryTree) -> bool {
        self.evaluate(entry, tree) == Some(true)
    }

    /// Three-valued result; `None` is undefined.
    fn evaluate(&self, entry: &StoredEntry, tree: &EntryTree) -> Option<bool> {
        let any = |name: &String, test: &dyn Fn(&Vec<u8>) -> bool| Some(entry.values(name).iter().any(test));
        match self {
            Self::And(parts) => combine(parts, false, entry, tree),
            Self::Or(parts) => combine(parts, true, entry, tree),
            Self::Not(part) => part.evaluate(entry, tree).map(|result| !result),
            Self::Present(name) if name == MEMBER_OF => Some(tree.groups_of(&entry.path).next().is_some()),
            Self::Present(name) => any(name, &|_| true),
            Self::Equal(name, FilterValue::Dn(group)) if name == MEMBER_OF => {
                Some(tree.is_member(&entry.path, group))
            }
            Self::Equal(name, expected) => any(name, &|value| expected.equals(value)),
            Self::AtLeast(name, bound) => any(name, &|value| bound.compare(value).is_ge()),
            Self::AtMost(name, bound) => any(name, &|value| bound.compare(value).is_le()),
            Self::Substrings(name, pattern) => any(name, &|value| pattern.matches(value)),
            Self::Undefined => None,
        }
    }
}

/// Combines results of which a `decisive` one decides: false for "and", true for "or".
fn combine(parts: &[SearchFilter], decisive: bool, entry: &StoredEntry, tree: &EntryTree) -> Option<bool> {
    let mut combined = Some(!decisive);
    for part in parts {
        match part.evaluate(entry, tree) {
            Some(result) if result == decisive => return Some(decisive),
            Some(_) => {}
            None => combined = None,
        }
    }
    combined
}

fn decode(input: &[u8], depth: usize) -> Option<(SearchFilter, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (tag, content, rest) = ber::next(input)?;
    let filter = match tag {
        0xa0 => SearchFilter::And(decode_all(content, depth)?),
        0xa1 => SearchFilter::Or(decode_all(content, depth)?),
        0xa2 => SearchFilter::Not(Box::new(decode(content, depth)?.0)),
        0x87 => SearchFilter::Present(lower(content)?),
        0xa9 => SearchFilter::Undefined,
        0xa3..=0xa6 | 0xa8 => {
            let (name, value) = ber::take(OCTET_STRING, content)?;
            comparison(tag, lower(name)?, value)?
        }
        _ => return None,
    };
    Some((filter, rest))
}

fn comparison(tag: u8, name: String, value: &[u8]) -> Option<SearchFilter> {
    if tag == 0xa4 {
        let (pieces, _) = ber::take(SEQUENCE, value)?;
        return Some(SearchFilter::Substrings(name, SubstringPattern::decode(pieces)?));
    }
    let (value, _) = ber::take(OCTET_STRING, value)?;
    Some(match tag {
        0xa5 => SearchFilter::AtLeast(name, FilterValue::ordered(value)),
        0xa6 => SearchFilter::AtMost(name, FilterValue::ordered(value)),
        // An approximate match may be answered as an equality.
        _ => match FilterValue::of(syntax(&name), value) {
            Some(expected) => SearchFilter::Equal(name, expected),
            None => SearchFilter::Undefined,
        },
    })
}

fn decode_all(mut input: &[u8], depth: usize) -> Option<Vec<SearchFilter>> {
    let mut parts = Vec::new();
    while !input.is_empty() {
        let (part, rest) = decode(input, depth)?;
        parts.push(part);
        input = rest;
    }
    Some(parts)
}

fn lower(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).map(str::to_ascii_lowercase).ok()
}

impl FilterValue {
    /// Value for an equality; `None` for an invalid DN.
    fn of(syntax: AttributeSyntax, value: &[u8]) -> Option<Self> {
        match syntax {
            AttributeSyntax::Dn => path(value).map(Self::Dn),
            AttributeSyntax::Octets => Some(Self::Octets(value.to_vec())),
            AttributeSyntax::Text => Some(Self::ordered(value)),
        }
    }

    fn ordered(value: &[u8]) -> Self {
        match std::str::from_utf8(value) {
            Ok(text) => Self::Text(fold(text)),
            Err(_) => Self::Octets(value.to_vec()),
        }
    }

    fn equals(&self, value: &[u8]) -> bool {
        match self {
            Self::Octets(octets) => octets == value,
            Self::Text(text) => std::str::from_utf8(value).is_ok_and(|value| match value.is_ascii() {
                true => value.trim().eq_ignore_ascii_case(text),
                false => fold(value) == *text,
            }),
            Self::Dn(expected) => path(value).as_ref() == Some(expected),
        }
    }

    /// Order of `value` relative to this: as numbers if both are numbers, else as text.
    fn compare(&self, value: &[u8]) -> Ordering {
        match (self, std::str::from_utf8(value)) {
            (Self::Text(text), Ok(value)) => {
                let value = fold(value);
                match (value.parse::<u64>(), text.parse::<u64>()) {
                    (Ok(value), Ok(text)) => value.cmp(&text),
                    _ => value.cmp(text),
                }
            }
            (Self::Text(text), Err(_)) => value.cmp(text.as_bytes()),
            (Self::Octets(octets), _) => value.cmp(octets),
            // Ordering values are never decoded as DNs.
            (Self::Dn(_), _) => Ordering::Equal,
        }
    }
}

impl SubstringPattern {
    fn decode(mut pieces: &[u8]) -> Option<Self> {
        let mut pattern = Self::default();
        while !pieces.is_empty() {
            let (tag, piece, rest) = ber::next(pieces)?;
            let piece = std::str::from_utf8(piece).ok()?.to_lowercase();
            match tag {
                0x80 => pattern.initial = piece,
                0x81 => pattern.any.push(piece),
                0x82 => pattern.last = piece,
                _ => return None,
            }
            pieces = rest;
        }
        Some(pattern)
    }

    fn matches(&self, value: &[u8]) -> bool {
        let Ok(value) = std::str::from_utf8(value) else { return false };
        let value = fold(value);
        let Some(mut rest) = value.strip_prefix(&self.initial) else { return false };
        for piece in &self.any {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(&self.last)
    }
}

fn path(value: &[u8]) -> Option<DnPath> {
    DnPath::parse(std::str::from_utf8(value).ok()?).ok()
}

fn fold(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}
