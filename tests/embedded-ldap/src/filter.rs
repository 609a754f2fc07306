//! Search filters: reading them off the wire and judging entries by them.

use crate::ber::{Malformed, OCTET_STRING, Reader, SEQUENCE};
use crate::dn::Key;
use crate::entry::{Entry, MEMBER_OF, Syntax, syntax};
use crate::tree::Tree;

/// How deep filters may nest; a bound, because they come from outside and are read by recursion.
const MAX_DEPTH: usize = 32;

/// A filter with its attribute names in lower case and its values prepared for comparing.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    Equal(String, Assertion),
    AtLeast(String, Assertion),
    AtMost(String, Assertion),
    Substrings(String, Substrings),
    /// A matching rule that is not known here, which the protocol calls undefined: neither it nor its negation matches.
    Undefined,
}

/// A value to compare with, in the form its attribute's syntax needs.
#[derive(Debug, Clone)]
pub(crate) enum Assertion {
    Text(String),
    Name(Key),
    Octets(Vec<u8>),
}

/// The pieces of `a*b*c`, in lower case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Substrings {
    initial: String,
    any: Vec<String>,
    last: String,
}

impl Filter {
    /// Reads the next element as a filter.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Filter, Malformed> {
        read(reader, MAX_DEPTH)
    }

    /// Whether an entry passes.
    pub(crate) fn matches(&self, entry: &Entry, tree: &Tree) -> bool {
        self.judge(entry, tree) == Some(true)
    }

    /// The three-valued logic of the protocol; none is undefined.
    fn judge(&self, entry: &Entry, tree: &Tree) -> Option<bool> {
        match self {
            Filter::And(parts) => combine(parts, false, entry, tree),
            Filter::Or(parts) => combine(parts, true, entry, tree),
            Filter::Not(part) => part.judge(entry, tree).map(|verdict| !verdict),
            Filter::Present(name) if name == MEMBER_OF => Some(tree.groups_of(&entry.key).next().is_some()),
            Filter::Present(name) => Some(!entry.values(name).is_empty()),
            Filter::Equal(name, Assertion::Name(group)) if name == MEMBER_OF => {
                Some(tree.is_member(&entry.key, group))
            }
            Filter::Equal(name, assertion) => {
                Some(entry.values(name).iter().any(|value| assertion.equals(value)))
            }
            Filter::AtLeast(name, assertion) => {
                Some(entry.values(name).iter().any(|value| assertion.compare(value).is_ge()))
            }
            Filter::AtMost(name, assertion) => {
                Some(entry.values(name).iter().any(|value| assertion.compare(value).is_le()))
            }
            Filter::Substrings(name, pieces) => {
                Some(entry.values(name).iter().any(|value| pieces.match_value(value)))
            }
            Filter::Undefined => None,
        }
    }
}

/// Judges several parts of which one that is `decisive` settles the matter: a false one an "and", a true one an "or".
fn combine(parts: &[Filter], decisive: bool, entry: &Entry, tree: &Tree) -> Option<bool> {
    let mut verdict = Some(!decisive);
    for part in parts {
        match part.judge(entry, tree) {
            Some(judged) if judged == decisive => return Some(decisive),
            Some(_) => {}
            None => verdict = None,
        }
    }
    verdict
}

fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Filter, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed)?;
    let (tag, content) = reader.element()?;
    let mut inside = Reader::new(content);
    match tag {
        0xa0 => Ok(Filter::And(read_all(inside, depth)?)),
        0xa1 => Ok(Filter::Or(read_all(inside, depth)?)),
        0xa2 => Ok(Filter::Not(Box::new(read(&mut inside, depth)?))),
        // An approximate match may be answered as an equality.
        0xa3 | 0xa8 => {
            let name = read_name(&mut inside)?;
            let value = inside.expect(OCTET_STRING)?;
            Ok(match Assertion::new(syntax(&name), value) {
                Some(assertion) => Filter::Equal(name, assertion),
                None => Filter::Undefined,
            })
        }
        0xa4 => {
            let name = read_name(&mut inside)?;
            Ok(Filter::Substrings(name, Substrings::read(inside.inside(SEQUENCE)?)?))
        }
        0xa5 | 0xa6 => {
            let name = read_name(&mut inside)?;
            let assertion = Assertion::ordered(inside.expect(OCTET_STRING)?);
            Ok(if tag == 0xa5 { Filter::AtLeast(name, assertion) } else { Filter::AtMost(name, assertion) })
        }
        0x87 => Ok(Filter::Present(lower(content)?)),
        0xa9 => Ok(Filter::Undefined),
        _ => Err(Malformed),
    }
}

fn read_all(mut inside: Reader<'_>, depth: usize) -> Result<Vec<Filter>, Malformed> {
    let mut parts = Vec::new();
    while !inside.is_empty() {
        parts.push(read(&mut inside, depth)?);
    }
    Ok(parts)
}

fn read_name(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    lower(reader.expect(OCTET_STRING)?)
}

fn lower(name: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(name).map(str::to_ascii_lowercase).map_err(|_| Malformed)
}

impl Assertion {
    /// Prepares a value for equality; none where a name was wanted and this is not one.
    fn new(syntax: Syntax, value: &[u8]) -> Option<Assertion> {
        match syntax {
            Syntax::Name => Key::parse(std::str::from_utf8(value).ok()?).ok().map(Assertion::Name),
            Syntax::Octets => Some(Assertion::Octets(value.to_vec())),
            Syntax::Text => Some(Assertion::ordered(value)),
        }
    }

    fn ordered(value: &[u8]) -> Assertion {
        match std::str::from_utf8(value) {
            Ok(text) => Assertion::Text(fold(text)),
            Err(_) => Assertion::Octets(value.to_vec()),
        }
    }

    fn equals(&self, value: &[u8]) -> bool {
        match self {
            Assertion::Octets(octets) => octets == value,
            Assertion::Text(text) => match std::str::from_utf8(value) {
                Ok(value) if value.is_ascii() => value.trim().eq_ignore_ascii_case(text),
                Ok(value) => fold(value) == *text,
                Err(_) => false,
            },
            Assertion::Name(key) => std::str::from_utf8(value)
                .ok()
                .and_then(|value| Key::parse(value).ok())
                .is_some_and(|value| value == *key),
        }
    }

    /// Where `value` stands in relation to this: as numbers if both are, so that change counters compare, else as text.
    fn compare(&self, value: &[u8]) -> std::cmp::Ordering {
        match (self, std::str::from_utf8(value)) {
            (Assertion::Text(text), Ok(value)) => {
                let value = fold(value);
                match (value.parse::<u64>(), text.parse::<u64>()) {
                    (Ok(value), Ok(text)) => value.cmp(&text),
                    _ => value.cmp(text),
                }
            }
            (Assertion::Text(text), Err(_)) => value.cmp(text.as_bytes()),
            (Assertion::Octets(octets), _) => value.cmp(octets),
            // Ordering assertions are never read as names.
            (Assertion::Name(_), _) => std::cmp::Ordering::Equal,
        }
    }
}

impl Substrings {
    fn read(mut pieces: Reader<'_>) -> Result<Substrings, Malformed> {
        let mut substrings = Substrings::default();
        while !pieces.is_empty() {
            let (tag, piece) = pieces.element()?;
            let piece = std::str::from_utf8(piece).map_err(|_| Malformed)?.to_lowercase();
            match tag {
                0x80 => substrings.initial = piece,
                0x81 => substrings.any.push(piece),
                0x82 => substrings.last = piece,
                _ => return Err(Malformed),
            }
        }
        Ok(substrings)
    }

    fn match_value(&self, value: &[u8]) -> bool {
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

fn fold(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}
