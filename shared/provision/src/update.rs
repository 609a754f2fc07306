//! Updating an account: after reading it, or without.

use model::{AppliedChanges, AppliedState, DeprovisionReason, Desired, OwnedAccount, Value};
use plan::{AttributeDifference, differences};
use scim::{Resource, TargetError};

use crate::error::ExecutionError;
use crate::execution::{ExecutedAccount, ExecutionResult};
use crate::load::LoadedUser;
use crate::outcome::deactivates;
use crate::remove::first_of;
use crate::{Action, Provisioner};

/// Updates the account that was read.
pub(crate) async fn update(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (owned, resource, found): (&OwnedAccount, &Resource, Vec<AttributeDifference>),
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let target = provisioner.target;
    let Desired::Present(desired) = &user.desired else {
        return Ok((ExecutedAccount::Unknown, ExecutionResult::InSync));
    };
    match target.update_applied(owned, (resource, applied_of(user)), desired).await {
        Ok(updated) if is_ignored(provisioner, user, (&found, &updated)) => {
            let detail = "the account shows none of the changed values".to_owned();
            Err(TargetError::NotApplied { detail }.into())
        }
        Ok(updated) => {
            actions.push(Action::Update(found));
            Ok((ExecutedAccount::Desired(updated), ExecutionResult::InSync))
        }
        // A disabled user loses access even where the rest is refused.
        Err(refusal) if refusal.is_refusal() && resource.account.may_be_active() && !desired.active => {
            let off = target.deactivate(owned).await.map_err(|error| first_of(refusal.clone(), error))?;
            actions.push(Action::Deactivate(DeprovisionReason::Disabled));
            Ok((ExecutedAccount::Inactive(off), ExecutionResult::Failed(refusal)))
        }
        Err(error) => Err(error.into()),
    }
}

/// What was last written to the account.
fn applied_of(user: &LoadedUser) -> Option<&AppliedState> {
    user.lease.record.link.as_ref()?.applied.as_ref()
}

/// Sends changes without reading the account first. `None`: nothing was sent, the account has to be read.
pub(crate) async fn update_blind(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (owned, changes, mut differing): (&OwnedAccount, &AppliedChanges, Vec<AttributeDifference>),
    actions: &mut Vec<Action>,
) -> Result<Option<(ExecutedAccount, ExecutionResult)>, ExecutionError> {
    let target = provisioner.target;
    let Desired::Present(desired) = &user.desired else { return Ok(None) };
    let shown = match target.update_blind(owned, changes, desired).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return Ok(None),
        // A disabled user loses access even where the rest is refused, and for that the account is read.
        Err(TargetError::Conflict { .. }) if deactivates(&differing) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The answer shows what was changed at the target since the last sync.
    let mut drifted = differences(desired, &shown.account);
    let is_new = |it: &AttributeDifference| differing.iter().all(|known| known.attribute != it.attribute);
    if let Some(applied) = applied_of(user) {
        drifted.retain(|it| !is_new(it) || !applied.keeps(&it.attribute, it.from.as_ref()));
    }
    let shown = match drifted.is_empty() {
        true => shown,
        false => target.update_applied(owned, (&shown, applied_of(user)), desired).await?,
    };
    if is_ignored(provisioner, user, (&drifted, &shown)) {
        let detail = "the account shows none of the changed values".to_owned();
        return Err(TargetError::NotApplied { detail }.into());
    }
    let more: Vec<AttributeDifference> = drifted.into_iter().filter(is_new).collect();
    differing.extend(more);
    actions.push(Action::Update(differing));
    Ok(Some((ExecutedAccount::Desired(shown), ExecutionResult::InSync)))
}

/// Whether an update had no effect: every value that was to be replaced is still there. What a target makes of a value,
/// such as lower case, and what it never changes, is left to it.
fn is_ignored(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (found, updated): (&[AttributeDifference], &Resource),
) -> bool {
    let Desired::Present(desired) = &user.desired else { return false };
    let applied = applied_of(user);
    let folded = |value: &Value| value.to_string().trim().to_lowercase();
    let is_replaced = |it: &&AttributeDifference| {
        let is_immutable = provisioner.target.dialect().immutable.contains(&it.attribute.as_str());
        let is_kept = applied.is_some_and(|applied| applied.keeps(&it.attribute, it.from.as_ref()));
        let is_new = matches!((&it.from, &it.to), (Some(from), Some(to)) if folded(from) != folded(to));
        is_new && !is_immutable && !is_kept
    };
    let mut replaced = found.iter().filter(is_replaced).peekable();
    let left = differences(desired, &updated.account);
    replaced.peek().is_some() && replaced.all(|it| left.contains(it))
}
