//! Everybody who waits for something.

use model::{Status, UserRecord};
use store::{PageKey, Store, StoreError};

use super::{ReportItem, ValueMask};

/// How many are listed of each kind.
const LISTED: usize = 50;

/// The kinds that are listed unless one is asked for; who is pending is only counted.
pub const KINDS: [&str; 7] =
    ["held", "skipped", "conflict", "retrying", "failed", "invalid", "pending_deletion"];

/// Everybody who waits for something, up to a limit.
pub async fn waiting(store: &Store, shown: &ValueMask) -> Result<Vec<ReportItem>, StoreError> {
    let mut items = Vec::new();
    for word in KINDS {
        items.extend(waiting_page(store, shown, word, None, LISTED).await?.0);
    }
    Ok(items)
}

/// One page of those who stand there, and where the next one begins.
pub async fn waiting_page(
    store: &Store,
    shown: &ValueMask,
    word: &str,
    after: Option<PageKey>,
    limit: usize,
) -> Result<(Vec<ReportItem>, Option<PageKey>), StoreError> {
    let page = store.fetch_by_status(word, after, limit).await?;
    Ok((page.items.iter().filter_map(|record| standing(record, shown)).collect(), page.next))
}

/// Where a user stands, unless there is nothing left to do.
pub fn standing(record: &UserRecord, shown: &ValueMask) -> Option<ReportItem> {
    let why = record.status.detail().unwrap_or_default();
    let (action, why) = match &record.status {
        Status::Held { .. } => ("held", why),
        Status::Skipped { .. } => ("skipped", why),
        Status::Conflict { .. } => ("conflict", why),
        Status::Retrying { .. } => {
            let seconds = (record.next_attempt.0 - runtime::now().0).max(0);
            ("failed", format!("{why}; is tried again in {seconds} s"))
        }
        Status::Failed { .. } => ("failed", format!("{why}; failed until the user changes")),
        Status::Invalid { .. } => ("invalid", why),
        Status::PendingDeletion { .. } => {
            let seconds = (record.next_attempt.0 - runtime::now().0).max(0);
            let days = (seconds + 86_399) / 86_400;
            ("pending_deletion", format!("{why}, in {days} days"))
        }
        Status::Pending => ("waits", "is to be provisioned".to_owned()),
        Status::InSync => return None,
    };
    Some(shown.item(&record.anchor, record.user_name(), action, why))
}
