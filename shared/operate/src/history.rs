//! History of one user.

use explain::{HeldSummary, ReportItem};
use model::{Status, UnixSeconds};
use serde::Serialize;
use store::{HistoryEvent, StoreError};

use crate::OperatorContext;
use crate::users::StatusItems;

/// Status of one user, and the actions so far. An action that was not performed leaves no event, only a status.
#[derive(Debug, Default, Serialize)]
pub struct UserHistory {
    /// The user's anchor; `None` if the state has no such user.
    pub anchor: Option<String>,
    /// The status.
    pub status: Option<ReportItem>,
    /// Whether [`retry`](crate::retry) applies to the user.
    pub can_retry: bool,
    /// Held changes, which may concern the user.
    pub changes: Option<HeldSummary>,
    /// Actions so far, newest first.
    pub events: Vec<HistoryEvent>,
}

/// Fetches a user's status and the events before a time.
pub async fn fetch_history(
    context: &OperatorContext<'_>,
    user: &str,
    before: Option<UnixSeconds>,
    limit: usize,
) -> Result<UserHistory, StoreError> {
    let (store, now) = (context.store, (context.clock)());
    let Some(record) = scan::find_record(store, user, now).await? else { return Ok(UserHistory::default()) };
    let memory = store.fetch_connection().await?.memory;
    Ok(UserHistory {
        anchor: Some(record.anchor.to_string()),
        status: Some(StatusItems::with_memory(context, &memory).item(&record)),
        can_retry: matches!(
            record.status,
            Status::Failed { .. } | Status::Retrying { .. } | Status::AccountGone
        ),
        changes: HeldSummary::changes(&memory, now),
        events: store.fetch_history(record.anchor.hash(), before, limit).await?,
    })
}
