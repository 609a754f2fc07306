//! Removals and changes that the safeguard holds, and their approval.

use model::{ChangeApproval, HeldChange, RemovalApproval, SafeguardMemory, UnixSeconds};
use scan::{Approval, ScanError};
use serde::Serialize;
use store::StoreError;

use crate::OperatorContext;

/// A set of held removals, or a held change of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct HeldSummary {
    /// The hash that [`approve`] takes.
    pub hash: String,
    /// The held removals or changes, in words.
    pub what: String,
    /// Expiry of the approval, in seconds since 1970; `None` without an approval.
    pub approved_until: Option<i64>,
}

impl HeldSummary {
    /// The held removals.
    pub(crate) fn removals(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let held = memory.held.as_ref()?;
        let approval = memory.approval_at(now).filter(|approval| approval.set.hash == held.hash);
        Some(Self {
            hash: held.hash.short(),
            what: format!("{} removals", held.count),
            approved_until: approval.map(|approval| approval.until.0),
        })
    }

    /// The held change of the configuration.
    pub(crate) fn change(memory: &SafeguardMemory, now: UnixSeconds) -> Option<Self> {
        let change = memory.change.as_ref()?;
        let approval = memory.change_approval_at(now, change.configuration);
        let approval = approval.filter(|approval| approval.change == *change);
        Some(Self { approved_until: approval.map(|approval| approval.until.0), ..Self::of_change(change) })
    }

    /// A change of the configuration without an approval.
    pub(crate) fn of_change(change: &HeldChange) -> Self {
        let HeldChange { hash, configuration: _, updates, creates } = change;
        let what = format!(
            "a change of the configuration, which would update {updates} accounts and create {creates}"
        );
        Self { hash: hash.short(), what, approved_until: None }
    }
}

/// Everything that is held.
pub async fn fetch_held(context: &OperatorContext<'_>) -> Result<Vec<HeldSummary>, StoreError> {
    let memory = context.store.fetch_connection().await?.memory;
    let now = (context.clock)();
    Ok([HeldSummary::removals(&memory, now), HeldSummary::change(&memory, now)]
        .into_iter()
        .flatten()
        .collect())
}

/// What an approval releases.
#[derive(Clone, Debug)]
pub struct ApprovedHold {
    /// The removals or changes, in words.
    pub what: String,
    /// Expiry of the approval.
    pub until: UnixSeconds,
}

/// Approves what is held under this hash; `None` if nothing is.
pub async fn approve(context: &OperatorContext<'_>, hash: &str) -> Result<Option<ApprovedHold>, ScanError> {
    Ok(match scan::approve(&context.scan(), hash).await? {
        Approval::Removals(RemovalApproval { set, until }) => {
            Some(ApprovedHold { what: format!("{} removals and no others", set.count), until })
        }
        Approval::Change(ChangeApproval { change, until }) => {
            let what = format!(
                "the changed configuration, for at most {} updates and {} new accounts",
                change.updates, change.creates
            );
            Some(ApprovedHold { what, until })
        }
        Approval::Nothing { .. } => None,
    })
}
