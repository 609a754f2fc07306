//! The scan: reads the directory, compares it with what the last scan saw, and writes down what every changed user
//! should be. It never talks to the target; [`provision`](../provision/index.html) does that, one user at a time.
//!
//! [`Planning`] reads and plans, page by page, and writes nothing; a dry run stops there. [`scan`] takes the
//! connection's lease and applies the same plan to the store.

mod agreed;
mod apply;
mod approval;
mod change;
mod ending;
mod explain;
mod keep_alive;
mod names;
mod planning;
mod reading;
mod redrive;
mod summary;
mod user;
mod writer;

pub use agreed::ApprovedPlan;
pub use apply::{gate, preview, scan, scan_approved};
pub use approval::{Approval, approve};
pub use change::{ChangeGate, Judged, Passed};
pub use ending::{FinalPlan, Transfer, plan_final};
pub use explain::{EntryExplanation, Explanation};
pub use planning::{Planning, Seen, UserPlan};
pub use reading::{Reading, ScanMode};
pub use summary::{ScanSummary, UnidentifiedEntry};
pub use user::{EntryLookup, UserLookup, find_record, look_up, scan_user};

use model::UnixSeconds;
use plan::Policy;
use queue::{Queue, QueueError};
use store::{Store, StoreError};

/// What a scan works with.
#[derive(Clone, Copy)]
pub struct ScanContext<'a> {
    /// What the administrator configured.
    pub policy: &'a Policy,
    /// The connection's state.
    pub store: &'a Store,
    /// Where users are announced who have something to be done. Without it, whoever provisions looks for the records that
    /// are due.
    pub queue: Option<&'a Queue>,
    /// Who is scanning; shown to others who want the lease.
    pub owner: &'a str,
    /// When to save what there is and stop, because nobody waits any longer.
    pub stop_at: Option<UnixSeconds>,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

impl ScanContext<'_> {
    fn is_out_of_time(&self) -> bool {
        self.stop_at.is_some_and(|at| (self.clock)() >= at)
    }
}

/// Why a scan could not run.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The directory can't be read at all.
    #[error(transparent)]
    Directory(#[from] directory::DirectoryError),
    /// The state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody can be told of the users who changed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Another scan is at work.
    #[error(
        "another scan of this connection is running (started by {holder}); it ends by itself, or its claim runs out in {seconds} s"
    )]
    Busy {
        /// Who.
        holder: String,
        /// When the claim runs out at the latest.
        seconds: i64,
    },
    /// This scan was held up for so long that another took over.
    #[error(
        "this scan was held up for so long that another took over; what it wrote stands, and the other does the rest"
    )]
    LeaseLost,
}
