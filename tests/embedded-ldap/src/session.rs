//! One connection, from its first byte to its last.

use std::collections::BTreeMap;
use std::sync::Arc;

use directory::wire::ber;
use directory::wire::{LdapMessage, LdapStream, WireError};
use tokio::net::TcpStream;

use crate::dn::DnPath;
use crate::fault::{FaultTarget, LdapFault};
use crate::page::PagedSearch;
use crate::request::{BindRequest, SearchRequest};
use crate::response::{LdapResponse, OK, ResultCode, result};
use crate::root_dse::WHO_AM_I;
use crate::server::LdapServerState;

/// State of a connection between requests.
pub(crate) struct ClientSession {
    pub(crate) state: Arc<LdapServerState>,
    pub(crate) identity: BoundIdentity,
    /// Unfinished paged searches. They end with the connection, as on most servers.
    pub(crate) searches: BTreeMap<u32, PagedSearch>,
    pub(crate) last_search: u32,
}

/// Identity of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoundIdentity {
    Anonymous,
    Bound,
}

const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ABANDON: u8 = 0x50;
const EXTENDED: u8 = 0x77;

/// Serves a connection until either side ends it. Its errors affect no other connection.
pub(crate) async fn serve(socket: TcpStream, state: Arc<LdapServerState>) {
    let Ok(mut stream) = LdapStream::over(socket) else { return };
    let identity = BoundIdentity::Anonymous;
    let mut session = ClientSession { state, identity, searches: BTreeMap::new(), last_search: 0 };
    loop {
        let response = match stream.receive().await {
            Ok(message) if message.kind == UNBIND => return,
            Ok(message) => session.respond(&message).unwrap_or_else(LdapResponse::disconnection),
            Err(WireError::NotLdap | WireError::TooLong) => LdapResponse::disconnection(),
            Err(_) => return,
        };
        if !response.delay.is_zero() {
            tokio::time::sleep(response.delay).await;
        }
        if stream.send(&response.bytes).await.is_err() || response.close {
            return;
        }
    }
}

impl ClientSession {
    /// Answers a request; `None` if it violates the protocol.
    fn respond(&mut self, message: &LdapMessage) -> Option<LdapResponse> {
        let operation = match message.kind {
            SEARCH => return Some(self.search(&SearchRequest::decode(message)?)),
            // Requests are answered one after the other, so none is ever open.
            ABANDON => return Some(LdapResponse::default()),
            BIND => {
                let (code, text) = self.bind(&BindRequest::decode(message)?);
                result(LdapMessage::BIND_RESPONSE, code, text)
            }
            EXTENDED => {
                let (name, _) = ber::take(0x80, &message.content)?;
                self.extended(name)
            }
            // Modify, add, modify DN, compare and delete. Except for delete, the answer has the next tag.
            write @ (0x66 | 0x68 | 0x6c | 0x6e | 0x4a) => {
                let answer = if write == 0x4a { 0x6b } else { write + 1 };
                result(answer, ResultCode::UnwillingToPerform, "the tree is read-only over LDAP")
            }
            _ => return None,
        };
        Some(LdapResponse::message(message.id, &operation))
    }

    fn bind(&mut self, bind: &BindRequest) -> (ResultCode, &'static str) {
        // A bind ends the previous identity even if it fails.
        self.identity = BoundIdentity::Anonymous;
        if bind.version != 3 {
            return (ResultCode::ProtocolError, "only version 3 is supported");
        }
        let Some(password) = &bind.password else {
            return (ResultCode::AuthMethodNotSupported, "only simple binds are supported");
        };
        let options = &self.state.options;
        match (bind.dn.is_empty(), password.is_empty()) {
            (true, true) if options.allow_anonymous => (ResultCode::Success, ""),
            (true, _) => (ResultCode::InappropriateAuthentication, "anonymous binds are not allowed"),
            (false, true) => (ResultCode::UnwillingToPerform, "a bind with a name needs a password"),
            (false, false) => {
                let known = DnPath::parse(&options.bind_dn).ok();
                let is_known = known.is_some() && DnPath::parse(&bind.dn).ok() == known;
                if !is_known || *password != options.password.as_bytes() {
                    return (ResultCode::InvalidCredentials, "");
                }
                if let Some(code) = self.refused_bind() {
                    return (code, "injected");
                }
                self.identity = BoundIdentity::Bound;
                (ResultCode::Success, "")
            }
        }
    }

    fn refused_bind(&self) -> Option<ResultCode> {
        let mut faults = self.state.faults();
        let code = faults.take(FaultTarget::Bind).into_iter().find_map(|fault| match fault {
            LdapFault::RefuseBind { code } => Some(code),
            _ => None,
        })?;
        faults.add_fired(1);
        Some(code)
    }

    fn extended(&self, name: &[u8]) -> Vec<u8> {
        const RESPONSE_VALUE: u8 = 0x8b;
        if name != WHO_AM_I.as_bytes() {
            let text = "unsupported extended operation";
            return result(LdapMessage::EXTENDED_RESPONSE, ResultCode::ProtocolError, text);
        }
        let identity = match self.identity {
            BoundIdentity::Anonymous => String::new(),
            BoundIdentity::Bound => format!("dn:{}", self.state.options.bind_dn),
        };
        let value = ber::element(RESPONSE_VALUE, identity.as_bytes());
        OK.encode(LdapMessage::EXTENDED_RESPONSE, &value)
    }
}
