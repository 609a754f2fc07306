//! Retries that an administrator requests.

use model::{AnchorHash, Status};

use crate::Store;
use crate::errors::StoreError;
use crate::record::{AT_ONCE, REV, if_rev};
use crate::retention::if_kept;
use crate::write::{CommitResult, ItemWrite};

/// Result of a requested retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryResult {
    /// The user is pending and due now.
    Pending,
    /// The user has not failed; the current status.
    NotFailed(Status),
    /// No record of this user.
    UnknownUser,
}

/// Attempts while the record changes concurrently.
const ATTEMPTS: usize = 5;

impl Store {
    /// Makes a failed or retrying user pending and due now, with no attempts counted. A worker that holds the user's
    /// lease notices it, as with any other write.
    pub async fn retry_user(&self, hash: AnchorHash) -> Result<RetryResult, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.stored(&hash).await? else { return Ok(RetryResult::UnknownUser) };
            let status = stored.record.status;
            if !matches!(status, Status::Failed { .. } | Status::Retrying { .. }) {
                return Ok(RetryResult::NotFailed(status));
            }
            let write = ItemWrite::update(self.keys.record(&hash)).bump(REV);
            let write = if_kept(if_rev(write, stored.rev));
            let write = self.set_status(write, &hash, &Status::Pending, AT_ONCE)?;
            if self.commit(&[write]).await? == CommitResult::Done {
                return Ok(RetryResult::Pending);
            }
        }
        Err(StoreError::Throttled { action: "try a user again" })
    }
}
