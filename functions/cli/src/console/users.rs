//! Users: one who is named, those who stand somewhere, or everybody who has an account.
//!
//! The state can be asked by name, by id, and by status, each of which is a key of the table. It can't be asked for a
//! part of a name without reading everybody, so the page does not offer that, and says so.

use std::sync::Arc;

use anyhow::Result;
use axum::extract::{Query, State};
use axum::response::Html;
use minijinja::context;
use minijinja::value::Serde;
use model::{AccountId, AnchorHash, UserRecord};
use serde::Deserialize;
use store::{PageKey, Store};

use super::Console;
use super::error_page::ErrorPage;
use super::page::{ConsolePage, page};
use crate::args::STATUSES;
use crate::report::{ReportItem, ValueMask, standing, waiting_page};

/// How many are on a page.
const PAGE: usize = 50;

/// Who is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UsersQuery {
    /// A user name, anchor, DN or account id.
    q: String,
    /// A status.
    status: String,
    /// Where the page begins.
    after: String,
}

/// Some users, and where the next page begins.
type Found = (Vec<ReportItem>, Option<PageKey>);

/// Shows users.
pub async fn show(
    State(console): State<Arc<Console>>,
    Query(asked): Query<UsersQuery>,
) -> Result<Html<String>, ErrorPage> {
    let UsersQuery { q, status, after } = &asked;
    let (q, after) = (q.trim(), Some(after.as_str()).filter(|after| !after.is_empty()));
    let session = console.sessions.to_read().await?;
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let (users, next) = if !q.is_empty() {
        (named(&session.store, &shown, q).await?, None)
    } else if STATUSES.contains(&status.as_str()) {
        let key =
            |text| PageKey::parse(text).ok_or_else(|| ErrorPage::nonsense("This is not the end of a page."));
        waiting_page(&session.store, &shown, status, after.map(key).transpose()?, PAGE).await?
    } else if status.is_empty() {
        with_account(&session.store, &shown, after.and_then(AccountId::new)).await?
    } else {
        return Err(ErrorPage::nonsense("There is no such status."));
    };
    drop(session);
    let values = context! {
        q, status,
        statuses => STATUSES.to_vec(),
        users => Serde(&users),
        next => next.as_ref().map(PageKey::as_str),
    };
    page(&console, ConsolePage::Users, "Users", "users.html", values)
}

/// Whoever has this name or id. Nobody but the state is asked.
async fn named(store: &Store, shown: &ValueMask, q: &str) -> Result<Vec<ReportItem>> {
    if let Some(record) = scan::find_record(store, q, runtime::now()).await? {
        return Ok(vec![item(&record, shown)]);
    }
    let Some(account) = AccountId::new(q) else { return Ok(Vec::new()) };
    let owners = store.fetch_account_owners(std::slice::from_ref(&account)).await?;
    let Some(anchor) = owners.get(&account) else { return Ok(Vec::new()) };
    let record = store.fetch_record(anchor.hash()).await?;
    Ok(record.iter().map(|record| item(record, shown)).collect())
}

/// A page of those who have an account, in the order of the accounts' ids.
async fn with_account(store: &Store, shown: &ValueMask, after: Option<AccountId>) -> Result<Found> {
    let page = store.fetch_accounts(after.as_ref().map(PageKey::after_account), PAGE).await?;
    let hashes: Vec<AnchorHash> = page.items.iter().map(|(_, owner)| owner.hash()).collect();
    let records = store.fetch_records(&hashes).await?;
    let items = hashes.iter().filter_map(|hash| records.get(hash)).map(|record| item(record, shown));
    Ok((items.collect(), page.next))
}

/// A user as a line, also where there is nothing left to do.
pub fn item(record: &UserRecord, shown: &ValueMask) -> ReportItem {
    let settled = || shown.item(&record.anchor, record.user_name(), "in_sync", "nothing is left to do");
    standing(record, shown).unwrap_or_else(settled)
}
