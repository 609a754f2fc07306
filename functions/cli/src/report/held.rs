//! What waits for a person's word.

use model::{HeldChange, SafeguardMemory, UnixSeconds};
use serde::Serialize;

use super::{BAD, paint};

/// What waits for a person's word.
#[derive(Debug, Serialize)]
pub struct HeldSummary {
    /// What `provisioner approve` takes.
    pub hash: String,
    /// What it is.
    pub what: String,
    /// Until when it is approved, in seconds since 1970; `null` while it is not.
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

    /// A change of the configuration that nobody has approved.
    pub fn of_change(change: &HeldChange) -> Self {
        let HeldChange { hash, configuration: _, updates, creates } = change;
        Self {
            hash: hash.short(),
            what: format!(
                "a change of the configuration, which would update {updates} accounts and create {creates}"
            ),
            approved_until: None,
        }
    }

    /// As text, in one line.
    pub fn text(&self) -> String {
        let Self { hash, what, approved_until } = self;
        match approved_until {
            None => format!("{} {what}; if that is right: provisioner approve {hash}", paint(BAD, "Held:")),
            Some(_) => format!("Approved: {what}; the next scan lets it through"),
        }
    }
}
