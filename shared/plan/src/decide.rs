//! The decision table for one account.

use model::{Account, DeprovisionReason, Desired, DesiredUser, DisabledOption, Options, RemoveAction};

use crate::{AttributeDifference, differences};

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
        (Desired::Present(user), true, Some(account)) => update(situation, user, account),
        // disabled, an account with this user name that is not linked yet
        (Desired::Absent { reason: DeprovisionReason::Disabled, .. }, false, Some(account))
            if account.active =>
        {
            Decision::Link
        }
        // no account wanted, and none linked
        (Desired::Absent { .. }, false, _) | (Desired::Absent { .. }, _, None) => Decision::Nothing,
        // no account wanted, one linked
        (Desired::Absent { reason, .. }, true, Some(account)) => remove(situation, *reason, account),
    }
}

fn create(situation: &Situation<'_>) -> Decision {
    if situation.options.create { Decision::Create } else { Decision::Skipped(DisabledOption::Create) }
}

fn update(situation: &Situation<'_>, user: &DesiredUser, account: &Account) -> Decision {
    let Situation { options, removal_released, .. } = situation;
    let found = differences(user, account);
    if found.is_empty() {
        return Decision::Nothing;
    }
    let deactivates = account.active && !user.active;
    match deactivates {
        true if !options.deprovision => Decision::Skipped(DisabledOption::Deprovision),
        true if !removal_released => Decision::AwaitSafeguard(DeprovisionReason::Disabled),
        true if !options.update => Decision::Deactivate(DeprovisionReason::Disabled),
        false if !options.update => Decision::Skipped(DisabledOption::Update),
        _ => Decision::Update(found),
    }
}

fn remove(situation: &Situation<'_>, reason: DeprovisionReason, account: &Account) -> Decision {
    let Situation { options, removal_released, deletion_due, .. } = situation;
    match account.active {
        false if *deletion_due && *removal_released && options.deprovision => Decision::Delete(reason),
        false => Decision::Nothing,
        true if !options.deprovision => Decision::Skipped(DisabledOption::Deprovision),
        true if !removal_released => Decision::AwaitSafeguard(reason),
        true => match options.remove_action {
            RemoveAction::Disable => Decision::Deactivate(reason),
            RemoveAction::Delete => Decision::Delete(reason),
        },
    }
}

#[cfg(test)]
mod tests;
