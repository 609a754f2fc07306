//! What a server sends.

use bytes::Bytes;

use super::ber::{self, BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};

/// One message, not yet looked into further than to whom it belongs and what it is.
#[derive(Debug)]
pub(crate) struct Message {
    /// The number of the question that it answers; nought for none.
    pub(crate) id: i32,
    /// The tag of the answer.
    pub(crate) kind: u8,
    /// The answer.
    pub(crate) content: Bytes,
    controls: Bytes,
}

/// Something beside a question or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) oid: String,
    pub(crate) is_critical: bool,
    pub(crate) value: Option<Vec<u8>>,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The result code; nought is success.
    pub(crate) code: u32,
    /// What the server says to a person. Nobody promises what is in it.
    pub(crate) text: String,
    /// Other servers to ask.
    pub(crate) referrals: Vec<String>,
    pub(crate) controls: Vec<Control>,
}

impl Message {
    pub(crate) const BIND_RESPONSE: u8 = 0x61;
    pub(crate) const ENTRY: u8 = 0x64;
    pub(crate) const SEARCH_DONE: u8 = 0x65;
    pub(crate) const REFERENCE: u8 = 0x73;
    pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(crate) const INTERMEDIATE: u8 = 0x79;

    /// Reads `SEQUENCE { messageID INTEGER, answer, [0] controls OPTIONAL }`.
    pub(crate) fn parse(message: &Bytes) -> Option<Self> {
        let (content, _) = ber::take(SEQUENCE, message)?;
        let (id, content) = ber::take(INTEGER, content)?;
        let id = i32::try_from(ber::integer(id)?).ok()?;
        let (kind, content, rest) = ber::next(content)?;
        // Whatever else may follow is left alone, as the standard asks.
        let controls =
            ber::take(0xa0, rest).map_or(Bytes::new(), |(controls, _)| message.slice_ref(controls));
        Some(Self { id, kind, content: message.slice_ref(content), controls })
    }

    /// The controls, up to the first that can't be read. Who needs one does without an answer that hasn't it.
    pub(crate) fn controls(&self) -> Vec<Control> {
        let mut rest = self.controls.as_ref();
        let mut controls = Vec::new();
        while let Some((content, after)) = ber::take(SEQUENCE, rest) {
            let Some(control) = Control::parse(content) else { break };
            controls.push(control);
            rest = after;
        }
        controls
    }

    /// Reads `SEQUENCE { resultCode ENUMERATED, matchedDN, diagnosticMessage, [3] referral OPTIONAL, … }`.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        const REFERRAL: u8 = 0xa3;
        let (code, rest) = ber::take(ENUMERATED, &self.content)?;
        let code = u32::try_from(ber::integer(code)?).ok()?;
        let (_, rest) = ber::take(OCTET_STRING, rest)?;
        let (text, rest) = ber::take(OCTET_STRING, rest)?;
        let referrals = ber::take(REFERRAL, rest).map(|(list, _)| texts(list)).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        Some(Outcome { code, text, referrals, controls: self.controls() })
    }

    /// The addresses of a search result reference: `[APPLICATION 19] SEQUENCE OF URI`. What can't be read is left out,
    /// and the reference still counts.
    pub(crate) fn addresses(&self) -> Vec<String> {
        texts(&self.content)
    }

    /// The code with which the server takes its leave, if this is that (RFC 4511, section 4.4.1).
    pub(crate) fn farewell(&self) -> Option<u32> {
        (self.id == 0 && self.kind == Self::EXTENDED_RESPONSE).then(|| self.outcome().map_or(0, |it| it.code))
    }
}

fn texts(mut list: &[u8]) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((text, rest)) = ber::take(OCTET_STRING, list) {
        texts.push(String::from_utf8_lossy(text).into_owned());
        list = rest;
    }
    texts
}

impl Control {
    /// A control that the server must obey or refuse.
    pub(crate) fn critical(oid: &str, value: Option<Vec<u8>>) -> Self {
        Self { oid: oid.to_owned(), is_critical: true, value }
    }

    /// Reads `SEQUENCE { controlType, criticality BOOLEAN DEFAULT FALSE, controlValue OPTIONAL }`.
    fn parse(content: &[u8]) -> Option<Self> {
        let (oid, rest) = ber::take(OCTET_STRING, content)?;
        let (is_critical, rest) = match ber::take(BOOLEAN, rest) {
            Some((flag, rest)) => (ber::boolean(flag)?, rest),
            None => (false, rest),
        };
        let value = ber::take(OCTET_STRING, rest).map(|(value, _)| value.to_vec());
        Some(Self { oid: String::from_utf8(oid.to_vec()).ok()?, is_critical, value })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;
    use proptest::prelude::*;

    fn message(id: i32, operation: Vec<u8>, controls: &[Control]) -> Bytes {
        Request::raw(operation).encode(id, controls).into()
    }

    #[test]
    fn a_message_with_controls() {
        let controls = [
            Control::critical("1.2.3", Some(vec![7, 8])),
            Control { oid: "4.5".to_owned(), is_critical: false, value: None },
        ];
        let result = [
            ber::element(ENUMERATED, &[10]),
            ber::element(OCTET_STRING, b""),
            ber::element(OCTET_STRING, b"elsewhere"),
            ber::element(0xa3, &ber::element(OCTET_STRING, b"ldap://other")),
        ];
        let done = ber::element(Message::SEARCH_DONE, &result.concat());
        let message = Message::parse(&message(70_000, done, &controls)).unwrap();
        assert_eq!((message.id, message.kind), (70_000, Message::SEARCH_DONE));
        let expected = Outcome {
            code: 10,
            text: "elsewhere".to_owned(),
            referrals: vec!["ldap://other".to_owned()],
            controls: controls.to_vec(),
        };
        assert_eq!(message.outcome(), Some(expected));
        assert_eq!(message.farewell(), None);
    }

    #[test]
    fn a_server_takes_its_leave() {
        let result = [
            ber::element(ENUMERATED, &[52]),
            ber::element(OCTET_STRING, b""),
            ber::element(OCTET_STRING, b""),
            ber::element(0x8a, b"1.3.6.1.4.1.1466.20036"),
        ];
        let notice = ber::element(Message::EXTENDED_RESPONSE, &result.concat());
        assert_eq!(Message::parse(&message(0, notice, &[])).unwrap().farewell(), Some(52));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>, kind: u8) {
            let _ = Message::parse(&Bytes::from(bytes.clone()));
            let wrapped = message(1, ber::element(kind, &bytes), &[]);
            let message = Message::parse(&wrapped).unwrap();
            let _ = (message.outcome(), message.addresses(), message.farewell());
            let odd = Message { controls: bytes.into(), ..message };
            let _ = odd.controls();
        }
    }
}
