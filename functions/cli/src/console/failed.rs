//! Failed users and their retry, as `provisioner status` and `provisioner retry`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, Redirect};
use minijinja::context;
use minijinja::value::Serde;
use operate::{RetryOutcome, UserPage, UserSelection, list_users, retry as retry_users};
use serde::Deserialize;

use super::Console;
use super::action::AuthorizedForm;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page, parameter};

/// Maximum number of users per status.
const LISTED: usize = 50;

/// Statuses, what they are about, and whether a retry applies.
const STATUSES: [(&str, &str, bool); 5] = [
    ("failed", "The target refused these users. They are not retried until the entry changes", true),
    ("retrying", "These users wait for the next attempt", true),
    ("account_gone", "The account is gone from the target, and more are gone than the limit allows", true),
    ("invalid", "The mapping can't make a user of these entries", false),
    ("conflict", "Another entry has the same user name, account or anchor", false),
];

/// Result of the retry that led to the page.
#[derive(Debug, Deserialize)]
pub struct FailedQuery {
    retried: Option<u64>,
}

/// A retry.
#[derive(Debug, Deserialize)]
pub struct RetryForm {
    /// Anchor of one user; all failed users without it.
    user: Option<String>,
}

/// Shows the failed users.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(FailedQuery { retried }): Query<FailedQuery>,
) -> Result<Html<String>, ErrorPage> {
    let session = console.sessions.to_read().await?;
    let mut sections = Vec::new();
    for (status, about, can_retry) in STATUSES {
        let filter = UserSelection::Status(status, None);
        let UserPage { users, next } = list_users(&session.operator(), filter, LISTED).await?;
        sections.push(context! { status, about, can_retry, users => Serde(&users), next });
    }
    drop(session);
    let values = context! { sections, retried, form_key => console.form_key() };
    page(&console, (ConsolePage::Failed, "Failed"), "failed.html", values)
}

/// Retries one user, or all failed users.
pub async fn retry(
    State(console): State<Arc<Console>>,
    AuthorizedForm(RetryForm { user }): AuthorizedForm<RetryForm>,
) -> Result<Redirect, ErrorPage> {
    let session = console.sessions.to_act().await?;
    match (retry_users(&session.operator(), user.as_deref()).await?, user) {
        (RetryOutcome::Refused(why), _) => Err(ErrorPage::conflict(why)),
        (RetryOutcome::Pending(_), Some(user)) => {
            Ok(Redirect::to(&format!("user?user={}", parameter(&user))))
        }
        (RetryOutcome::Pending(count), None) => Ok(Redirect::to(&format!("failed?retried={count}"))),
    }
}
