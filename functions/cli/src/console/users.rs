//! Users: one by name or id, those with a status, or all that have an account.
//!
//! The state has keys for names, ids and statuses. A part of a name can't be searched without reading all users, so the page
//! does not offer it, and says so.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;
use model::{AccountId, Status};
use operate::{UserPage, UserSelection, find_user, list_users};
use serde::Deserialize;
use store::PageKey;

use super::Console;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};

/// Number of users on a page.
const PAGE: usize = 50;

/// A search.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UsersQuery {
    /// A user name, anchor, DN or account id.
    q: String,
    /// A status.
    status: String,
    /// Key after which the page begins.
    after: String,
}

/// Shows users.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(UsersQuery { q, status, after }): Query<UsersQuery>,
) -> Result<Html<String>, ErrorPage> {
    let (q, after) = (q.trim(), Some(after.as_str()).filter(|after| !after.is_empty()));
    let session = console.sessions.to_read().await?;
    let operator = session.operator();
    let UserPage { users, next } = if !q.is_empty() {
        UserPage { users: Vec::from_iter(find_user(&operator, q).await?), next: None }
    } else if status.is_empty() {
        let after = after.and_then(AccountId::new);
        list_users(&operator, UserSelection::WithAccount(after.as_ref()), PAGE).await?
    } else if Status::WAITING_WORDS.contains(&status.as_str()) {
        let key = |text| {
            PageKey::parse(text).ok_or_else(|| ErrorPage::bad_request("This is not the end of a page."))
        };
        let after = after.map(key).transpose()?;
        list_users(&operator, UserSelection::Status(&status, after.as_ref()), PAGE).await?
    } else {
        return Err(ErrorPage::bad_request("There is no such status."));
    };
    drop(session);
    let values =
        context! { q, status, statuses => Status::WAITING_WORDS.to_vec(), users => Serde(&users), next };
    page(&console, (ConsolePage::Users, "Users"), "users.html", values)
}
