//! Retry of failed users, before their next attempt or after a refusal.

use store::{RetryResult, StoreError};

use crate::OperatorContext;

/// Number of users read at a time.
const PAGE: usize = 100;

/// Result of a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryOutcome {
    /// Number of users that became pending.
    Pending(u64),
    /// Why the named user did not.
    Refused(String),
}

/// Makes one user pending; without a name, all users that failed.
pub async fn retry(context: &OperatorContext<'_>, user: Option<&str>) -> Result<RetryOutcome, StoreError> {
    let Some(user) = user else { return retry_failed(context).await };
    let result = match scan::find_record(context.store, user, (context.clock)()).await? {
        Some(record) => context.store.retry_user(record.anchor.hash()).await?,
        None => RetryResult::UnknownUser,
    };
    Ok(match result {
        RetryResult::Pending => RetryOutcome::Pending(1),
        RetryResult::NotFailed(status) => {
            let why = status.detail().map(|why| format!(" ({why})")).unwrap_or_default();
            RetryOutcome::Refused(format!("nothing to retry: the user is {}{why}", status.word()))
        }
        RetryResult::UnknownUser => RetryOutcome::Refused(format!("the state has no user {user}")),
    })
}

async fn retry_failed(context: &OperatorContext<'_>) -> Result<RetryOutcome, StoreError> {
    let store = context.store;
    let mut count = 0;
    for status in ["failed", "retrying", "account_gone"] {
        let mut after = None;
        loop {
            let page = store.fetch_by_status(status, after, PAGE).await?;
            for record in page.items {
                let result = store.retry_user(record.anchor.hash()).await?;
                count += u64::from(result == RetryResult::Pending);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(RetryOutcome::Pending(count))
}
