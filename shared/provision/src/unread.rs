//! One call, without reading the account first, where it is known for sure what the account was left as.
//!
//! It is known where the record says what was applied and nobody may have sent anything since of which nothing was heard.
//! What somebody else did to the account is then not seen before the call; but an answer shows the account as it is now,
//! and what differs in it is put right at once.

use std::collections::BTreeMap;

use model::{Account, Desired, DesiredUser, Managed, OwnedAccount, Value};
use plan::{AttributeDifference, Decision, Situation, decide, differences};
use scim::{Resource, TargetError};
use store::UserLease;

use crate::account::Failure;
use crate::apply::Work;
use crate::{Provisioner, Step};

/// What came of it.
pub(crate) enum Unread {
    /// All that there was to do is done. The account as it is now, where somebody should have it.
    Done(Option<Resource>),
    /// The account is gone.
    Gone,
    /// Nothing was done: the account has to be read.
    MustRead,
}

/// Does what there is to do to a linked account, if that can be told and done without reading it.
pub(crate) async fn work_unread(
    provisioner: &Provisioner<'_>,
    lease: &UserLease,
    desired: &Desired,
    work: &mut Work,
) -> Result<Unread, Failure> {
    let Provisioner { target, options, .. } = *provisioner;
    let (Some(owned), Some(left)) = (store::owned(&lease.record), Left::known(lease, desired)) else {
        return Ok(Unread::MustRead);
    };
    let situation = Situation {
        desired,
        linked: true,
        account: Some(&left.account),
        removal_released: lease.record.removal_released,
        // An account is deleted only after it was seen.
        deletion_due: false,
        options,
    };
    let done = match (decide(&situation), desired, &left.user) {
        (Decision::Deactivate(reason), _, _) => match target.set_active(&owned, false).await {
            Ok(resource) => {
                work.switched_off(reason, &resource, options.delete_after_days, desired);
                Ok(Unread::Done(None))
            }
            Err(error) => Err(error),
        },
        (Decision::Update(found), Desired::Present(user), Some(before)) => {
            update(provisioner, &owned, (before, user), found, work).await
        }
        _ => return Ok(Unread::MustRead),
    };
    match done {
        Err(TargetError::NotFound) => Ok(Unread::Gone),
        done => Ok(done?),
    }
}

async fn update(
    provisioner: &Provisioner<'_>,
    owned: &OwnedAccount,
    (before, user): (&DesiredUser, &DesiredUser),
    mut found: Vec<AttributeDifference>,
    work: &mut Work,
) -> Result<Unread, TargetError> {
    let target = provisioner.target;
    let shown = match target.update_unread(owned, before, user).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return Ok(Unread::MustRead),
        // Somebody disabled loses the account all the same, and for that it is looked at.
        Err(TargetError::Conflict { .. }) if before.active && !user.active => return Ok(Unread::MustRead),
        Err(error) => return Err(error),
    };
    let drifted = differences(user, &shown.account);
    let shown = if drifted.is_empty() { shown } else { target.update(owned, &shown, user).await? };
    let is_new = |it: &AttributeDifference| found.iter().all(|known| known.attribute != it.attribute);
    let more: Vec<AttributeDifference> = drifted.into_iter().filter(is_new).collect();
    found.extend(more);
    work.steps.push(Step::Updated(found));
    Ok(Unread::Done(Some(shown)))
}

/// What an account was left as.
struct Left {
    account: Account,
    /// The user whom it was made; `None` where that is not needed.
    user: Option<DesiredUser>,
}

impl Left {
    /// What is known of it, if that is enough. An account that was left inactive is read before anything is done to it.
    fn known(lease: &UserLease, desired: &Desired) -> Option<Self> {
        let link = lease.record.link.as_ref().filter(|_| lease.is_sure())?;
        let applied = link.applied.as_ref().filter(|applied| applied.active)?;
        let user = match desired {
            Desired::Absent { .. } => None,
            Desired::Present(_) => Some(sent(lease, lease.record.applied_user()?)),
        };
        let attributes = user.iter().flat_map(|user| &user.attributes);
        let attributes: BTreeMap<_, _> = attributes
            .filter_map(|(attribute, managed)| match managed {
                Managed::Set(value) => Some((attribute.clone(), value.clone())),
                Managed::Clear => None,
            })
            .collect();
        let account = Account {
            id: link.account.clone(),
            user_name: applied.user_name.as_ref().map(ToString::to_string),
            active: true,
            attributes,
            can_delete: None,
        };
        Some(Self { account, user })
    }
}

/// The user as it was sent: with the accounts that references were then, and without those that could not be resolved.
fn sent(lease: &UserLease, mut user: DesiredUser) -> DesiredUser {
    user.attributes.retain(|_, managed| match managed {
        Managed::Set(value) => match value {
            Value::Reference(dn) => match lease.refers_to().get(dn) {
                Some(account) => {
                    *value = Value::Account(account.clone());
                    true
                }
                None => false,
            },
            _ => true,
        },
        Managed::Clear => true,
    });
    user
}
