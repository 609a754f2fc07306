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
