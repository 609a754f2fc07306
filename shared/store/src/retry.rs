//! Users that become pending because of a change at the target, or because an administrator requests a retry.

use model::{AnchorHash, Status};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::record::{RECORDED_LEASE, REV, if_rev, if_status};
use crate::retention::if_kept;
use crate::write::ItemWrite;

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
    /// Makes a user that is in sync pending, because the account was changed at the target. Returns whether that made
    /// the user due; other users are processed anyway.
    pub async fn reopen(&self, hash: AnchorHash) -> Result<bool> {
        let record = ItemWrite::update(self.keys.record(&hash))
            .only_if("attribute_exists(#anchor)", [])
            .remove(RECORDED_LEASE)
            .bump(REV);
        let pending = self.set_status(if_status(record, &Status::InSync)?, &hash, &Status::Pending)?;
        Ok(self.commit(&[pending]).await?.is_done())
    }

    /// Makes a failed or retrying user, or a user with an account that is gone, pending and due now. The attempts begin anew. A
    /// worker that holds the user's lease notices it, as with any other write.
    pub async fn retry_user(&self, hash: AnchorHash) -> Result<RetryResult> {
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.stored(&hash).await? else { return Ok(RetryResult::UnknownUser) };
            let status = stored.record.status;
            if !matches!(status, Status::Failed { .. } | Status::Retrying { .. } | Status::AccountGone) {
                return Ok(RetryResult::NotFailed(status));
            }
            let write = ItemWrite::update(self.keys.record(&hash)).bump(REV);
            let write = if_kept(if_rev(write, stored.rev));
            let write = self.set_status(write, &hash, &Status::Pending)?;
            if self.commit(&[write]).await?.is_done() {
                return Ok(RetryResult::Pending);
            }
        }
        Err(StoreError::Throttled("retry a user"))
    }
}
