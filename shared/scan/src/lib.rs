//! The scan engine: read → plan → write.
//!
//! 1. [`ScanRead`] reads the directory, page by page: all entries in scope, or the changes since the last checkpoint.
//! 2. [`PagePlanner`] compares each page with the snapshot and the users' records and yields a [`PagePlan`]. After the last
//!    page, [`plan_final`] yields the [`FinalPlan`]: removals, transfers and held changes, which can only be judged together.
//! 3. [`scan`] takes the connection's lease, applies each plan through the `write` module as it comes, and does the
//!    housekeeping after the save.
//!
//! A dry run, the terminal's `plan` and an approved plan take the same planning path. The engine never calls the target;
//! the `provision` crate does that, one user at a time.

mod scan;

mod read;

mod approved_plan;
mod change_safeguard;
mod final_plan;
mod names;
mod page_plan;
mod removal_safeguard;
mod review;
mod transfers;
mod user_plan;

mod lease;
mod write;

mod approval;
mod housekeeping;
mod keep_alive;
mod redrive;
mod summary;
mod user;

pub use approval::{Approval, approve, held_link_drops};
pub use approved_plan::ApprovedPlan;
pub use final_plan::{FinalPlan, plan_final};
pub use page_plan::{FinishedRead, PagePlanner};
pub use read::{CONFIGURATION_CHANGED, ScanMode, ScanRead, ScanStart, last_full_scan};
pub use scan::{dry_run, scan, scan_approved};
pub use summary::{ScanSummary, UnidentifiedEntry};
pub use transfers::{AccountTransfer, NameTransfer};
pub use user::{DirectorySearch, EntryLookup, UserLookup, find_record, look_up, scan_user};
pub use user_plan::{PagePlan, UserPlan};

use ::plan::Policy;
use model::UnixSeconds;
use queue::{Queue, QueueError};
use store::{Store, StoreError};

/// What a scan works with.
#[derive(Clone, Copy)]
pub struct ScanContext<'a> {
    /// The configured decisions of the connection.
    pub policy: &'a Policy,
    /// The connection's state.
    pub store: &'a Store,
    /// Queue for provision requests. Without a queue, the caller provisions the records that are due.
    pub queue: Option<&'a Queue>,
    /// Owner of the scan's lease, shown to other scans that want it.
    pub owner: &'a str,
    /// Deadline: the scan saves what it has and stops.
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
    /// Provision requests can't be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Another scan holds the connection's lease.
    #[error(
        "another scan of this connection is running (started by {holder}); it ends by itself, or its lease expires in {seconds} s"
    )]
    Busy {
        /// The owner of the lease.
        holder: String,
        /// Seconds until the lease expires unless it is renewed.
        seconds: i64,
    },
    /// The lease expired and another scan took it.
    #[error(
        "the scan lost its lease to another scan because it was stopped for too long; its writes stand, and the other scan does the rest"
    )]
    LeaseLost,
}
