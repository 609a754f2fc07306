//! Every decision of the provisioner, as pure functions: no I/O, no clock, no environment. A dry run calls the same
//! functions as a real run, and does not apply their results.
//!
//! In the order in which a change passes through:
//!
//! 1. [`Mapping`] makes a desired user of an entry, [`status`] tells whether the entry is enabled, and [`observe`]
//!    combines both.
//! 2. [`SnapshotDiff`] compares each entry of a read with the snapshot of the last scan.
//! 3. [`plan_change`], [`plan_departure`] and [`plan_held`] compare what changed with the user's record.
//! 4. [`check_removals`] releases or holds removals. It requires the proof of a complete read.
//! 5. [`EffectSafeguard`] releases or holds changes with an effect that too many users have.
//! 6. [`decide`] is the decision table: what to do to one account.
//!
//! [`explain_observation`] shows how the first step came to its result.

mod decide;
mod differences;
mod effect_safeguard;
mod effects;
mod entry_fingerprint;
mod explain;
pub mod mapping;
mod observe;
mod policy;
mod records;
mod safeguard;
mod snapshot_diff;
pub mod status;
#[cfg(test)]
mod test_values;

pub use decide::{BlindDecision, Decision, Situation, decide, decide_blind};
pub use differences::{AttributeDifference, differences, differences_of_changes};
pub use effect_safeguard::{EffectCounts, EffectLimits, EffectSafeguard, EffectVerdict, HeldPlan};
pub use effects::limited_effects;
pub use explain::{
    ExpiryExplained, ObservationExplained, StatusComparison, StatusExplained, explain_observation,
};
pub use mapping::Mapping;
pub use observe::{Observation, UserRules, observe};
pub use policy::Policy;
pub use records::{RecordPlan, plan_change, plan_departure, plan_held, status_for};
pub use safeguard::{
    ApprovedRemovals, Deprovision, DirectoryMatch, ReleasedRemoval, RemovalCandidate, RemovalVerdict,
    SafeguardInputs, SafetyLimits, check_removals,
};
pub use snapshot_diff::{EntryChange, EntryDiff, SnapshotDiff};
