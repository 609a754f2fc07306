//! Just enough BER to read a search request, and to write an answer that no encoder would.
//!
//! `ldap3_proto` reads every assertion value as text and drops the connection when it isn't, but an equality on an
//! `objectGUID` carries sixteen arbitrary bytes. So search requests are read here; all else is left to that crate.

/// What a client sent was not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Malformed> for std::io::Error {
    fn from(_: Malformed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidData, "the message is not what the protocol says")
    }
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Reads one element after the other. Only what LDAP allows: short tags and definite lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, without moving on.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whichever it is.
    pub(crate) fn element(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let tag = self.peek().ok_or(Malformed)?;
        let (header, length) = header(self.rest)?.ok_or(Malformed)?;
        let end = header.checked_add(length).ok_or(Malformed)?;
        let content = self.rest.get(header..end).ok_or(Malformed)?;
        self.rest = self.rest.get(end..).ok_or(Malformed)?;
        Ok((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.element()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The elements inside the next one, which must have this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Reader<'a>, Malformed> {
        self.expect(tag).map(Reader::new)
    }

    /// The next element as a number.
    pub(crate) fn number(&mut self, tag: u8) -> Result<i64, Malformed> {
        let content = self.expect(tag)?;
        let first = *content.first().ok_or(Malformed)?;
        if content.len() > 8 {
            return Err(Malformed);
        }
        let start = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(content.iter().fold(start, |number, byte| (number << 8) | i64::from(*byte)))
    }

    /// The next element as a truth value.
    pub(crate) fn boolean(&mut self) -> Result<bool, Malformed> {
        Ok(self.expect(BOOLEAN)?.iter().any(|byte| *byte != 0))
    }

    /// The next element as text.
    pub(crate) fn text(&mut self, tag: u8) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.expect(tag)?).map_err(|_| Malformed)
    }
}

/// How long the element's header and content are, once enough of it has arrived to tell.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    if first & 0x80 == 0 {
        return Ok(Some((2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(Malformed);
    }
    let Some(digits) = bytes.get(2..2 + count) else { return Ok(None) };
    let length = digits.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
    Ok(Some((2 + count, length)))
}

/// The size of the message that `bytes` begins with, once its header has arrived.
pub(crate) fn message_size(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed);
    }
    Ok(header(bytes)?.map(|(header, length)| header + length))
}

/// One element, written.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = vec![tag, 0x84];
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let bytes = element(SEQUENCE, &[element(INTEGER, &[0xff]), element(OCTET_STRING, b"hi")].concat());
        assert_eq!(message_size(&bytes), Ok(Some(bytes.len())));
        let mut inside = Reader::new(&bytes).inside(SEQUENCE).unwrap();
        assert_eq!(inside.number(INTEGER), Ok(-1));
        assert_eq!(inside.text(OCTET_STRING), Ok("hi"));
        assert!(inside.is_empty());
    }

    #[test]
    fn nonsense_is_malformed_and_never_a_panic() {
        for bytes in [
            &[0x30][..],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 0x80],
            &[0x3f, 0x01, 0x00],
            &[0x30, 0x05, 0x02],
        ] {
            assert_eq!(Reader::new(bytes).element(), Err(Malformed), "{bytes:x?}");
        }
    }
}
