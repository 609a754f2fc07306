//! Held removals and changes, and their approval, as `provisioner approve`.

use std::sync::Arc;

use ::explain::HeldSummary;
use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use minijinja::context;
use minijinja::value::Serde;
use operate::{UserPage, UserSelection, approve as approve_held, fetch_held, list_users};
use serde::{Deserialize, Serialize};
use store::PageKey;

use super::Console;
use super::action::AuthorizedForm;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use crate::args::operator_name;

/// Number of users on a page.
const PAGE: usize = 100;

/// Key after which the page begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HeldQuery {
    after: String,
}

/// An approval.
#[derive(Debug, Deserialize)]
pub struct ApproveForm {
    hash: String,
}

/// A held set, and the command that approves it.
#[derive(Serialize)]
struct HeldPart<'a> {
    #[serde(flatten)]
    summary: &'a HeldSummary,
    command: String,
}

impl<'a> HeldPart<'a> {
    fn of(console: &Console, summary: &'a HeldSummary) -> Self {
        Self { summary, command: console.sessions.command(&["approve", &summary.hash]) }
    }
}

/// Shows what is held, and the users.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(HeldQuery { after }): Query<HeldQuery>,
) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let held = fetch_held(&session.operator()).await?;
    let after = PageKey::parse(&after);
    let filter = UserSelection::Status("held", after.as_ref());
    let UserPage { users, next } = list_users(&session.operator(), filter, PAGE).await?;
    drop(session);
    let held: Vec<HeldPart<'_>> = held.iter().map(|summary| HeldPart::of(&console, summary)).collect();
    let values =
        context! { held => Serde(&held), users => Serde(&users), next, form_key => console.form_key() };
    page(&console, (ConsolePage::Held, "Awaiting approval"), "held.html", values)
}

/// Approves what was shown.
pub async fn approve(
    State(console): State<Arc<Console>>,
    AuthorizedForm(ApproveForm { hash }): AuthorizedForm<ApproveForm>,
) -> Result<Redirect, ErrorPage> {
    let session = console.sessions.to_act().await?;
    match approve_held(&session.operator(), &hash, &operator_name()).await? {
        // The page shows the expiry of the approval.
        Some(_) => Ok(Redirect::to("held")),
        None => Err(ErrorPage::conflict(
            "Nothing with this hash is held any more, so nothing was approved. Check what is held now.",
        )),
    }
}
