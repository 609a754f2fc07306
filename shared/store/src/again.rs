//! Trying somebody again because a person asks for it.

use model::{AnchorHash, Status};

use crate::Store;
use crate::errors::StoreError;
use crate::record::{AT_ONCE, REV, if_rev};
use crate::retention::if_kept;
use crate::write::{Committed, Write};

/// What came of asking for another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The user is pending, and due now.
    Pending,
    /// There was nothing to try again; this is where the user stands.
    Not(Status),
    /// Nobody of that kind is known.
    Unknown,
}

/// How often the record may change under somebody who asks.
const ATTEMPTS: usize = 5;

impl Store {
    /// Makes a user pending at once who was refused, or whose next try is yet to come; the attempts begin anew. Whoever
    /// works on the user right now notices it, as with any other write.
    pub async fn try_again(&self, hash: AnchorHash) -> Result<Again, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.stored(&hash).await? else { return Ok(Again::Unknown) };
            let status = stored.record.status;
            if !matches!(status, Status::Failed { .. } | Status::Retrying { .. }) {
                return Ok(Again::Not(status));
            }
            let write = Write::update(self.keys.record(&hash)).bump(REV);
            let write = if_kept(if_rev(write, stored.rev));
            let write = self.set_status(write, &hash, &Status::Pending, AT_ONCE)?;
            if self.commit(&[write]).await? == Committed::Done {
                return Ok(Again::Pending);
            }
        }
        Err(StoreError::Throttled { action: "try a user again" })
    }
}
