//! What a change means for the user's record.

use model::{DeprovisionReason, Desired, HoldReason, Status, UserRecord};

use crate::{EntryChange, Observation, RemovalCandidate};

/// What is to be done with one user's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordPlan {
    /// It already says this.
    Nothing,
    /// It is to say this from now on.
    SetDesired {
        /// What the user should be.
        desired: Desired,
        /// Whether there is anything to do.
        status: Status,
    },
    /// An active account would go: a matter for the safety check.
    Remove(RemovalCandidate),
    /// Only the status changes.
    SetStatus(Status),
}

/// What an entry that is new or different means for its record.
pub fn plan_change(change: &EntryChange, record: Option<&UserRecord>) -> RecordPlan {
    let desired = match &change.observation {
        Observation::Valid(desired) => desired,
        Observation::Invalid(error) => {
            let status = Status::Invalid { error: error.clone() };
            let known = record.is_some_and(|record| record.status == status);
            return if known { RecordPlan::Nothing } else { RecordPlan::SetStatus(status) };
        }
    };
    let Some(record) = record else {
        return RecordPlan::SetDesired { desired: desired.clone(), status: status_for(desired, None) };
    };
    let said_already = record.desired.as_ref() == Some(desired) && record.dn == Some(change.dn);
    if let Some(departure) = desired.deprovision_reason().filter(|_| record.has_active_account()) {
        if said_already && record.removal_released {
            return RecordPlan::Nothing;
        }
        return RecordPlan::Remove(RemovalCandidate {
            anchor: change.anchor.clone(),
            dn: Some(change.dn),
            user_name: record.user_name().or(desired.user_name()).cloned(),
            reason: departure,
            desired: desired.clone(),
        });
    }
    match &record.status {
        // The account is inactive already, and its time runs.
        Status::PendingDeletion { .. } if matches!(desired, Desired::Absent { .. }) => RecordPlan::Nothing,
        Status::InSync
        | Status::Pending
        | Status::Retrying { .. }
        | Status::Failed { .. }
        | Status::Conflict { .. }
            if said_already =>
        {
            RecordPlan::Nothing
        }
        _ => RecordPlan::SetDesired { desired: desired.clone(), status: status_for(desired, Some(record)) },
    }
}

/// What it means that a user is in scope no longer.
pub fn plan_departure(record: &UserRecord, reason: DeprovisionReason) -> RecordPlan {
    let desired = Desired::Absent { user_name: record.user_name().cloned(), reason };
    if !record.has_active_account() {
        return match &record.desired {
            Some(Desired::Absent { .. }) if matches!(record.status, Status::PendingDeletion { .. }) => {
                RecordPlan::Nothing
            }
            Some(known) if *known == desired && record.status == Status::InSync => RecordPlan::Nothing,
            _ => RecordPlan::SetDesired { desired, status: Status::InSync },
        };
    }
    if record.removal_released && matches!(record.desired, Some(Desired::Absent { .. })) {
        return RecordPlan::Nothing;
    }
    RecordPlan::Remove(RemovalCandidate {
        anchor: record.anchor.clone(),
        dn: None,
        user_name: record.user_name().cloned(),
        reason,
        desired,
    })
}

/// What becomes of a removal that was held or skipped before and was in scope, unchanged, in this read.
pub fn plan_held(record: &UserRecord) -> RecordPlan {
    let Some(desired) = &record.desired else { return RecordPlan::Nothing };
    match desired.deprovision_reason() {
        Some(departure) if record.has_active_account() => RecordPlan::Remove(RemovalCandidate {
            anchor: record.anchor.clone(),
            dn: record.dn,
            user_name: record.user_name().cloned(),
            reason: departure,
            desired: desired.clone(),
        }),
        // The reason for the removal is gone: the user is back.
        _ => RecordPlan::SetStatus(status_for(desired, Some(record))),
    }
}

/// Whether a user who should be like this has anything to be done.
pub fn status_for(desired: &Desired, record: Option<&UserRecord>) -> Status {
    let link = record.and_then(|record| record.link.as_ref());
    let applied = link.and_then(|link| link.applied.as_ref());
    match desired {
        Desired::Present(user) => {
            let same = applied.is_some_and(|applied| applied.fingerprint == user.update_fingerprint());
            // Work that was not settled may have been done without our hearing of it. Then the account is no longer
            // what was applied last, and going back to that is work too.
            let settled = record.is_some_and(|record| record.status == Status::InSync);
            if same && settled { Status::InSync } else { Status::Pending }
        }
        // Nobody is linked, but an account of that name may be there.
        Desired::Absent { user_name: Some(_), reason: DeprovisionReason::Disabled } if link.is_none() => {
            Status::Pending
        }
        Desired::Absent { reason, .. } if record.is_some_and(UserRecord::has_active_account) => {
            Status::Held { reason: *reason, hold: HoldReason::AwaitingSafeguard }
        }
        Desired::Absent { .. } => Status::InSync,
    }
}
