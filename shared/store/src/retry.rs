//! Trying somebody again because a person asks for it.

use model::{AnchorHash, Status};

use crate::Store;
use crate::errors::StoreError;
use crate::record::{AT_ONCE, REV, if_rev};
use crate::retention::if_kept;
use crate::write::{CommitResult, ItemWrite};

/// What came of asking for another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryResult {
    /// The user is pending, and due now.
    Pending,
    /// There was nothing to try again; this is where the user stands.
    NotFailed(Status),
    /// Nobody of that kind is known.
    UnknownUser,
}

/// How often the record may change under somebody who asks.
const ATTEMPTS: usize = 5;

impl Store {
    /// Makes a user pending at once who was refused, or whose next try is yet to come; the attempts begin anew. Whoever
    /// works on the user right now notices it, as with any other write.
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
