//! The little of BER that is taken apart here: values that are a sequence of a few primitive elements.
//!
//! The library has a parser for all of BER. It recurses as deep as the input says, and what it returns still
//! has to be checked for being what was expected; this one refuses anything else from the start.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;

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

#[cfg(test)]
mod tests {
    use super::*;

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
