//! The little of BER that LDAP uses (RFC 4511, section 5.1): elements with a tag of one byte and a length that is known.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// What stands in front of an element's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tag: u8,
    /// The header's own bytes.
    pub(crate) size: usize,
    /// The content's.
    pub(crate) length: usize,
}

/// There is no element here, whatever may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense;

impl Header {
    /// Reads a header; `None` as long as there is too little of it.
    pub(crate) fn read(input: &[u8]) -> Result<Option<Self>, Nonsense> {
        let [tag, first, rest @ ..] = input else { return Ok(None) };
        match first {
            0..=0x7f => Ok(Some(Self { tag: *tag, size: 2, length: usize::from(*first) })),
            // Active Directory writes all lengths in four bytes; more than that is no length that could be here.
            0x81..=0x84 => {
                let digits = usize::from(first & 0x7f);
                let Some((digits, _)) = rest.split_at_checked(digits) else { return Ok(None) };
                let length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
                Ok(Some(Self { tag: *tag, size: 2 + digits.len(), length }))
            }
            _ => Err(Nonsense),
        }
    }
}

/// Takes one element off the front: its tag, its content, and what comes after it.
pub(crate) fn next(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let header = Header::read(input).ok()??;
    let (content, rest) = input.get(header.size..)?.split_at_checked(header.length)?;
    Some((header.tag, content, rest))
}

/// Takes one element with the given tag off the front: its content, and what comes after it.
pub(crate) fn take(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    next(input).and_then(|(found, content, rest)| (found == tag).then_some((content, rest)))
}

/// An integer's content as a number, if it fits.
pub(crate) fn integer(content: &[u8]) -> Option<i64> {
    let first = *content.first()?;
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    (content.len() <= 8).then(|| content.iter().fold(start, |number, byte| (number << 8) | i64::from(*byte)))
}

/// A boolean's content.
pub(crate) fn boolean(content: &[u8]) -> Option<bool> {
    match content {
        [byte] => Some(*byte != 0),
        _ => None,
    }
}

/// Writes one element.
pub(crate) fn put(tag: u8, content: &[u8], into: &mut Vec<u8>) {
    into.push(tag);
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => into.push(short),
        _ => {
            // Four bytes hold whatever fits into memory here; that a shorter form would do is no matter in BER.
            into.push(0x84);
            into.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    into.extend(content);
}

/// Writes one element made of others.
pub(crate) fn put_all(tag: u8, parts: &[Vec<u8>], into: &mut Vec<u8>) {
    put(tag, &parts.concat(), into);
}

/// One element on its own.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(content.len() + 6);
    put(tag, content, &mut written);
    written
}

/// A number as an element.
pub(crate) fn number(tag: u8, number: i32) -> Vec<u8> {
    element(tag, &number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for length in [0, 1, 127, 128, 300, 70_000] {
            let content = vec![7; length];
            let written = element(OCTET_STRING, &content);
            assert_eq!(take(OCTET_STRING, &written), Some((content.as_slice(), [].as_slice())), "{length}");
        }
        assert_eq!(integer(&[0]), Some(0));
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0x12, 0x34]), Some(0x1234));
        assert_eq!(integer(&[]), None);
        assert_eq!(integer(&[1; 9]), None);
        assert_eq!(take(INTEGER, &number(INTEGER, 7)).and_then(|(content, _)| integer(content)), Some(7));
    }

    #[test]
    fn short_and_long_lengths() {
        assert_eq!(take(OCTET_STRING, &[4, 1, 7, 9]), Some(([7].as_slice(), [9].as_slice())));
        assert_eq!(take(OCTET_STRING, &[4, 0x84, 0, 0, 0, 1, 7]), Some(([7].as_slice(), [].as_slice())));
        assert_eq!(take(OCTET_STRING, &[4, 0x80, 7, 0, 0]), None);
        assert_eq!(take(OCTET_STRING, &[4, 2, 7]), None);
        assert_eq!(take(INTEGER, &[4, 1, 7]), None);
        assert_eq!(take(INTEGER, &[]), None);
    }

    #[test]
    fn half_a_header_may_become_a_whole_one() {
        for half in [[].as_slice(), &[0x30], &[0x30, 0x82], &[0x30, 0x84, 0, 0, 1]] {
            assert_eq!(Header::read(half), Ok(None), "{half:?}");
        }
        assert_eq!(Header::read(&[0x30, 0x80]), Err(Nonsense));
        assert_eq!(Header::read(&[0x30, 0x85]), Err(Nonsense));
        let whole = Header { tag: 0x30, size: 4, length: 0x0102 };
        assert_eq!(Header::read(&[0x30, 0x82, 1, 2]), Ok(Some(whole)));
    }
}
