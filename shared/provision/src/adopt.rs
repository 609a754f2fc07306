//! Creating an account, and linking one that was found.

use model::{CreateIntent, Desired, DesiredUser, MatchedAccount};
use scim::{Resource, TargetError};
use store::AccountClaim;

use crate::error::ExecutionError;
use crate::execution::{ExecutedAccount, ExecutionResult, NextStep};
use crate::link::{claim, match_name};
use crate::load::{FoundAccount, LoadedUser, asked_name, find_intended, find_obstacle};
use crate::{Action, Provisioner};

/// Creates an account. The intent is stored first.
pub(crate) async fn create(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<NextStep, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    let Desired::Present(desired) = user.desired.clone() else {
        return Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::InSync));
    };
    let is_first = user.lease.record.create_intent.is_none();
    if !store.store_create_intent(&mut user.lease, CreateIntent::of(&desired)).await? {
        return Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::Outdated));
    }
    match target.create(&desired).await {
        Ok(resource) => {
            let matched = match_name(&desired.user_name, &resource)?;
            actions.push(Action::Create { inactive: !desired.active });
            created(provisioner, user, (resource, matched)).await
        }
        // How a duplicate is answered differs between servers, so every refusal is checked.
        Err(refusal) if refusal.is_refusal() => {
            let found = obstacle(provisioner, &desired, refusal).await;
            // The account of an earlier intent may be the reason for the refusal.
            if is_first {
                user.lease.record.create_intent = None;
            }
            Ok(NextStep::Decide(FoundAccount::Unlinked(found?)))
        }
        // The answer was lost or can't be used; the account may have been created.
        Err(error @ (TargetError::Unavailable { .. } | TargetError::Malformed { .. })) => {
            let found = target.find_by_user_name(&desired.user_name).await.ok().flatten();
            Ok(NextStep::Decide(FoundAccount::Unlinked(found.ok_or(error)?)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The account that made the target refuse a creation. If no account explains the refusal, the refusal is the error, and
/// not a failure of the search. An account with another name is an error too.
async fn obstacle(
    provisioner: &Provisioner<'_>,
    desired: &DesiredUser,
    refusal: TargetError,
) -> Result<Resource, TargetError> {
    match find_obstacle(provisioner.target, desired, &refusal).await {
        Ok(Some(found)) => match match_name(&desired.user_name, &found) {
            Ok(_) => Ok(found),
            Err(other) if matches!(refusal, TargetError::Conflict { .. }) => Err(other),
            Err(_) => Err(refusal),
        },
        Ok(None) | Err(_) => Err(refusal),
    }
}

/// What follows a creation. An account that was to be created inactive, and is active, is linked and deactivated.
async fn created(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    (resource, matched): (Resource, MatchedAccount),
) -> Result<NextStep, ExecutionError> {
    let end = |account| Ok(NextStep::End(account, ExecutionResult::InSync));
    if user.desired.is_active() || !resource.account.may_be_active() {
        return end(ExecutedAccount::Created(resource, matched));
    }
    match claim(provisioner.store, &mut user.lease, &matched).await? {
        AccountClaim::Owned(owned) => {
            let off = provisioner.target.deactivate(&owned).await?;
            end(ExecutedAccount::Desired(off.into_resource()))
        }
        AccountClaim::OwnedBy(owner) => {
            Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::Conflict { owner }))
        }
    }
}

/// Links the account that was found.
pub(crate) async fn link(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    resource: Resource,
    actions: &mut Vec<Action>,
) -> Result<NextStep, ExecutionError> {
    let Some(name) = asked_name(&user.desired) else {
        return Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::InSync));
    };
    let matched = match_name(name, &resource)?;
    let result = match claim(provisioner.store, &mut user.lease, &matched).await? {
        AccountClaim::Owned(owned) => {
            actions.push(Action::Link);
            return Ok(NextStep::Decide(FoundAccount::Linked(owned, resource)));
        }
        // A disabled user that never had this account has no claim to it.
        AccountClaim::OwnedBy(_) if !matches!(user.desired, Desired::Present(_)) => ExecutionResult::InSync,
        AccountClaim::OwnedBy(owner) => ExecutionResult::Conflict { owner },
    };
    Ok(NextStep::End(ExecutedAccount::Unknown, result))
}

/// Finds and links the account of a create intent with an unknown outcome. If the desired user still has the name of the
/// intent, the usual look-up finds the account.
pub(crate) async fn link_intended(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<Option<FoundAccount>, ExecutionError> {
    let Some(intent) = user.lease.record.create_intent.clone() else { return Ok(None) };
    if matches!(&user.desired, Desired::Present(user) if user.user_name == intent.user_name) {
        return Ok(None);
    }
    let found = find_intended(provisioner.target, &intent).await?;
    user.lease.record.create_intent = None;
    let Some(resource) = found else { return Ok(None) };
    let matched = match_name(&intent.user_name, &resource)?;
    match claim(provisioner.store, &mut user.lease, &matched).await? {
        AccountClaim::Owned(owned) => {
            actions.push(Action::Link);
            Ok(Some(FoundAccount::Linked(owned, resource)))
        }
        // Another entry has been linked meanwhile, and has the name by now.
        AccountClaim::OwnedBy(_) => Ok(None),
    }
}
