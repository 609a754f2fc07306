//! One user: explanation and history, as `provisioner explain` and `provisioner history`.
//!
//! Only this page asks the directory and the target. Their errors are shown in the page, beside what the state contains.

use std::sync::Arc;
use std::time::Duration;

use ::explain::Explanation;
use anyhow::Result;
use axum::extract::{Query, State};
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;
use model::UnixSeconds;
use operate::{UserHistory, fetch_history};
use serde::Deserialize;

use super::Console;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use crate::exit;
use crate::session::Session;

/// Time that the directory and the target get to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Number of events on a page.
const EVENTS: usize = 25;

/// A user, and the end of the history that is shown.
#[derive(Debug, Deserialize)]
pub struct UserQuery {
    /// A user name, e-mail address, login name, anchor, DN or account id.
    user: String,
    /// Only events before this time.
    before: Option<i64>,
}

/// Shows one user.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(UserQuery { user, before }): Query<UserQuery>,
) -> Result<Html<String>, ErrorPage> {
    let user = user.trim();
    let session = console.sessions.to_read().await?;
    let explained = explain(&session, user).await;
    // The directory may find a user by a name that the state does not contain.
    let found = explained.as_ref().ok().and_then(Explanation::anchor).unwrap_or(user);
    let history = fetch_history(&session.operator(), found, before.map(UnixSeconds), EVENTS).await?;
    drop(session);
    let UserHistory { anchor, status, can_retry, events, .. } = &history;
    let is_full = events.len() == EVENTS;
    let values = context! {
        anchor,
        explained => explained.as_ref().ok().map(Serde),
        step => explained.as_ref().ok().map(|explained| Serde(console.sessions.next_step(user, explained))),
        problem => explained.as_ref().err(),
        status => Serde(status),
        events => Serde(events),
        older => events.last().filter(|_| is_full).map(|event| event.at.0),
        form_key => console.form_key().filter(|_| *can_retry),
    };
    let name = status.as_ref().and_then(|item| item.user_name.as_deref());
    let title = name.or(anchor.as_deref()).unwrap_or(user);
    page(&console, (ConsolePage::Users, title), "user.html", values)
}

async fn explain(session: &Session, user: &str) -> Result<Explanation, String> {
    match tokio::time::timeout(TIMEOUT, session.explain(user)).await {
        Ok(explained) => explained.map_err(|error| exit::explain(&error)),
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}
