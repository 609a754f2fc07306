//! What an operator asks about one connection, or changes by hand.
//!
//! Each function takes handles to the state, the directory and the target, and returns a value. The terminal, its console
//! and the Lambda functions print or serialise the value. Masked values are replaced here.

mod approval;
mod breaker;
mod drift;
mod explain;
mod history;
mod plan_inputs;
mod preview;
mod retry;
mod states;
mod status;
mod users;

pub use approval::{ApprovedHold, approve, fetch_held};
pub use breaker::{BreakerStatus, fetch_breaker};
pub use drift::{DriftRepair, DriftReport, UnlinkedAccount, find_drift};
pub use explain::explain;
pub use history::{UserHistory, fetch_history};
pub use preview::{PlanEvent, PlanSources, PlanSummary, preview_sync};
pub use retry::{RetryOutcome, retry, retry_scheduled};
pub use states::{MAX_COUNTED, UserStates, fetch_user_states};
pub use status::{ConnectionStatus, DueTimes, fetch_status};
pub use users::{UserPage, UserSelection, find_user, list_users};

use std::io;

use ::explain::ValueMask;
use model::UnixSeconds;
use plan::Policy;
use scan::{ScanContext, ScanError};
use scim::TargetError;
use store::{Store, StoreError};

/// Policy and state of one connection.
#[derive(Clone, Copy)]
pub struct OperatorContext<'a> {
    /// The configured decisions.
    pub policy: &'a Policy,
    /// The connection's state.
    pub store: &'a Store,
    /// Owner of the leases that are taken.
    pub owner: &'a str,
    /// The current time.
    pub clock: fn() -> UnixSeconds,
}

impl<'a> OperatorContext<'a> {
    /// Context of a scan without queue and deadline.
    pub fn scan(&self) -> ScanContext<'a> {
        let Self { policy, store, owner, clock } = *self;
        ScanContext { policy, store, queue: None, owner, stop_at: None, clock }
    }

    /// Mask of the configured mapping.
    pub fn mask(&self) -> ValueMask {
        ValueMask::new(self.policy.rules.mapping.masked())
    }
}

/// Why a question about directory, state and target has no answer.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The directory or the state can't be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The target can't be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The answer can't be written.
    #[error("can't write the output: {0}")]
    Output(#[from] io::Error),
}
