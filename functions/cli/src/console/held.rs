//! What waits for a person's word: what `provisioner approve` shows, and does.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;
use store::PageKey;

use super::Console;
use super::action::AuthorizedForm;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use crate::commands::approve::{let_through, waiting};
use crate::report::{ValueMask, waiting_page};

/// How many are on a page.
const PAGE: usize = 100;

/// Where a page begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeldQuery {
    after: String,
}

/// What is approved.
#[derive(Debug, Deserialize)]
pub struct ApproveForm {
    hash: String,
}

/// Shows what waits, and who.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(HeldQuery { after }): Query<HeldQuery>,
) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let parts = waiting(&session).await?;
    let (users, next) = waiting_page(&session.store, &shown, "held", PageKey::parse(&after), PAGE).await?;
    drop(session);
    let values = context! {
        parts => Serde(&parts),
        users => Serde(&users),
        next => next.as_ref().map(PageKey::as_str),
        form_key => console.rights.may_act().then(|| console.keys.form()),
    };
    page(&console, ConsolePage::Held, "Held", "held.html", values)
}

/// Approves what was shown.
pub async fn approve(
    State(console): State<Arc<Console>>,
    AuthorizedForm(ApproveForm { hash }): AuthorizedForm<ApproveForm>,
) -> Result<Redirect, ErrorPage> {
    let session = console.sessions.to_act().await?;
    match let_through(&session, &hash).await? {
        // The page then says until when it is approved.
        Some(_) => Ok(Redirect::to("/held")),
        None => Err(ErrorPage::conflict(
            "Nothing of that hash waits any more, so nothing was approved. Look at what is held now.",
        )),
    }
}
