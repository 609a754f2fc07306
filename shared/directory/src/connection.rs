//! One connection to one server, from its opening to its end.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::timeout;

use crate::bind;
use crate::config::{Bind, DirectoryConfig};
use crate::endpoint::Endpoint;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::tls;
use crate::wire::{Control, Message, Outcome, Request, Stream, WireError};

/// A connection that is signed in. It closes when it is dropped.
///
/// Several questions may be open at the same time, and nobody but who waits for an answer reads from the connection: the
/// server is never further ahead than what the operating system holds for it.
pub(crate) struct Connection {
    stream: Stream,
    timeout: Duration,
    last_id: i32,
    open: HashMap<i32, Weak<Inbox>>,
}

/// A question that was sent. Whoever drops it does not want its answers any more.
pub(crate) struct Question {
    id: i32,
    inbox: Arc<Inbox>,
}

/// Answers that came while somebody waited for others.
#[derive(Default)]
struct Inbox(Mutex<VecDeque<Message>>);

impl Inbox {
    fn push(&self, message: Message) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
    }

    fn pop(&self) -> Option<Message> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Connection {
    /// Connects, secures the connection, and signs in.
    pub(crate) async fn open(config: &DirectoryConfig, url: &str) -> Result<Self, DirectoryError> {
        let endpoint = Endpoint::parse(url)?;
        let url = endpoint.url();
        let is_secure = endpoint.is_ldaps || config.start_tls;
        bind::check(&config.bind, &url, is_secure)?;
        if matches!(config.bind, Bind::Simple { .. }) && !is_secure && !endpoint.is_loopback() {
            return Err(DirectoryError::Insecure { url });
        }
        let limit = config.timeout;
        let connecting = timeout(limit, Self::connect(config, &endpoint, &url)).await;
        let mut connection = connecting.unwrap_or_else(|_| {
            Err(DirectoryError::Timeout { doing: DirectoryOperation::Connecting { url: url.clone() }, limit })
        })?;
        let doing = DirectoryOperation::SigningIn { url: url.clone() };
        let answer = connection.demand(bind::request(&config.bind), Message::BIND_RESPONSE).await;
        let answer = answer.map_err(|error| connection.failure(doing, error))?;
        bind::judge(&url, &answer)?;
        Ok(connection)
    }

    async fn connect(
        config: &DirectoryConfig,
        endpoint: &Endpoint,
        url: &str,
    ) -> Result<Self, DirectoryError> {
        let tls = match endpoint.is_ldaps || config.start_tls {
            true => Some((
                tls::config(url, config.ca_pem.as_deref(), &config.bind)?,
                tls::server_name(url, endpoint.host())?,
            )),
            false => None,
        };
        let failed = |error: WireError| match error {
            WireError::Io(error) => {
                DirectoryError::Unreachable { url: url.to_owned(), detail: error.to_string() }
            }
            error => {
                let doing = DirectoryOperation::Connecting { url: url.to_owned() };
                DirectoryError::Protocol { doing, detail: meaning(&error) }
            }
        };
        let insecure = |error: WireError| tls::failure(url, &error).unwrap_or_else(|| failed(error));
        let stream = Stream::connect(endpoint.host(), endpoint.port).await.map_err(failed)?;
        let mut connection = Self { stream, timeout: config.timeout, last_id: 0, open: HashMap::new() };
        let Some((config, name)) = tls else { return Ok(connection) };
        if !endpoint.is_ldaps {
            let answer = connection.demand(Request::start_tls(), Message::EXTENDED_RESPONSE).await;
            match answer.map_err(insecure)?.code {
                0 => {}
                code => return Err(tls::refused(url, code)),
            }
        }
        connection.stream = connection.stream.secure(config, name).await.map_err(insecure)?;
        Ok(connection)
    }

    /// Sends a question that is answered by one message.
    async fn demand(&mut self, request: Request, kind: u8) -> Result<Outcome, WireError> {
        let question = self.send(request, &[]).await?;
        let answer = self.receive(&question).await?;
        if answer.kind != kind {
            return Err(WireError::NotLdap);
        }
        answer.outcome().ok_or(WireError::NotLdap)
    }

    /// Sends a question.
    pub(crate) async fn send(
        &mut self,
        request: Request,
        controls: &[Control],
    ) -> Result<Question, WireError> {
        // Nought is the server's own.
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let (id, inbox) = (self.last_id, Arc::default());
        self.open.insert(id, Arc::downgrade(&inbox));
        let message = request.encode(id, controls);
        match timeout(self.timeout, self.stream.send(&message)).await {
            Ok(sent) => sent.map(|()| Question { id, inbox }),
            Err(_) => Err(WireError::Timeout),
        }
    }

    /// The next answer to a question.
    pub(crate) async fn receive(&mut self, question: &Question) -> Result<Message, WireError> {
        if let Some(message) = question.inbox.pop() {
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
            if let Some(code) = message.farewell() {
                return Err(WireError::Disconnected(code));
            }
            if message.id == question.id {
                return Ok(message);
            }
            match self.open.get(&message.id).and_then(Weak::upgrade) {
                Some(inbox) => inbox.push(message),
                // Nobody waits for it any more.
                None => drop(self.open.remove(&message.id)),
            }
        }
    }

    /// Forgets a question whose last answer has come.
    pub(crate) fn close(&mut self, question: &Question) {
        self.open.remove(&question.id);
    }

    /// Tells the server, if it is still there, that nobody waits for the rest of the answers any more.
    pub(crate) async fn give_up(&mut self, question: &Question) {
        /// How long to try. It is a courtesy.
        const WAIT: Duration = Duration::from_secs(1);
        self.close(question);
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let message = Request::abandon(question.id).encode(self.last_id, &[]);
        let _ = timeout(WAIT, self.stream.send(&message)).await;
    }

    /// What an error means for what was being done.
    pub(crate) fn failure(&self, doing: DirectoryOperation, error: WireError) -> DirectoryError {
        match error {
            WireError::Timeout => DirectoryError::Timeout { doing, limit: self.timeout },
            error => DirectoryError::ConnectionLost { doing, detail: meaning(&error) },
        }
    }
}

fn meaning(error: &WireError) -> String {
    match error {
        WireError::Io(error) => error.to_string(),
        WireError::Closed => "the server closed the connection".to_owned(),
        WireError::Disconnected(code) => {
            format!(
                "the server ended the connection with LDAP result {code} ({})",
                model::result_meaning(*code)
            )
        }
        WireError::NotLdap => "the server sent something that is not LDAP".to_owned(),
        WireError::TooLong => "the server sent a single answer of more than 64 MiB".to_owned(),
        WireError::Timeout => "no answer came in time".to_owned(),
    }
}
