//! Answers, as the bytes that go out.

use std::io;
use std::time::Duration;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapOp, LdapResult};
use ldap3_proto::{LdapCodec, LdapMsg, LdapResultCode};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Encoder;

/// Everything that one request is answered with, and what becomes of the connection afterwards.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) bytes: BytesMut,
    pub(crate) delay: Duration,
    pub(crate) close: bool,
}

impl Output {
    /// An answer of a single message.
    pub(crate) fn message(id: i32, op: LdapOp) -> io::Result<Output> {
        let mut output = Output::default();
        output.push(id, op, Vec::new())?;
        Ok(output)
    }

    /// The end of a search that didn't get as far as entries.
    pub(crate) fn search_result(id: i32, code: LdapResultCode, message: &str) -> io::Result<Output> {
        Output::message(id, LdapOp::SearchResultDone(result(code, message)))
    }

    /// Appends one message.
    pub(crate) fn push(&mut self, id: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> io::Result<()> {
        LdapCodec::default().encode(LdapMsg { msgid: id, op, ctrl }, &mut self.bytes)
    }
}

/// A result without referral.
pub(crate) fn result(code: LdapResultCode, message: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: message.to_owned(), referral: Vec::new() }
}
