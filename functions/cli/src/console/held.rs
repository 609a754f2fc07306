//! What waits for a person's word: what `provisioner approve` shows, and does.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;
use store::PageKey;

use super::Console;
use super::act::Act;
use super::page::{Place, page};
use super::trouble::Trouble;
use crate::commands::approve::{let_through, waiting};
use crate::report::{Shown, waiting_page};

/// How many are on a page.
const PAGE: usize = 100;

/// Where a page begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    after: String,
}

/// What is approved.
#[derive(Debug, Deserialize)]
pub struct Approve {
    hash: String,
}

/// Shows what waits, and who.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(Asked { after }): Query<Asked>,
) -> Result<Html<String>, Trouble> {
    let session = console.sessions.to_read().await?;
    let shown = Shown { masked: session.connection().policy.rules.mapping.masked() };
    let parts = waiting(&session).await?;
    let (users, next) = waiting_page(&session.store, &shown, "held", PageKey::parse(&after), PAGE).await?;
    drop(session);
    let values = context! {
        parts => Serde(&parts),
        users => Serde(&users),
        next => next.as_ref().map(PageKey::as_str),
        form_key => console.rights.may_act().then(|| console.keys.form()),
    };
    page(&console, Place::Held, "Held", "held.html", values)
}

/// Approves what was shown.
pub async fn approve(
    State(console): State<Arc<Console>>,
    Act(Approve { hash }): Act<Approve>,
) -> Result<Redirect, Trouble> {
    let session = console.sessions.to_act().await?;
    match let_through(&session, &hash).await? {
        // The page then says until when it is approved.
        Some(_) => Ok(Redirect::to("/held")),
        None => Err(Trouble::conflict(
            "Nothing of that hash waits any more, so nothing was approved. Look at what is held now.",
        )),
    }
}
