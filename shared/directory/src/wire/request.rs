//! Requests to a server.

use secrecy::{ExposeSecret, SecretString};

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, element, number, put, put_all};
use super::message::{LdapControl, encode_message};

/// Depth of a search below its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchScope {
    /// The base entry.
    Base = 0,
    /// The entries directly under the base.
    OneLevel = 1,
    /// The base and every entry under it.
    Subtree = 2,
}

/// Encoded operation of a request.
pub struct LdapRequest(Vec<u8>);

impl LdapRequest {
    /// Bind with a name and a password; both empty is an anonymous bind.
    pub fn simple_bind(dn: &str, password: &SecretString) -> Self {
        const SIMPLE: u8 = 0x80;
        Self::bind(dn, element(SIMPLE, password.expose_secret().as_bytes()))
    }

    /// Bind with the identity of the client's certificate (SASL EXTERNAL).
    pub fn external_bind() -> Self {
        const SASL: u8 = 0xa3;
        let parts = [element(OCTET_STRING, b"EXTERNAL"), element(OCTET_STRING, b"")];
        Self::bind("", element(SASL, &parts.concat()))
    }

    fn bind(dn: &str, authentication: Vec<u8>) -> Self {
        const BIND: u8 = 0x60;
        const VERSION: i32 = 3;
        let name = element(OCTET_STRING, dn.as_bytes());
        Self::of(BIND, &[number(INTEGER, VERSION), name, authentication])
    }

    /// StartTLS (RFC 4511, section 4.14).
    pub fn start_tls() -> Self {
        const EXTENDED: u8 = 0x77;
        Self::of(EXTENDED, &[element(0x80, b"1.3.6.1.4.1.1466.20037")])
    }

    /// Search with an encoded filter. It does not follow aliases and sets no limit.
    pub fn search(base: &str, scope: SearchScope, filter: Vec<u8>, attributes: &[String]) -> Self {
        const SEARCH: u8 = 0x63;
        let mut names = Vec::new();
        attributes.iter().for_each(|name| put(OCTET_STRING, name.as_bytes(), &mut names));
        Self::of(
            SEARCH,
            &[
                element(OCTET_STRING, base.as_bytes()),
                element(ENUMERATED, &[scope as u8]),
                element(ENUMERATED, &[0]),
                element(INTEGER, &[0]),
                element(INTEGER, &[0]),
                element(BOOLEAN, &[0]),
                filter,
                element(SEQUENCE, &names),
            ],
        )
    }

    /// Abandons the request with this message id.
    pub fn abandon(id: i32) -> Self {
        const ABANDON: u8 = 0x50;
        Self(number(ABANDON, id))
    }

    fn of(operation: u8, parts: &[Vec<u8>]) -> Self {
        let mut written = Vec::new();
        put_all(operation, parts, &mut written);
        Self(written)
    }

    /// Encodes the whole message.
    pub fn encode(&self, id: i32, controls: &[LdapControl]) -> Vec<u8> {
        encode_message(id, &self.0, controls)
    }
}
