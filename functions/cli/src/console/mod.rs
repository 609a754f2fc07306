//! The console: the operator's commands as web pages for one user of this machine.
//!
//! A page is a handler in its own file. It calls the same function of `operate` as the command of its name, and a template makes
//! HTML of the value. There are no scripts. [`access`] checks every request before its handler; a handler that changes something
//! takes an [`action::AuthorizedForm`].

mod access;
mod action;
mod chart;
mod error_page;
mod failed;
mod held;
mod overview;
mod page;
mod sessions;
mod user;
mod users;

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use self::access::ConsoleKeys;
use self::sessions::Sessions;
use crate::args::ConnectionArgs;
use crate::session::Connections;

/// Maximum size of a form in bytes. The console's forms hold a hash or an anchor.
const MAX_FORM: usize = 16 * 1024;

/// Longest time in which a connection sends the head of its next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after a connection that could not be accepted, such as with too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Rights of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleRights {
    /// Read.
    Read,
    /// Read, approve and retry.
    Write,
}

/// A console.
pub struct Console {
    connection: String,
    sessions: Sessions,
    keys: ConsoleKeys,
    rights: ConsoleRights,
}

/// A console that listens but does not answer yet.
pub struct ConsoleListener {
    listener: TcpListener,
    console: Arc<Console>,
}

/// Listens on this port of 127.0.0.1, or on a free one for 0.
pub async fn listen(arguments: &ConnectionArgs, port: u16, rights: ConsoleRights) -> Result<ConsoleListener> {
    let connection = Connections::read(arguments)?.connection.policy.name;
    let sessions = Sessions::new(arguments).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.with_context(|| format!("can't listen on 127.0.0.1, port {port}"))?;
    let keys = ConsoleKeys::new(listener.local_addr()?.port())?;
    let console = Arc::new(Console { connection, sessions, keys, rights });
    Ok(ConsoleListener { listener, console })
}

impl ConsoleListener {
    /// The address that opens the console. It contains the key.
    pub fn url(&self) -> String {
        self.console.keys.url()
    }

    /// Answers until `ended` completes, and then finishes open requests.
    pub async fn serve(self, ended: impl Future<Output = ()>) {
        let Self { listener, console } = self;
        let service = TowerToHyperService::new(router(console));
        let mut server = http1::Builder::new();
        // Other users of this machine can connect, and must not keep connections without a request.
        server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let (open, mut ended) = (GracefulShutdown::new(), pin!(ended));
        loop {
            let stream = tokio::select! {
                () = &mut ended => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!("the console can't accept a connection: {error}");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let connection = open.watch(server.serve_connection(TokioIo::new(stream), service.clone()));
            tokio::spawn(async move { drop(connection.await) });
        }
        open.shutdown().await;
    }
}

impl Console {
    /// The key of the console's forms, if the console may change something.
    fn form_key(&self) -> Option<&str> {
        self.rights.may_act().then(|| self.keys.form())
    }
}

fn router(console: Arc<Console>) -> Router {
    let at = |page| console.keys.path(page);
    Router::new()
        .route(&at(""), get(overview::show))
        .route(&at("users"), get(users::show))
        .route(&at("user"), get(user::show))
        .route(&at("held"), get(held::show))
        .route(&at("approve"), post(held::approve))
        .route(&at("failed"), get(failed::show))
        .route(&at("retry"), post(failed::retry))
        .route(&at(page::STYLE), get(page::style))
        .fallback(error_page::no_such_page)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), access::guard))
        .with_state(Arc::clone(&console))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    /// Status of the answer to a request for this path, with these header lines.
    async fn status(port: u16, path: &str, headers: &str) -> u16 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn only_the_key_in_the_path_gives_access() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let arguments = ConnectionArgs { config: "corp.toml".into(), state: None, json: false, quiet: false };
        let sessions = Sessions::new(&arguments).await.unwrap();
        let keys = ConsoleKeys::new(port).unwrap();
        let with_key = keys.path(page::STYLE);
        let (own, other) = (format!("Host: 127.0.0.1:{port}"), "Host: console.test".to_owned());
        let key = with_key.split('/').nth(1).unwrap();
        let cookie = format!("{own}\r\nCookie: key={key}; console={key}");
        let parameter = format!("/style.css?key={key}");
        let requests = [
            (with_key.as_str(), &own, 200),
            (&with_key, &other, 403),
            ("/style.css", &own, 403),
            ("/style.css", &cookie, 403),
            (&parameter, &own, 403),
        ];
        let rights = ConsoleRights::Read;
        let console = Arc::new(Console { connection: "corp".to_owned(), sessions, keys, rights });
        let (end, ended) = oneshot::channel::<()>();
        let serving = ConsoleListener { listener, console }.serve(async { drop(ended.await) });
        let asking = async {
            for (path, headers, expected) in requests {
                assert_eq!(status(port, path, headers).await, expected, "{path} {headers}");
            }
            drop(end);
        };
        tokio::join!(serving, asking);
    }
}
