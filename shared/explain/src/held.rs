//! Removals and changes that the safeguard holds.

use model::{HeldChange, SafeguardMemory, UnixSeconds};
use serde::Serialize;

/// A set of held removals, or a held change of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSummary {
    /// The hash that `provisioner approve` takes.
    pub hash: String,
    /// The held removals or changes, in words.
    pub what: String,
    /// Expiry of the approval, in seconds since 1970; `None` without an approval.
    pub approved_until: Option<i64>,
}

impl HeldSummary {
    /// The held removals.
    pub fn removals(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let held = memory.held.as_ref()?;
        let approval = memory.approval_at(now).filter(|approval| approval.set.hash == held.hash);
        Some(Self {
            hash: held.hash.short(),
            what: format!("{} removals", held.count),
            approved_until: approval.map(|approval| approval.until.0),
        })
    }

    /// The held change of the configuration.
    pub fn change(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let change = memory.change.as_ref()?;
        let approval = memory.change_approval_at(now, change.configuration);
        let approval = approval.filter(|approval| approval.change == *change);
        Some(Self { approved_until: approval.map(|approval| approval.until.0), ..Self::of_change(change) })
    }

    /// A change of the configuration without an approval.
    pub fn of_change(change: &HeldChange) -> Self {
        let HeldChange { hash, configuration: _, updates, creates } = change;
        let what = format!(
            "a change of the configuration, which would update {updates} accounts and create {creates}"
        );
        Self { hash: hash.short(), what, approved_until: None }
    }
}
