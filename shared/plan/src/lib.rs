//! Every decision of the provisioner, as pure functions: no I/O, no clock, no environment. What a dry run shows
//! and what a real run does come from the same calls; a dry run is not applying their answer.
//!
//! In the order in which a change passes through:
//!
//! 1. [`Mapping`] makes a desired user of an entry, [`status`] says whether the entry is enabled, and
//!    [`observe`] puts both together.
//! 2. [`SnapshotDiff`] compares each entry with the snapshot of the last scan as it streams by.
//! 3. [`plan_change`], [`plan_departure`] and [`plan_held`] compare what changed with the user's record.
//! 4. [`check_removals`] lets removals through or holds them. It wants the proof of a complete read.
//! 5. [`decide`] is the decision table: what to do to one account.
//!
//! [`explain_observation`] tells what the first of these went by.

mod changes;
mod decide;
mod differences;
mod explain;
mod look;
pub mod mapping;
mod observe;
mod policy;
mod records;
mod removals;
pub mod status;

pub use changes::{EntryChange, EntryDiff, SnapshotDiff};
pub use decide::{Decision, Situation, decide};
pub use differences::{AttributeDifference, differences};
pub use explain::{
    ExpiryExplained, ObservationExplained, StatusComparison, StatusExplained, explain_observation,
};
pub use mapping::Mapping;
pub use observe::{Observation, UserRules, observe};
pub use policy::Policy;
pub use records::{RecordPlan, plan_change, plan_departure, plan_held, status_for};
pub use removals::{
    ApprovedRemovals, Deprovision, DirectoryMatch, ReleasedRemoval, RemovalCandidate, RemovalVerdict,
    SafeguardInputs, SafetyLimits, check_removals,
};
