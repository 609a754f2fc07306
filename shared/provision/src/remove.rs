//! Deactivating and deleting an account, and dropping the link to one that is gone.

use model::{DeprovisionReason, Desired, OwnedAccount};
use scim::{DeleteOutcome, LocatedAccount, Resource, TargetError};

use store::LinkDrop;

use crate::error::ExecutionError;
use crate::execution::{ExecutedAccount, ExecutionResult};
use crate::load::{GoneLink, LoadedUser, asked_name, last_known_name};
use crate::{Action, Provisioner};

/// Deactivates an account. An answer of the target shows it.
pub(crate) async fn deactivate(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (owned, reason): (&OwnedAccount, DeprovisionReason),
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let off = provisioner.target.deactivate(owned).await?;
    actions.push(Action::Deactivate(reason));
    let is_deleted_later = provisioner.options.delete_after_days.is_some();
    let result = match &user.desired {
        Desired::Absent { .. } if is_deleted_later => ExecutionResult::PendingDeletion(reason),
        _ => ExecutionResult::InSync,
    };
    Ok((ExecutedAccount::Inactive(off), result))
}

/// Deletes an account, or deactivates it where the target keeps it.
pub(crate) async fn delete(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    (owned, resource, reason): (&OwnedAccount, &Resource, DeprovisionReason),
    actions: &mut Vec<Action>,
) -> Result<ExecutedAccount, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    let name = last_known_name(&user.lease.record).cloned();
    let proof = match target.delete(owned, name.as_ref()).await? {
        DeleteOutcome::Gone(proof) => proof,
        // An inactive account can wait until the target is available.
        DeleteOutcome::Refused(error @ TargetError::Unavailable { .. })
            if !resource.account.may_be_active() =>
        {
            return Err(error.into());
        }
        DeleteOutcome::Refused(refusal) => match target.deactivate(owned).await {
            Ok(off) => {
                actions.push(Action::DeactivateInstead(reason));
                return Ok(ExecutedAccount::Inactive(off));
            }
            // The deletion may have taken effect without an answer.
            Err(TargetError::NotFound) => match target.locate(owned, name.as_ref()).await? {
                LocatedAccount::Gone { proof, .. } => proof,
                LocatedAccount::There(_) => return Err(refusal.into()),
            },
            Err(error) => return Err(first_of(refusal, error).into()),
        },
    };
    store.drop_link(&mut user.lease, &proof).await?;
    actions.push(Action::Delete(reason));
    Ok(ExecutedAccount::Unknown)
}

/// The error of a deletion and of the deactivation after it. An error that other users would meet too is the one that
/// counts; else the first refusal explains more.
pub(crate) fn first_of(refusal: TargetError, error: TargetError) -> TargetError {
    if error.is_refusal() { refusal } else { error }
}

/// Drops the link to an account that is gone, within the limit. If the user has left and another account has its name, an
/// administrator decides whether that account is the user's: the target may have given all accounts new ids.
pub(crate) async fn drop_link(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    GoneLink { proof, namesake }: GoneLink,
) -> Result<LinkDrop, ExecutionError> {
    let store = provisioner.store;
    let namesake = namesake.filter(|namesake| namesake.account.may_be_active());
    if let (Desired::Absent { .. }, Some(namesake)) = (&user.desired, namesake)
        && asked_name(&user.desired).is_none()
        && store.fetch_account_owner(&namesake.account.id).await?.is_none()
    {
        let detail = format!(
            "account {} is gone, and account {} has its user name and is active; deactivate it at the target if it is this user's",
            proof.id(),
            namesake.account.id
        );
        return Err(TargetError::OtherAccount { detail }.into());
    }
    Ok(store.drop_link_within(&mut user.lease, &proof, provisioner.max_link_drops).await?)
}
