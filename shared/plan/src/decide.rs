//! The decision table.

use model::{Account, DeprovisionReason, Desired, DesiredUser, DisabledOption, Options, RemoveAction};

use crate::{AttributeDifference, differences};

/// All that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// What the directory says.
    pub desired: &'a Desired,
    /// Whether the account is linked to this entry.
    pub linked: bool,
    /// The account as it is: the linked one, else the one with this user name.
    pub account: Option<&'a Account>,
    /// Whether the safety check has let the removal through.
    pub removal_released: bool,
    /// Whether an account that was made inactive has been so for as long as the administrator wants.
    pub deletion_due: bool,
    /// What the administrator has switched on.
    pub options: &'a Options,
}

/// What to do to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, and no call.
    Nothing,
    /// Make an account.
    Create,
    /// Link the account that is there, then decide again.
    Link,
    /// Send what differs.
    Update(Vec<AttributeDifference>),
    /// Make the account inactive.
    Deactivate(DeprovisionReason),
    /// Delete the account, or make it inactive where the target refuses that.
    Delete(DeprovisionReason),
    /// An active account would go, and the safety check has not seen this removal yet.
    AwaitSafeguard(DeprovisionReason),
    /// An option that is off stops it.
    Skipped(DisabledOption),
}

/// Decides what to do to one account. It looks at what is, never at what happened.
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
        // to have no account, and has none, or none of ours
        (Desired::Absent { .. }, false, _) | (Desired::Absent { .. }, _, None) => Decision::Nothing,
        // to have no account, linked
        (Desired::Absent { reason, .. }, true, Some(account)) => remove(situation, *reason, account),
    }
}

fn create(situation: &Situation<'_>) -> Decision {
    if situation.options.create { Decision::Create } else { Decision::Skipped(DisabledOption::Create) }
}

fn update(situation: &Situation<'_>, user: &DesiredUser, account: &Account) -> Decision {
    let found = differences(user, account);
    let switches_off = account.active && !user.active;
    match situation {
        _ if found.is_empty() => Decision::Nothing,
        Situation { options, .. } if switches_off && !options.deprovision => {
            Decision::Skipped(DisabledOption::Deprovision)
        }
        Situation { removal_released: false, .. } if switches_off => {
            Decision::AwaitSafeguard(DeprovisionReason::Disabled)
        }
        Situation { options, .. } if !options.update && switches_off => {
            Decision::Deactivate(DeprovisionReason::Disabled)
        }
        Situation { options, .. } if !options.update => Decision::Skipped(DisabledOption::Update),
        _ => Decision::Update(found),
    }
}

fn remove(situation: &Situation<'_>, reason: DeprovisionReason, account: &Account) -> Decision {
    match situation {
        Situation { deletion_due: true, removal_released: true, options, .. }
            if !account.active && options.deprovision =>
        {
            Decision::Delete(reason)
        }
        _ if !account.active => Decision::Nothing,
        Situation { options, .. } if !options.deprovision => Decision::Skipped(DisabledOption::Deprovision),
        Situation { removal_released: false, .. } => Decision::AwaitSafeguard(reason),
        Situation { options, .. } => match options.remove_action {
            RemoveAction::Disable => Decision::Deactivate(reason),
            RemoveAction::Delete => Decision::Delete(reason),
        },
    }
}

#[cfg(test)]
mod tests;
