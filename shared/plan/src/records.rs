//! What a change in the directory means for the user's record.

use model::{DeprovisionReason, Desired, HoldReason, Status, UserRecord};

use crate::{EntryChange, Observation, RemovalCandidate};

/// What a scan does to one user's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordPlan {
    /// Nothing: the record is up to date.
    Nothing,
    /// Writes what the directory says.
    SetDesired {
        /// The desired state of the user.
        desired: Desired,
        /// Whether an action is due.
        status: Status,
    },
    /// Deprovisions an active account, once the safeguard releases the removal.
    Remove(RemovalCandidate),
    /// Writes the status alone.
    SetStatus(Status),
}

/// Plans the record of an entry that is new or different.
pub fn plan_change(change: &EntryChange, record: Option<&UserRecord>) -> RecordPlan {
    let desired = match &change.observation {
        Observation::Valid(desired) => desired,
        Observation::Invalid { error, dn } => {
            let status = Status::Invalid { error: error.clone(), dn: dn.clone() };
            let is_known = record.is_some_and(|record| record.status == status);
            return if is_known { RecordPlan::Nothing } else { RecordPlan::SetStatus(status) };
        }
    };
    let Some(record) = record else {
        return RecordPlan::SetDesired { desired: desired.clone(), status: status_for(desired, None) };
    };
    let is_recorded = record.desired.as_ref() == Some(desired) && record.dn == Some(change.dn);
    if let Some(reason) = desired.deprovision_reason().filter(|_| record.has_active_account()) {
        if is_recorded && record.removal_released {
            return RecordPlan::Nothing;
        }
        return RecordPlan::Remove(RemovalCandidate {
            anchor: change.anchor.clone(),
            dn: Some(change.dn),
            user_name: record.user_name().or(desired.user_name()).cloned(),
            reason,
            desired: desired.clone(),
            never_written: record.has_unwritten_account(),
        });
    }
    match &record.status {
        // The account is inactive already, and its deletion is scheduled.
        Status::PendingDeletion { .. } if matches!(desired, Desired::Absent { .. }) => RecordPlan::Nothing,
        Status::InSync
        | Status::Pending
        | Status::Retrying { .. }
        | Status::Failed { .. }
        | Status::AccountGone
        | Status::Conflict { .. }
            if is_recorded =>
        {
            RecordPlan::Nothing
        }
        _ => RecordPlan::SetDesired { desired: desired.clone(), status: status_for(desired, Some(record)) },
    }
}

/// Plans the record of a user that is no longer in scope.
pub fn plan_departure(record: &UserRecord, reason: DeprovisionReason) -> RecordPlan {
    let desired = Desired::Absent { user_name: record.user_name().cloned(), reason };
    let is_absent = matches!(record.desired, Some(Desired::Absent { .. }));
    if !record.has_active_account() {
        let is_recorded = match record.status {
            Status::PendingDeletion { .. } => is_absent,
            Status::InSync => record.desired.as_ref() == Some(&desired),
            _ => false,
        };
        return match is_recorded {
            true => RecordPlan::Nothing,
            false => RecordPlan::SetDesired { desired, status: Status::InSync },
        };
    }
    if record.removal_released && is_absent {
        return RecordPlan::Nothing;
    }
    RecordPlan::Remove(RemovalCandidate {
        anchor: record.anchor.clone(),
        dn: None,
        user_name: record.user_name().cloned(),
        reason,
        desired,
        never_written: record.has_unwritten_account(),
    })
}

/// Plans a removal again that was held or skipped, for a user that is in scope and unchanged.
pub fn plan_held(record: &UserRecord) -> RecordPlan {
    let Some(desired) = &record.desired else { return RecordPlan::Nothing };
    match desired.deprovision_reason() {
        Some(reason) if record.has_active_account() => RecordPlan::Remove(RemovalCandidate {
            anchor: record.anchor.clone(),
            dn: record.dn,
            user_name: record.user_name().cloned(),
            reason,
            desired: desired.clone(),
            never_written: record.has_unwritten_account(),
        }),
        // The user has returned.
        _ => RecordPlan::SetStatus(status_for(desired, Some(record))),
    }
}

/// The status of a user with this desired state: whether an action is due.
pub fn status_for(desired: &Desired, record: Option<&UserRecord>) -> Status {
    let link = record.and_then(|record| record.link.as_ref());
    let applied = link.and_then(|link| link.applied.as_ref());
    match desired {
        Desired::Present(user) => {
            let is_applied = applied.is_some_and(|applied| applied.fingerprint == user.update_fingerprint());
            // An action without a recorded outcome may have changed the account. Then it differs from the applied
            // state, and needs an update to return to it.
            let is_in_sync = record.is_some_and(|record| record.status == Status::InSync);
            if is_applied && is_in_sync { Status::InSync } else { Status::Pending }
        }
        // No account is linked, but the target may have one with this name.
        Desired::Absent { user_name: Some(_), reason: DeprovisionReason::Disabled } if link.is_none() => {
            Status::Pending
        }
        Desired::Absent { reason, .. } if record.is_some_and(UserRecord::has_active_account) => {
            Status::Held { reason: *reason, hold: HoldReason::AwaitingSafeguard }
        }
        Desired::Absent { .. } => Status::InSync,
    }
}

#[cfg(test)]
mod tests;
