//! Answers to requests.

use std::time::Duration;

use directory::wire::ber::{self, ENUMERATED, OCTET_STRING, SEQUENCE, SET};
use directory::wire::{LdapControl, LdapMessage, encode_message};

/// LDAP result codes that the server sends (RFC 4511, section 4.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the standard")]
pub enum ResultCode {
    Success = 0,
    ProtocolError = 2,
    TimeLimitExceeded = 3,
    SizeLimitExceeded = 4,
    AuthMethodNotSupported = 7,
    Referral = 10,
    AdminLimitExceeded = 11,
    UnavailableCriticalExtension = 12,
    NoSuchObject = 32,
    InvalidDnSyntax = 34,
    InappropriateAuthentication = 48,
    InvalidCredentials = 49,
    InsufficientAccessRights = 50,
    Busy = 51,
    Unavailable = 52,
    UnwillingToPerform = 53,
    Other = 80,
}

/// Bytes of the answer to one request, and their delivery.
#[derive(Default)]
pub(crate) struct LdapResponse {
    pub(crate) bytes: Vec<u8>,
    pub(crate) delay: Duration,
    /// Whether the connection closes behind the bytes.
    pub(crate) close: bool,
}

impl LdapResponse {
    /// Answer of a single message.
    pub(crate) fn message(id: i32, operation: &[u8]) -> Self {
        let mut response = Self::default();
        response.push(id, operation, &[]);
        response
    }

    /// End of a search without entries.
    pub(crate) fn search_done(id: i32, code: ResultCode, text: &str) -> Self {
        Self::message(id, &result(LdapMessage::SEARCH_DONE, code, text))
    }

    /// Notice of disconnection to a client that violates the protocol.
    pub(crate) fn disconnection() -> Self {
        let name = ber::element(0x8a, b"1.3.6.1.4.1.1466.20036");
        let result = LdapResultParts { code: ResultCode::ProtocolError, text: "this is not LDAP", ..OK };
        let notice = result.encode(LdapMessage::EXTENDED_RESPONSE, &name);
        Self { close: true, ..Self::message(0, &notice) }
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, id: i32, operation: &[u8], controls: &[LdapControl]) {
        self.bytes.extend(encode_message(id, operation, controls));
    }
}

/// Fields of an LDAPResult.
pub(crate) struct LdapResultParts<'a> {
    pub(crate) code: ResultCode,
    pub(crate) matched_dn: &'a str,
    pub(crate) text: &'a str,
}

/// Successful result.
pub(crate) const OK: LdapResultParts<'static> =
    LdapResultParts { code: ResultCode::Success, matched_dn: "", text: "" };

impl LdapResultParts<'_> {
    /// Encodes the result as an operation, with further elements behind it.
    pub(crate) fn encode(&self, kind: u8, further: &[u8]) -> Vec<u8> {
        let parts = [
            ber::element(ENUMERATED, &[self.code as u8]),
            ber::element(OCTET_STRING, self.matched_dn.as_bytes()),
            ber::element(OCTET_STRING, self.text.as_bytes()),
            further.to_vec(),
        ];
        ber::element(kind, &parts.concat())
    }
}

/// Result without matched DN and referral.
pub(crate) fn result(kind: u8, code: ResultCode, text: &str) -> Vec<u8> {
    LdapResultParts { code, text, ..OK }.encode(kind, &[])
}

/// Entry of a search's answer.
pub(crate) struct AnsweredEntry {
    pub(crate) dn: String,
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl AnsweredEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let attribute = |(name, values): &(String, Vec<Vec<u8>>)| {
            let mut set = Vec::new();
            values.iter().for_each(|value| ber::put(OCTET_STRING, value, &mut set));
            let parts = [ber::element(OCTET_STRING, name.as_bytes()), ber::element(SET, &set)];
            ber::element(SEQUENCE, &parts.concat())
        };
        let attributes: Vec<Vec<u8>> = self.attributes.iter().map(attribute).collect();
        let dn = ber::element(OCTET_STRING, self.dn.as_bytes());
        ber::element(LdapMessage::ENTRY, &[dn, ber::element(SEQUENCE, &attributes.concat())].concat())
    }
}
