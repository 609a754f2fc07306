//! One user: what `provisioner explain` and `provisioner history` say.
//!
//! This page alone asks the directory and the target. What they say, also that they don't answer, stands in the page;
//! what is remembered is shown in any case.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::{Query, State};
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;
use model::UnixSeconds;
use operate::Explanation;
use serde::Deserialize;

use super::Console;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use super::users::item;
use crate::commands::history::Known;
use crate::commands::{explain, history};
use crate::exit;
use crate::report::ValueMask;
use crate::session::Session;

/// How long the directory and the target may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many events are on a page.
const EVENTS: u16 = 25;

/// Who is asked for.
#[derive(Debug, Deserialize)]
pub struct UserQuery {
    /// A user name, e-mail address, anchor or DN.
    who: String,
    /// Only what was done before this moment.
    before: Option<i64>,
}

/// What was found out.
struct UserView {
    /// By the directory and the target, or why they could not be asked.
    told: Result<Explanation, String>,
    /// What is remembered.
    known: Option<Known>,
    /// The name to show, unless it is masked.
    name: Option<String>,
}

/// Shows one user.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(UserQuery { who, before }): Query<UserQuery>,
) -> Result<Html<String>, ErrorPage> {
    let who = who.trim();
    let session = console.sessions.to_read().await?;
    let UserView { told, known, name } = look_up(&session, who, before.map(UnixSeconds)).await?;
    drop(session);
    let may_retry = console.rights.may_act() && known.as_ref().is_some_and(Known::has_failed);
    let anchor = known.as_ref().map(|known| known.record.anchor.as_str());
    let events = known.as_ref().map(|known| known.history.events.as_slice()).unwrap_or_default();
    let is_full = events.len() == usize::from(EVENTS);
    let values = context! {
        anchor,
        told => told.as_ref().ok().map(Serde),
        trouble => told.as_ref().err(),
        history => known.as_ref().map(|known| Serde(&known.history)),
        events => Serde(events),
        older => events.last().filter(|_| is_full).map(|event| event.at.0),
        form_key => may_retry.then(|| console.keys.form()),
    };
    let title = name.as_deref().or(anchor).unwrap_or(who);
    page(&console, ConsolePage::Users, title, "user.html", values)
}

async fn look_up(session: &Session, who: &str, before: Option<UnixSeconds>) -> Result<UserView> {
    let told = match tokio::time::timeout(PATIENCE, explain::fetch(session, who)).await {
        Ok(told) => told.map_err(|error| exit::explain(&error)),
        Err(_) => Err(format!("there was no answer within {} s", PATIENCE.as_secs())),
    };
    // The directory may know somebody by a name that the state does not.
    let anchor = told.as_ref().ok().and_then(|told| {
        let entry = told.entry.as_ref().map(|entry| entry.anchor.as_str());
        let record = told.account.record.as_ref();
        entry.or(record.map(|record| record.anchor.as_str()))
    });
    let known = history::fetch(session, anchor.unwrap_or(who), before, EVENTS).await?;
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let name = known.as_ref().and_then(|known| item(&known.record, &shown).user_name);
    Ok(UserView { told, known, name })
}
