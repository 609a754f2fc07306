//! One connection, from its first byte to its last.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures::StreamExt;
use ldap3_proto::proto::{LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedResponse, LdapOp};
use ldap3_proto::{DisconnectionNotice, LdapMsg, LdapResultCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::codec::{Encoder, FramedRead};

use crate::codec::RequestCodec;
use crate::dn::Key;
use crate::fault::{LdapFault, Target};
use crate::output::{Output, result};
use crate::page::Cursor;
use crate::request::Request;
use crate::root_dse::WHO_AM_I;
use crate::server::Shared;

/// What a connection remembers between requests.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) who: Who,
    /// The paged searches that aren't finished. They end with the connection, as most servers have it.
    pub(crate) cursors: BTreeMap<u32, Cursor>,
    pub(crate) last_cursor: u32,
}

/// Whom the connection acts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Anonymous,
    Bound,
}

/// Serves a connection until either side ends it. What goes wrong with it concerns nobody else, so nothing is returned.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Many small answers follow each other; waiting to fill segments would only slow tests down.
    let _ = stream.set_nodelay(true);
    let mut session = Session { shared, who: Who::Anonymous, cursors: BTreeMap::new(), last_cursor: 0 };
    let mut requests = FramedRead::new(stream, RequestCodec::new());
    while let Some(request) = requests.next().await {
        let answer = match request {
            Ok(Request::Search(search)) => session.search(&search),
            Ok(Request::Other(LdapMsg { op: LdapOp::UnbindRequest, .. })) => return,
            Ok(Request::Other(message)) => session.other(message),
            Err(_) => disconnect(),
        };
        let Ok(output) = answer else { return };
        if !output.delay.is_zero() {
            tokio::time::sleep(output.delay).await;
        }
        let stream = requests.get_mut();
        if stream.write_all(&output.bytes).await.is_err() || output.close {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The farewell to a client that doesn't speak the protocol.
fn disconnect() -> io::Result<Output> {
    let mut output = Output { close: true, ..Output::default() };
    let notice = DisconnectionNotice::gen_response(LdapResultCode::ProtocolError, "this is not LDAP");
    ldap3_proto::LdapCodec::default().encode(notice, &mut output.bytes)?;
    Ok(output)
}

impl Session {
    /// Everything but searches and unbind. The tree changes only through the administration interface, so writes are refused.
    fn other(&mut self, message: LdapMsg) -> io::Result<Output> {
        let id = message.msgid;
        let read_only = || result(LdapResultCode::UnwillingToPerform, "the tree is read-only over LDAP");
        let answer = match message.op {
            LdapOp::BindRequest(bind) => {
                let (code, message) = self.bind(&bind);
                LdapOp::BindResponse(LdapBindResponse { res: result(code, message), saslcreds: None })
            }
            LdapOp::ExtendedRequest(request) if request.name == WHO_AM_I => self.who_am_i(),
            LdapOp::ExtendedRequest(_) => LdapOp::ExtendedResponse(LdapExtendedResponse {
                res: result(LdapResultCode::ProtocolError, "unsupported extended operation"),
                name: None,
                value: None,
            }),
            LdapOp::ModifyRequest(_) => LdapOp::ModifyResponse(read_only()),
            LdapOp::AddRequest(_) => LdapOp::AddResponse(read_only()),
            LdapOp::DelRequest(_) => LdapOp::DelResponse(read_only()),
            LdapOp::ModifyDNRequest(_) => LdapOp::ModifyDNResponse(read_only()),
            LdapOp::CompareRequest(_) => LdapOp::CompareResult(read_only()),
            // Requests are answered one after the other, so there is never anything left to abandon.
            LdapOp::AbandonRequest(_) => return Ok(Output::default()),
            _ => return disconnect(),
        };
        Output::message(id, answer)
    }

    fn bind(&mut self, bind: &LdapBindRequest) -> (LdapResultCode, &'static str) {
        // Whatever comes of it, a bind ends the identity before.
        self.who = Who::Anonymous;
        if bind.version != 3 {
            return (LdapResultCode::ProtocolError, "only version 3 is spoken here");
        }
        let LdapBindCred::Simple(password) = &bind.cred else {
            return (LdapResultCode::AuthMethodNotSupported, "only simple binds are supported");
        };
        let options = &self.shared.options;
        match (bind.dn.is_empty(), password.is_empty()) {
            (true, true) if options.allow_anonymous => (LdapResultCode::Success, ""),
            (true, _) => (LdapResultCode::InappropriateAuthentication, "anonymous binds are not allowed"),
            // A forgotten password must not pass for an anonymous success.
            (false, true) => (LdapResultCode::UnwillingToPerform, "a bind with a name needs a password"),
            (false, false) => {
                let known = Key::parse(&options.bind_dn).ok();
                let right =
                    known.is_some() && Key::parse(&bind.dn).ok() == known && *password == options.password;
                match self.refused_bind().filter(|_| right) {
                    Some(code) => (code, "injected"),
                    None if right => {
                        self.who = Who::Bound;
                        (LdapResultCode::Success, "")
                    }
                    None => (LdapResultCode::InvalidCredentials, ""),
                }
            }
        }
    }

    fn refused_bind(&self) -> Option<LdapResultCode> {
        let mut faults = self.shared.faults();
        let refusal = faults.take(Target::Bind).into_iter().find_map(|fault| match fault {
            LdapFault::RefuseBind { code } => Some(code),
            _ => None,
        })?;
        faults.note_fired(1);
        Some(refusal)
    }

    fn who_am_i(&self) -> LdapOp {
        let name = match self.who {
            Who::Anonymous => String::new(),
            Who::Bound => format!("dn:{}", self.shared.options.bind_dn),
        };
        LdapOp::ExtendedResponse(LdapExtendedResponse {
            res: result(LdapResultCode::Success, ""),
            name: None,
            value: Some(name.into_bytes()),
        })
    }
}
