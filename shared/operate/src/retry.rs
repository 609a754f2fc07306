//! Retry of failed users, before their next attempt or after a refusal.

use explain::shown_word;
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
    let Some(user) = user else {
        return Ok(RetryOutcome::Pending(retry_all(context, &["failed", "retrying", "account_gone"]).await?));
    };
    let result = match scan::find_record(context.store, user, (context.clock)()).await? {
        Some(record) => context.store.retry_user(record.anchor.hash()).await?,
        None => RetryResult::UnknownUser,
    };
    Ok(match result {
        RetryResult::Pending => RetryOutcome::Pending(1),
        RetryResult::NotFailed(status) => {
            let why = status.detail().map(|why| format!(" ({why})")).unwrap_or_default();
            RetryOutcome::Refused(format!("nothing to retry: the user is {}{why}", shown_word(status.word())))
        }
        RetryResult::UnknownUser => RetryOutcome::Refused(format!("the state has no user {user}")),
    })
}

/// Makes users with a scheduled retry pending.
pub async fn retry_scheduled(context: &OperatorContext<'_>) -> Result<u64, StoreError> {
    retry_all(context, &["retrying"]).await
}

async fn retry_all(context: &OperatorContext<'_>, statuses: &[&str]) -> Result<u64, StoreError> {
    let store = context.store;
    let mut count = 0;
    for status in statuses {
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
    Ok(count)
}
