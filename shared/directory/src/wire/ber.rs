//! The subset of BER that LDAP uses (RFC 4511, section 5.1): one-byte tags and definite lengths.

/// Tag of a boolean.
pub const BOOLEAN: u8 = 0x01;
/// Tag of an integer.
pub const INTEGER: u8 = 0x02;
/// Tag of an octet string.
pub const OCTET_STRING: u8 = 0x04;
/// Tag of an enumerated value.
pub const ENUMERATED: u8 = 0x0a;
/// Tag of a sequence.
pub const SEQUENCE: u8 = 0x30;
/// Tag of a set.
pub const SET: u8 = 0x31;

/// Tag and length of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BerHeader {
    /// Tag of the element.
    pub tag: u8,
    /// Length of the header in bytes.
    pub size: usize,
    /// Length of the content in bytes.
    pub length: usize,
}

/// Input that no further bytes can make an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBer;

impl BerHeader {
    /// Reads a header; `None` while bytes of it are missing.
    pub fn read(input: &[u8]) -> Result<Option<Self>, InvalidBer> {
        let [tag, first, rest @ ..] = input else { return Ok(None) };
        match first {
            0..=0x7f => Ok(Some(Self { tag: *tag, size: 2, length: usize::from(*first) })),
            // Active Directory writes every length in four bytes. Longer lengths don't occur.
            0x81..=0x84 => {
                let digits = usize::from(first & 0x7f);
                let Some((digits, _)) = rest.split_at_checked(digits) else { return Ok(None) };
                let length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
                Ok(Some(Self { tag: *tag, size: 2 + digits.len(), length }))
            }
            _ => Err(InvalidBer),
        }
    }
}

/// Splits the first element off: its tag, its content, and the remaining input.
pub fn next(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let header = BerHeader::read(input).ok()??;
    let (content, rest) = input.get(header.size..)?.split_at_checked(header.length)?;
    Some((header.tag, content, rest))
}

/// Splits the first element off if it has this tag: its content, and the remaining input.
pub fn take(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    next(input).and_then(|(found, content, rest)| (found == tag).then_some((content, rest)))
}

/// Decodes the content of an integer of at most eight bytes.
pub fn integer(content: &[u8]) -> Option<i64> {
    let first = *content.first()?;
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    (content.len() <= 8).then(|| content.iter().fold(start, |number, byte| (number << 8) | i64::from(*byte)))
}

/// Decodes the content of a boolean.
pub fn boolean(content: &[u8]) -> Option<bool> {
    match content {
        [byte] => Some(*byte != 0),
        _ => None,
    }
}

/// Appends an element.
pub fn put(tag: u8, content: &[u8], into: &mut Vec<u8>) {
    into.push(tag);
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => into.push(short),
        _ => {
            // BER does not demand the shortest form, and four bytes hold every length that occurs here.
            into.push(0x84);
            into.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    into.extend(content);
}

/// Appends an element that contains other elements.
pub fn put_all(tag: u8, parts: &[Vec<u8>], into: &mut Vec<u8>) {
    put(tag, &parts.concat(), into);
}

/// Encodes an element.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(content.len() + 6);
    put(tag, content, &mut written);
    written
}

/// Encodes a number as an element.
pub fn number(tag: u8, number: i32) -> Vec<u8> {
    element(tag, &number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_elements_decode() {
        for length in [0, 1, 127, 128, 300, 70_000] {
            let content = vec![7; length];
            let written = element(OCTET_STRING, &content);
            assert_eq!(take(OCTET_STRING, &written), Some((content.as_slice(), [].as_slice())), "{length}");
        }
        for (content, expected) in [
            ([0].as_slice(), Some(0)),
            (&[0xff], Some(-1)),
            (&[0x12, 0x34], Some(0x1234)),
            (&[], None),
            (&[1; 9], None),
        ] {
            assert_eq!(integer(content), expected);
        }
        assert_eq!(take(INTEGER, &number(INTEGER, 7)).and_then(|(content, _)| integer(content)), Some(7));
    }

    #[test]
    fn short_and_long_lengths_are_accepted() {
        assert_eq!(take(OCTET_STRING, &[4, 1, 7, 9]), Some(([7].as_slice(), [9].as_slice())));
        assert_eq!(take(OCTET_STRING, &[4, 0x84, 0, 0, 0, 1, 7]), Some(([7].as_slice(), [].as_slice())));
        assert_eq!(take(OCTET_STRING, &[4, 0x80, 7, 0, 0]), None);
        assert_eq!(take(OCTET_STRING, &[4, 2, 7]), None);
        assert_eq!(take(INTEGER, &[4, 1, 7]), None);
        assert_eq!(take(INTEGER, &[]), None);
    }

    #[test]
    fn incomplete_header_is_not_an_error() {
        for half in [[].as_slice(), &[0x30], &[0x30, 0x82], &[0x30, 0x84, 0, 0, 1]] {
            assert_eq!(BerHeader::read(half), Ok(None), "{half:?}");
        }
        assert_eq!(BerHeader::read(&[0x30, 0x80]), Err(InvalidBer));
        assert_eq!(BerHeader::read(&[0x30, 0x85]), Err(InvalidBer));
        let whole = BerHeader { tag: 0x30, size: 4, length: 0x0102 };
        assert_eq!(BerHeader::read(&[0x30, 0x82, 1, 2]), Ok(Some(whole)));
    }
}
