//! LDAP messages, their results and their controls.

use bytes::Bytes;

use super::ber::{self, BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};

const CONTROLS: u8 = 0xa0;

/// LDAP message with its encoded operation.
#[derive(Debug)]
pub struct LdapMessage {
    /// Message id; 0 in an unsolicited notification.
    pub id: i32,
    /// Tag of the operation.
    pub kind: u8,
    /// Content of the operation.
    pub content: Bytes,
    controls: Bytes,
}

/// Control of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapControl {
    /// Object identifier.
    pub oid: String,
    /// Whether the receiver must refuse the request if it does not know the control.
    pub is_critical: bool,
    /// Encoded value.
    pub value: Option<Vec<u8>>,
}

/// Result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResult {
    /// Result code; 0 is success.
    pub code: u32,
    /// Diagnostic text of the server. Its content is not specified.
    pub text: String,
    /// Addresses of other servers.
    pub referrals: Vec<String>,
    /// Controls of the message.
    pub controls: Vec<LdapControl>,
}

impl LdapMessage {
    /// Tag of a bind response.
    pub const BIND_RESPONSE: u8 = 0x61;
    /// Tag of a search result entry.
    pub const ENTRY: u8 = 0x64;
    /// Tag of the end of a search.
    pub const SEARCH_DONE: u8 = 0x65;
    /// Tag of a search result reference.
    pub const REFERENCE: u8 = 0x73;
    /// Tag of an extended response.
    pub const EXTENDED_RESPONSE: u8 = 0x78;
    /// Tag of an intermediate response.
    pub const INTERMEDIATE: u8 = 0x79;

    /// Reads `SEQUENCE { messageID INTEGER, operation, [0] controls OPTIONAL }`.
    pub fn parse(message: &Bytes) -> Option<Self> {
        let (content, _) = ber::take(SEQUENCE, message)?;
        let (id, content) = ber::take(INTEGER, content)?;
        let id = i32::try_from(ber::integer(id)?).ok()?;
        let (kind, content, rest) = ber::next(content)?;
        // Unknown elements behind it are ignored, as RFC 4511 asks.
        let controls =
            ber::take(CONTROLS, rest).map_or(Bytes::new(), |(controls, _)| message.slice_ref(controls));
        Some(Self { id, kind, content: message.slice_ref(content), controls })
    }

    /// Controls of the message, up to the first that can't be decoded.
    pub fn controls(&self) -> Vec<LdapControl> {
        let mut rest = self.controls.as_ref();
        let mut controls = Vec::new();
        while let Some((content, after)) = ber::take(SEQUENCE, rest) {
            let Some(control) = LdapControl::parse(content) else { break };
            controls.push(control);
            rest = after;
        }
        controls
    }

    /// Reads `SEQUENCE { resultCode ENUMERATED, matchedDN, diagnosticMessage, [3] referral OPTIONAL, … }`.
    pub fn result(&self) -> Option<LdapResult> {
        const REFERRAL: u8 = 0xa3;
        let (code, rest) = ber::take(ENUMERATED, &self.content)?;
        let code = u32::try_from(ber::integer(code)?).ok()?;
        let (_, rest) = ber::take(OCTET_STRING, rest)?;
        let (text, rest) = ber::take(OCTET_STRING, rest)?;
        let referrals = ber::take(REFERRAL, rest).map(|(list, _)| texts(list)).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        Some(LdapResult { code, text, referrals, controls: self.controls() })
    }

    /// Addresses of a search result reference: `[APPLICATION 19] SEQUENCE OF URI`, without those that can't be decoded.
    pub fn addresses(&self) -> Vec<String> {
        texts(&self.content)
    }

    /// Result code of a notice of disconnection (RFC 4511, section 4.4.1), if the message is one.
    pub fn disconnection_notice(&self) -> Option<u32> {
        let is_notice = self.id == 0 && self.kind == Self::EXTENDED_RESPONSE;
        is_notice.then(|| self.result().map_or(0, |result| result.code))
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

/// Encodes a message around an operation that is encoded already.
pub fn encode_message(id: i32, operation: &[u8], controls: &[LdapControl]) -> Vec<u8> {
    let mut content = ber::number(INTEGER, id);
    content.extend(operation);
    if !controls.is_empty() {
        let controls: Vec<Vec<u8>> = controls.iter().map(LdapControl::encode).collect();
        ber::put_all(CONTROLS, &controls, &mut content);
    }
    ber::element(SEQUENCE, &content)
}

impl LdapControl {
    /// Control that the server must obey or refuse.
    pub fn critical(oid: &str, value: Option<Vec<u8>>) -> Self {
        Self { oid: oid.to_owned(), is_critical: true, value }
    }

    /// Control that the server may ignore.
    pub fn optional(oid: &str, value: Option<Vec<u8>>) -> Self {
        Self { oid: oid.to_owned(), is_critical: false, value }
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

    fn encode(&self) -> Vec<u8> {
        let mut parts = ber::element(OCTET_STRING, self.oid.as_bytes());
        if self.is_critical {
            ber::put(BOOLEAN, &[0xff], &mut parts);
        }
        if let Some(value) = &self.value {
            ber::put(OCTET_STRING, value, &mut parts);
        }
        ber::element(SEQUENCE, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn message_with_controls_decodes() {
        let controls = [
            LdapControl::critical("1.2.3", Some(vec![7, 8])),
            LdapControl { oid: "4.5".to_owned(), is_critical: false, value: None },
        ];
        let result = [
            ber::element(ENUMERATED, &[10]),
            ber::element(OCTET_STRING, b""),
            ber::element(OCTET_STRING, b"elsewhere"),
            ber::element(0xa3, &ber::element(OCTET_STRING, b"ldap://other")),
        ];
        let done = ber::element(LdapMessage::SEARCH_DONE, &result.concat());
        let message = LdapMessage::parse(&encode_message(70_000, &done, &controls).into()).unwrap();
        assert_eq!((message.id, message.kind), (70_000, LdapMessage::SEARCH_DONE));
        let expected = LdapResult {
            code: 10,
            text: "elsewhere".to_owned(),
            referrals: vec!["ldap://other".to_owned()],
            controls: controls.to_vec(),
        };
        assert_eq!(message.result(), Some(expected));
        assert_eq!(message.disconnection_notice(), None);
        let notice = ber::element(LdapMessage::EXTENDED_RESPONSE, &result.concat());
        let notice = LdapMessage::parse(&encode_message(0, &notice, &[]).into()).unwrap();
        assert_eq!(notice.disconnection_notice(), Some(10));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>, kind: u8) {
            let _ = LdapMessage::parse(&Bytes::from(bytes.clone()));
            let wrapped = encode_message(1, &ber::element(kind, &bytes), &[]);
            let message = LdapMessage::parse(&wrapped.into()).unwrap();
            let _ = (message.result(), message.addresses(), message.disconnection_notice());
            let odd = LdapMessage { controls: bytes.into(), ..message };
            let _ = odd.controls();
        }
    }
}
