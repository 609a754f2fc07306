//! Status of a connection.

use explain::{HeldSummary, ReportItem};
use model::UnixSeconds;
use serde::Serialize;
use serde_json::Value;
use store::{ConnectionState, Store, StoreError};

use crate::OperatorContext;
use crate::breaker::{BreakerStatus, fetch_breaker};
use crate::states::{UserStates, fetch_user_states};
use crate::users::{UserPage, UserSelection, list_users};

/// Status of a connection.
#[derive(Debug, Serialize)]
pub struct ConnectionStatus {
    /// The connection's name.
    pub connection: String,
    /// Time of this status, in seconds since 1970.
    pub at: i64,
    /// Number of scans that began.
    pub version: u64,
    /// Summary of the last completed scan.
    pub last_scan: Option<Value>,
    /// Owner of the running scan.
    pub scanning: Option<String>,
    /// Whether nothing is written to the target, by `options.observe`.
    pub observe: bool,
    /// Users by state.
    #[serde(flatten)]
    pub states: UserStates,
    /// What a later scan or run does by itself.
    pub due: DueTimes,
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

/// When something is due without an operator, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DueTimes {
    /// The next full scan; `None` if the next scan is a full one.
    pub full_scan: Option<i64>,
    /// The earliest scheduled retry.
    pub retry: Option<i64>,
    /// The earliest scheduled deletion.
    pub deletion: Option<i64>,
}

/// Seconds of an hour.
const HOUR: i64 = 3_600;

async fn due_times(context: &OperatorContext<'_>, state: &ConnectionState) -> Result<DueTimes, StoreError> {
    let hours = i64::from(context.policy.full_read_hours);
    let full_scan = scan::last_full_scan(state).map(|at| at.plus(hours.saturating_mul(HOUR)).0);
    let (retry, deletion) =
        (earliest(context.store, "retrying").await?, earliest(context.store, "pending_deletion").await?);
    let deletion = deletion.filter(|_| context.policy.options.delete_after_days.is_some());
    Ok(DueTimes { full_scan, retry: retry.map(|at| at.0), deletion: deletion.map(|at| at.0) })
}

/// Earliest attempt among the users of a status.
async fn earliest(store: &Store, word: &str) -> Result<Option<UnixSeconds>, StoreError> {
    let first = store.fetch_by_status(word, None, 1).await?.items.into_iter().next();
    Ok(first.map(|record| record.next_attempt))
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
    let states = fetch_user_states(store, &state).await?;
    let due = due_times(context, &state).await?;
    Ok(ConnectionStatus {
        connection: context.policy.name.clone(),
        at: now.0,
        version: state.version.0,
        last_scan: state.last_scan,
        scanning: state.lease.filter(|lease| lease.until > now).map(|lease| lease.owner),
        observe: context.policy.options.observe,
        states,
        due,
        breaker: fetch_breaker(store).await?,
        held: HeldSummary::removals(&state.memory, &context.policy.options, now),
        changes: HeldSummary::changes(&state.memory, now),
        link_drops: scan::held_link_drops(store, context.policy).await?.as_ref().map(HeldSummary::of_changes),
        waiting,
        next,
    })
}
