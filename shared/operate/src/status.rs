//! Status of a connection.

use std::collections::BTreeMap;

use explain::{HeldSummary, ReportItem};
use serde::Serialize;
use serde_json::Value;
use store::StoreError;

use crate::OperatorContext;
use crate::breaker::{BreakerStatus, fetch_breaker};
use crate::users::{UserPage, UserSelection, list_users};

/// Largest count of a status. The time of a count grows with the number.
pub const MAX_COUNTED: u64 = 5_000;

/// Status of a connection.
#[derive(Debug, Serialize)]
pub struct ConnectionStatus {
    /// The connection's name.
    pub connection: String,
    /// Number of scans that began.
    pub version: u64,
    /// Summary of the last completed scan.
    pub last_scan: Option<Value>,
    /// Owner of the running scan.
    pub scanning: Option<String>,
    /// Whether nothing is written to the target, by `options.observe`.
    pub observe: bool,
    /// Users in scope at the last scan.
    pub in_scope: u64,
    /// Users by status, up to [`MAX_COUNTED`] each. Users in sync are not counted.
    pub users: BTreeMap<String, u64>,
    /// The circuit breaker, if it is open.
    pub breaker: Option<BreakerStatus>,
    /// Held removals.
    pub held: Option<HeldSummary>,
    /// Held changes.
    pub changes: Option<HeldSummary>,
    /// Links to accounts that are gone from the target, kept because they exceed the limit.
    pub link_drops: Option<HeldSummary>,
    /// Users of the filter, up to a limit per status.
    pub waiting: Vec<ReportItem>,
    /// Key after which the next page begins.
    pub next: Option<String>,
}

/// Fetches the status, with the users of a filter.
pub async fn fetch_status(
    context: &OperatorContext<'_>,
    filter: UserSelection<'_>,
    limit: usize,
) -> Result<ConnectionStatus, StoreError> {
    let store = context.store;
    let state = store.fetch_connection().await?;
    let now = (context.clock)();
    let UserPage { users: waiting, next } = list_users(context, filter, limit).await?;
    Ok(ConnectionStatus {
        connection: context.policy.name.clone(),
        version: state.version.0,
        last_scan: state.last_scan,
        scanning: state.lease.filter(|lease| lease.until > now).map(|lease| lease.owner),
        observe: context.policy.options.observe,
        in_scope: store.count_snapshot_users().await?,
        users: store.count_by_status_up_to(MAX_COUNTED).await?,
        breaker: fetch_breaker(store).await?,
        held: HeldSummary::removals(&state.memory, now),
        changes: HeldSummary::changes(&state.memory, now),
        link_drops: scan::held_link_drops(store, context.policy).await?.as_ref().map(HeldSummary::of_changes),
        waiting,
        next,
    })
}
