//! The decision table for one account.

use model::{
    Account, AppliedChanges, AppliedState, DeprovisionReason, Desired, DisabledOption, Options, RemoveAction,
};

use crate::{AttributeDifference, differences, differences_of_changes};

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What the directory says.
    pub desired: &'a Desired,
    /// Whether the account is linked to this entry.
    pub linked: bool,
    /// The linked account, else the account with this user name.
    pub account: Option<&'a Account>,
    /// Whether the safeguard released the removal.
    pub removal_released: bool,
    /// Whether a deactivated account has been inactive for `options.delete_after_days`.
    pub deletion_due: bool,
    /// Capabilities that are on.
    pub options: &'a Options,
}

/// What to do to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: no request is sent.
    Nothing,
    /// Create the account.
    Create,
    /// Link the existing account, then decide again.
    Link,
    /// Update the attributes that differ.
    Update(Vec<AttributeDifference>),
    /// Deactivate the account.
    Deactivate(DeprovisionReason),
    /// Delete the account, or deactivate it where the target refuses the deletion.
    Delete(DeprovisionReason),
    /// Deprovision an active account once the safeguard has released the removal.
    AwaitSafeguard(DeprovisionReason),
    /// Nothing, because this option is off.
    Skipped(DisabledOption),
}

/// Decides what to do to one account, from the present state alone.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let Situation { desired, linked, account, removal_released: _, deletion_due: _, options: _ } = *situation;
    match (desired, linked, account) {
        // in scope, no account
        (Desired::Present(_), _, None) => create(situation),
        // in scope, an account with this user name
        (Desired::Present(_), false, Some(_)) => Decision::Link,
        // in scope, linked
        (Desired::Present(user), true, Some(account)) => {
            update(situation, differences(user, account), account.may_be_active() && !user.active)
        }
        // disabled, an account with this user name that is not linked yet
        (Desired::Absent { reason: DeprovisionReason::Disabled, .. }, false, Some(account))
            if account.may_be_active() =>
        {
            Decision::Link
        }
        // no account wanted, and none linked
        (Desired::Absent { .. }, false, _) | (Desired::Absent { .. }, _, None) => Decision::Nothing,
        // no account wanted, one linked
        (Desired::Absent { reason, .. }, true, Some(account)) => {
            remove(situation, *reason, account.may_be_active())
        }
    }
}

/// Action that needs no reading of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlindDecision {
    /// Send the changes.
    Update {
        /// What changed since the applied state.
        changes: AppliedChanges,
        /// The same, to be shown; values that the account had are not known.
        differences: Vec<AttributeDifference>,
    },
    /// Make the account inactive.
    Deactivate(DeprovisionReason),
}

/// Decides from the applied state of a linked account. `None`: the account has to be read, because there is nothing to
/// send, it was left inactive, it would be deleted, or the removal is not released.
pub fn decide_blind(situation: &Situation<'_>, applied: &AppliedState) -> Option<BlindDecision> {
    if !applied.active {
        return None;
    }
    match situation.desired {
        Desired::Present(user) => {
            let changes = applied.changes_to(user)?;
            match update(situation, differences_of_changes(user, &changes), !user.active) {
                Decision::Update(differences) => Some(BlindDecision::Update { changes, differences }),
                Decision::Deactivate(reason) => Some(BlindDecision::Deactivate(reason)),
                _ => None,
            }
        }
        Desired::Absent { reason, .. } => match remove(situation, *reason, true) {
            Decision::Deactivate(reason) => Some(BlindDecision::Deactivate(reason)),
            _ => None,
        },
    }
}

fn create(situation: &Situation<'_>) -> Decision {
    if situation.options.may_create() { Decision::Create } else { Decision::Skipped(DisabledOption::Create) }
}

fn update(situation: &Situation<'_>, found: Vec<AttributeDifference>, deactivates: bool) -> Decision {
    let Situation { options, removal_released, .. } = situation;
    if found.is_empty() {
        return Decision::Nothing;
    }
    match deactivates {
        true if !options.may_deprovision() => Decision::Skipped(DisabledOption::Deprovision),
        true if !removal_released => Decision::AwaitSafeguard(DeprovisionReason::Disabled),
        true if !options.may_update() => Decision::Deactivate(DeprovisionReason::Disabled),
        false if !options.may_update() => Decision::Skipped(DisabledOption::Update),
        _ => Decision::Update(found),
    }
}

fn remove(situation: &Situation<'_>, reason: DeprovisionReason, is_active: bool) -> Decision {
    let Situation { options, removal_released, deletion_due, .. } = situation;
    match is_active {
        false if *deletion_due && *removal_released && options.may_deprovision() => Decision::Delete(reason),
        false => Decision::Nothing,
        true if !options.may_deprovision() => Decision::Skipped(DisabledOption::Deprovision),
        true if !removal_released => Decision::AwaitSafeguard(reason),
        true => match options.removal(reason) {
            RemoveAction::Disable => Decision::Deactivate(reason),
            RemoveAction::Delete => Decision::Delete(reason),
        },
    }
}

#[cfg(test)]
mod tests;
