//! Who failed, and another try: what `provisioner status` lists and `provisioner retry` does.

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
use super::page::{ConsolePage, page, parameter};
use crate::commands::retry::{Retried, retry_user};
use crate::report::{ValueMask, waiting_page};

/// How many are listed of each kind.
const LISTED: usize = 50;

/// Who failed, by status, what they are called, and whether it is another try that helps.
const KINDS: [(&str, &str, bool); 4] = [
    ("failed", "Refused", true),
    ("retrying", "Waiting for another try", true),
    ("invalid", "Not to be had by the mapping", false),
    ("conflict", "In conflict", false),
];

/// What was just done.
#[derive(Debug, Deserialize)]
pub struct FailedQuery {
    again: Option<u64>,
}

/// Who is tried again.
#[derive(Debug, Deserialize)]
pub struct RetryForm {
    /// One user's anchor; everybody without.
    user: Option<String>,
}

/// Shows who failed.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(FailedQuery { again }): Query<FailedQuery>,
) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let mut kinds = Vec::new();
    for (status, name, can_retry) in KINDS {
        let (users, next) = waiting_page(&session.store, &shown, status, None, LISTED).await?;
        let next = next.as_ref().map(PageKey::as_str);
        kinds.push(context! { status, name, can_retry, users => Serde(&users), next });
    }
    drop(session);
    let values = context! {
        kinds, again,
        form_key => console.rights.may_act().then(|| console.keys.form()),
    };
    page(&console, ConsolePage::Failed, "Failed", "failed.html", values)
}

/// Has one user, or everybody who failed, tried again.
pub async fn retry(
    State(console): State<Arc<Console>>,
    AuthorizedForm(RetryForm { user }): AuthorizedForm<RetryForm>,
) -> Result<Redirect, ErrorPage> {
    let session = console.sessions.to_act().await?;
    match (retry_user(&session, user.as_deref()).await?, user) {
        (Retried::Nobody { why }, _) => Err(ErrorPage::conflict(why)),
        (Retried::Users(_), Some(user)) => Ok(Redirect::to(&format!("/user?who={}", parameter(&user)))),
        (Retried::Users(again), None) => Ok(Redirect::to(&format!("/failed?again={again}"))),
    }
}
