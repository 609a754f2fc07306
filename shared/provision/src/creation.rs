//! Making an account, and finding one that was made without our hearing of it.

use model::{CreateIntent, Desired, DesiredUser};
use scim::{Resource, TargetError};
use store::{AccountClaim, UserLease};

use crate::account::{Failure, Found, claim, find_tried, look_again};
use crate::apply::Work;
use crate::{Provisioner, Step};

/// Looks for the account of a creation of which nothing was heard, and links it. Where the user is still to have an account
/// of that name, the look-up that comes next does the same.
pub(crate) async fn find_made(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    desired: &Desired,
    work: &mut Work,
) -> Result<Option<Found>, Failure> {
    let Some(tried) = lease.record.create_intent.clone() else { return Ok(None) };
    if matches!(desired, Desired::Present(user) if user.user_name == tried.user_name) {
        return Ok(None);
    }
    let made = find_tried(provisioner.target, &tried).await?;
    (work.asked, lease.record.create_intent) = (true, None);
    let Some(resource) = made else { return Ok(None) };
    match claim(provisioner.store, lease, &resource).await? {
        AccountClaim::Owned(owned) => {
            work.steps.push(Step::Linked);
            Ok(Some(Found::Linked(owned, resource)))
        }
        // Somebody else has found it meanwhile, under a name that is theirs by now.
        AccountClaim::OwnedBy(_) => Ok(None),
    }
}

/// What came of a creation.
pub(crate) enum Created {
    /// The account is there. It is not linked yet: that is written down with the outcome.
    Done(Resource),
    /// There is one already.
    Found(Resource),
    /// Nothing was made: the question has changed.
    Outdated,
}

/// Makes an account. That it is about to be made is written down first.
pub(crate) async fn create(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    user: &DesiredUser,
    work: &mut Work,
) -> Result<Created, Failure> {
    let Provisioner { store, target, .. } = *provisioner;
    let is_first = lease.record.create_intent.is_none();
    if !store.store_create_intent(lease, CreateIntent::of(user)).await? {
        return Ok(Created::Outdated);
    }
    let resource = match target.create(user).await {
        Ok(resource) => resource,
        // What a duplicate is answered with is not known for sure, so every refusal is checked.
        Err(refusal @ (TargetError::Conflict { .. } | TargetError::Rejected { .. })) => {
            let found = look_again(target, user, &refusal).await?;
            // One of before may have been what it was refused for.
            if is_first {
                lease.record.create_intent = None;
            }
            return found.map(Created::Found).ok_or(Failure::Target(refusal));
        }
        // The answer was lost or is of no use; the account may be there all the same, and then it is ours to link.
        Err(error @ (TargetError::Unavailable { .. } | TargetError::Malformed { .. })) => {
            let found = target.find_by_user_name(&user.user_name).await.ok().flatten();
            return found.map(Created::Found).ok_or(Failure::Target(error));
        }
        Err(error) => return Err(error.into()),
    };
    work.steps.push(Step::Created { inactive: !user.active });
    Ok(Created::Done(resource))
}
