//! Connection to one server, from its start to its end.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use model::system_reason;

use crate::bind;
use crate::config::DirectoryConfig;
use crate::endpoint::LdapEndpoint;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::operation_log::OperationLog;
use crate::tls;
use crate::wire::{LdapControl, LdapMessage, LdapRequest, LdapResult, LdapStream, WireError};

/// Connection after a successful bind. Dropping it closes it.
///
/// Several requests may be open at once. Only a caller that waits for an answer reads from the socket, so the server is never
/// further ahead than the socket's buffers.
pub(crate) struct LdapConnection {
    stream: LdapStream,
    timeout: Duration,
    last_id: i32,
    open: HashMap<i32, Weak<MessageInbox>>,
    /// Attributes that the server answers under another name than the configured one, which is second.
    pub(crate) aliases: Vec<(String, String)>,
}

/// Request awaiting answers. Dropping it discards them.
pub(crate) struct PendingRequest {
    id: i32,
    inbox: Arc<MessageInbox>,
}

/// Answers that arrived while the caller waited for those of another request.
#[derive(Default)]
struct MessageInbox(Mutex<VecDeque<LdapMessage>>);

impl MessageInbox {
    fn push(&self, message: LdapMessage) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
    }

    fn pop(&self) -> Option<LdapMessage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl LdapConnection {
    /// Connects, starts TLS and binds.
    pub(crate) async fn open(config: &DirectoryConfig, url: &str) -> Result<Self> {
        let endpoint = LdapEndpoint::parse(url)?;
        let url = endpoint.url();
        let is_secure = endpoint.is_ldaps || config.start_tls;
        bind::check(&config.bind, &url, is_secure)?;
        endpoint.check_encryption(config.start_tls)?;
        let limit = config.timeout;
        let connecting = timeout(limit, Self::connect(config, &endpoint, &url)).await;
        let mut connection = connecting.unwrap_or_else(|_| {
            Err(DirectoryError::Timeout { operation: DirectoryOperation::Connecting(url.clone()), limit })
        })?;
        let operation = DirectoryOperation::Binding(url.clone());
        let log = OperationLog::bind(&url);
        let answer = connection.call(bind::request(&config.bind), LdapMessage::BIND_RESPONSE).await;
        let answer = answer.map_err(|error| connection.failure(operation, error))?;
        log.end_with_code(answer.code);
        bind::judge(&url, &config.bind, &answer)?;
        Ok(connection)
    }

    async fn connect(config: &DirectoryConfig, endpoint: &LdapEndpoint, url: &str) -> Result<Self> {
        let tls = match endpoint.is_ldaps || config.start_tls {
            true => Some((
                tls::config(url, config.ca_pem.as_deref(), &config.bind)?,
                tls::server_name(url, endpoint.host())?,
            )),
            false => None,
        };
        let failed = |error: WireError| match error {
            WireError::Io(error) => {
                DirectoryError::Unreachable { url: url.to_owned(), detail: system_reason(&error) }
            }
            error => {
                let operation = DirectoryOperation::Connecting(url.to_owned());
                DirectoryError::Protocol { operation, detail: error.to_string() }
            }
        };
        let insecure = |error: WireError| tls::failure(url, &error).unwrap_or_else(|| failed(error));
        let stream = LdapStream::connect(endpoint.host(), endpoint.port).await.map_err(failed)?;
        let mut connection =
            Self { stream, timeout: config.timeout, last_id: 0, open: HashMap::new(), aliases: Vec::new() };
        let Some((config, name)) = tls else { return Ok(connection) };
        if !endpoint.is_ldaps {
            let answer = connection.call(LdapRequest::start_tls(), LdapMessage::EXTENDED_RESPONSE).await;
            match answer.map_err(insecure)?.code {
                0 => {}
                code => return Err(tls::refused(url, code)),
            }
        }
        connection.stream = connection.stream.encrypt(config, name).await.map_err(insecure)?;
        Ok(connection)
    }

    /// Sends a request that has a single answer, and waits for it.
    async fn call(&mut self, request: LdapRequest, kind: u8) -> Result<LdapResult, WireError> {
        let pending = self.send(request, &[]).await?;
        let answer = self.receive(&pending).await?;
        if answer.kind != kind {
            return Err(WireError::NotLdap);
        }
        answer.result().ok_or(WireError::NotLdap)
    }

    pub(crate) async fn send(
        &mut self,
        request: LdapRequest,
        controls: &[LdapControl],
    ) -> Result<PendingRequest, WireError> {
        let (id, inbox) = (self.next_id(), Arc::default());
        self.open.insert(id, Arc::downgrade(&inbox));
        let message = request.encode(id, controls);
        match timeout(self.timeout, self.stream.send(&message)).await {
            Ok(sent) => sent.map(|()| PendingRequest { id, inbox }),
            Err(_) => Err(WireError::Timeout),
        }
    }

    /// Id 0 is reserved for the server.
    fn next_id(&mut self) -> i32 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    /// Waits for the next answer to a request.
    pub(crate) async fn receive(&mut self, pending: &PendingRequest) -> Result<LdapMessage, WireError> {
        if let Some(message) = pending.inbox.pop() {
            return Ok(message);
        }
        loop {
            let message = match self.stream.pop()? {
                Some(message) => message,
                None => match timeout(self.timeout, self.stream.receive()).await {
                    Ok(received) => received?,
                    Err(_) => return Err(WireError::Timeout),
                },
            };
            if let Some(code) = message.disconnection_notice() {
                return Err(WireError::Disconnected(code));
            }
            if message.id == pending.id {
                return Ok(message);
            }
            match self.open.get(&message.id).and_then(Weak::upgrade) {
                Some(inbox) => inbox.push(message),
                // The caller dropped the request.
                None => drop(self.open.remove(&message.id)),
            }
        }
    }

    /// Whether the timeout has passed since a moment.
    pub(crate) fn is_over(&self, since: Instant) -> bool {
        since.elapsed() > self.timeout
    }

    /// Removes a request after its last answer.
    pub(crate) fn close(&mut self, pending: &PendingRequest) {
        self.open.remove(&pending.id);
    }

    /// Asks the server to send no further answers. A failure has no consequence.
    pub(crate) async fn abandon(&mut self, pending: &PendingRequest) {
        const LONGEST_WAIT: Duration = Duration::from_secs(1);
        self.close(pending);
        let message = LdapRequest::abandon(pending.id).encode(self.next_id(), &[]);
        let _ = timeout(LONGEST_WAIT, self.stream.send(&message)).await;
    }

    /// Meaning of a wire error during an operation.
    pub(crate) fn failure(&self, operation: DirectoryOperation, error: WireError) -> DirectoryError {
        match error {
            WireError::Timeout => DirectoryError::Timeout { operation, limit: self.timeout },
            error => DirectoryError::ConnectionLost { operation, detail: error.to_string() },
        }
    }
}
