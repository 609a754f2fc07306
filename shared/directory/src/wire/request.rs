//! What is sent to a server.

use secrecy::{ExposeSecret, SecretString};

use super::Control;
use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE, element, number, put, put_all};

/// How far below its base a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchScope {
    /// The base entry alone.
    Base = 0,
    /// Those directly under it.
    OneLevel = 1,
    /// It and all under it.
    Subtree = 2,
}

/// A question to a server, in the form in which it is sent.
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A sign-in with a name and a password. Both empty is an anonymous one.
    pub(crate) fn simple_bind(dn: &str, password: &SecretString) -> Self {
        const SIMPLE: u8 = 0x80;
        Self::bind(dn, element(SIMPLE, password.expose_secret().as_bytes()))
    }

    /// A sign-in as whom the client's certificate names.
    pub(crate) fn external_bind() -> Self {
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

    /// The wish for a secure connection (RFC 4511, section 4.14).
    pub(crate) fn start_tls() -> Self {
        const EXTENDED: u8 = 0x77;
        Self::of(EXTENDED, &[element(0x80, b"1.3.6.1.4.1.1466.20037")])
    }

    /// A search; the filter is encoded already. Aliases are not followed, and no limit is asked for.
    pub(crate) fn search(base: &str, scope: SearchScope, filter: Vec<u8>, attributes: &[String]) -> Self {
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

    /// Word that the answers to a question are not waited for any more.
    pub(crate) fn abandon(id: i32) -> Self {
        const ABANDON: u8 = 0x50;
        Self(number(ABANDON, id))
    }

    /// Any operation whatever.
    #[cfg(test)]
    pub(crate) fn raw(operation: Vec<u8>) -> Self {
        Self(operation)
    }

    fn of(operation: u8, parts: &[Vec<u8>]) -> Self {
        let mut written = Vec::new();
        put_all(operation, parts, &mut written);
        Self(written)
    }

    /// The whole message.
    pub(crate) fn encode(self, id: i32, controls: &[Control]) -> Vec<u8> {
        const CONTROLS: u8 = 0xa0;
        let mut content = number(INTEGER, id);
        content.extend(self.0);
        if !controls.is_empty() {
            let controls: Vec<Vec<u8>> = controls.iter().map(control).collect();
            put_all(CONTROLS, &controls, &mut content);
        }
        element(SEQUENCE, &content)
    }
}

fn control(control: &Control) -> Vec<u8> {
    let mut parts = element(OCTET_STRING, control.oid.as_bytes());
    if control.is_critical {
        put(BOOLEAN, &[0xff], &mut parts);
    }
    if let Some(value) = &control.value {
        put(OCTET_STRING, value, &mut parts);
    }
    element(SEQUENCE, &parts)
}
