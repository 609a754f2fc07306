//! The little of BER that is taken apart here: values that are a sequence of a few primitive elements.
//!
//! The library has a parser for all of BER. It recurses as deep as the input says, and what it returns still
//! has to be checked for being what was expected; this one refuses anything else from the start.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Takes one element with the given tag off the front: its content, and what comes after it.
pub(crate) fn take(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x80 => return None,
        // Active Directory writes all lengths in four bytes; more than that is no length that could be here.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(length) } else { None }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for length in [0, 1, 127, 128, 300, 70_000] {
            let content = vec![7; length];
            let mut written = Vec::new();
            put(OCTET_STRING, &content, &mut written);
            assert_eq!(take(OCTET_STRING, &written), Some((content.as_slice(), [].as_slice())), "{length}");
        }
        assert_eq!(integer(&[0]), Some(0));
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0x12, 0x34]), Some(0x1234));
        assert_eq!(integer(&[]), None);
        assert_eq!(integer(&[1; 9]), None);
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
}
