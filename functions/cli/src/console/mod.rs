//! The console: what the commands say, as a small web page for one person on this machine.
//!
//! A page is one handler in a file of its own. It asks what the command of its name asks, and a template beside it turns
//! the answer into HTML. There is no script and nothing to build. Who may look is settled in [`access`], before any
//! handler runs; who may change something by the type [`action::AuthorizedForm`], which a handler that acts takes.

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
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;

use self::access::ConsoleKeys;
use self::sessions::Sessions;
use crate::args::ConnectionArgs;
use crate::session::Connections;

/// The longest form that is read. Ours hold a hash or an anchor.
const LONGEST_FORM: usize = 16 * 1024;

/// What a person at the console may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleRights {
    /// Look.
    Read,
    /// Approve and retry too.
    Write,
}

/// A console that can be opened.
pub struct Console {
    connection: String,
    sessions: Sessions,
    keys: ConsoleKeys,
    rights: ConsoleRights,
}

/// A console that listens, and has not begun to answer.
pub struct ConsoleListener {
    listener: TcpListener,
    console: Arc<Console>,
}

/// Begins to listen on this port, or a free one for nought. Only this machine can reach it.
pub async fn listen(arguments: &ConnectionArgs, port: u16, rights: ConsoleRights) -> Result<ConsoleListener> {
    let connection = Connections::read(arguments)?.connection.policy.name;
    let sessions = Sessions::of(arguments).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.with_context(|| format!("can't listen on 127.0.0.1, port {port}"))?;
    let keys = ConsoleKeys::new(listener.local_addr()?.port())?;
    let console = Arc::new(Console { connection, sessions, keys, rights });
    Ok(ConsoleListener { listener, console })
}

impl ConsoleListener {
    /// Where it can be opened. Whoever knows this sees what the state holds, so it is for the person alone who asked.
    pub fn url(&self) -> String {
        self.console.keys.url()
    }

    /// Answers until `ended` is over, and then what is under way.
    pub async fn serve(self, ended: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let Self { listener, console } = self;
        axum::serve(listener, router(console)).with_graceful_shutdown(ended).await?;
        Ok(())
    }
}

fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/users", get(users::show))
        .route("/user", get(user::show))
        .route("/held", get(held::show))
        .route("/held/approve", post(held::approve))
        .route("/failed", get(failed::show))
        .route("/failed/retry", post(failed::retry))
        .route(page::STYLE, get(page::style))
        .fallback(error_page::no_such_page)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), access::guard))
        .with_state(console)
}
