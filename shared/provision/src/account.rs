//! Finding the account of a user.

use model::{CreateIntent, Desired, DesiredUser, OwnedAccount, Value};
use scim::{Resource, Target, TargetError};
use store::{AccountClaim, Store, StoreError, UserLease};

/// A failure on either side.
#[derive(Debug)]
pub(crate) enum Failure {
    Store(StoreError),
    Target(TargetError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// An account that was found for a user.
pub(crate) enum Found {
    /// None.
    Nothing,
    /// The linked one.
    Linked(OwnedAccount, Resource),
    /// One with the user's name, not linked to this user.
    Unlinked(Resource),
}

/// Looks for the account: the linked one by its id, else one by the user name. Says too whether a linked account
/// turned out to be gone.
pub(crate) async fn fetch_account(
    target: &Target,
    linked: Option<OwnedAccount>,
    desired: &Desired,
) -> Result<(Found, bool), TargetError> {
    let mut gone = false;
    if let Some(account) = linked {
        match target.fetch(account.id()).await {
            Ok(resource) => return Ok((Found::Linked(account, resource), false)),
            Err(TargetError::NotFound) => gone = true,
            Err(error) => return Err(error),
        }
    }
    let found = match desired {
        Desired::Present(user) => target.find_by_user_name(&user.user_name).await?,
        // An account without a link is looked for only if the entry is still in scope: disabled.
        Desired::Absent { user_name: Some(name), reason: model::DeprovisionReason::Disabled } => {
            target.find_by_user_name(name).await?
        }
        Desired::Absent { .. } => None,
    };
    Ok((found.map_or(Found::Nothing, Found::Unlinked), gone))
}

/// The account that a creation may have made. Nobody had its name right before; one with another external id than was sent
/// is somebody else's all the same.
pub(crate) async fn find_tried(
    target: &Target,
    tried: &CreateIntent,
) -> Result<Option<Resource>, TargetError> {
    let found = target.find_by_user_name(&tried.user_name).await?;
    let is_ours = |resource: &Resource| match (
        &tried.external_id,
        resource.account.attributes.get(&"externalId".into()),
    ) {
        (Some(sent), Some(shown)) => *shown == Value::Text(sent.clone()),
        _ => true,
    };
    Ok(found.filter(is_ours))
}

/// How many pages are read for somebody whom the target has and doesn't find.
const PAGES: usize = 100;

/// Looks again after the target refused to create an account, because it may be there after all: under the same
/// user name, made in the meantime or spelled otherwise, or under the same external id.
pub(crate) async fn look_again(
    target: &Target,
    user: &DesiredUser,
    refusal: &TargetError,
) -> Result<Option<Resource>, TargetError> {
    if let Some(found) = target.find_by_user_name(&user.user_name).await? {
        return Ok(Some(found));
    }
    if let Some(id) = user.external_id()
        && let Some(found) = target.find_by_external_id(id).await?
    {
        return Ok(Some(found));
    }
    match refusal {
        TargetError::Conflict { .. } => target.find_by_listing(&user.user_name, PAGES).await,
        _ => Ok(None),
    }
}

/// Makes an account ours, if it is nobody else's. The account of an entry that is gone passes on, and one that is about
/// to give the name up is waited for.
pub(crate) async fn claim(
    store: &Store,
    lease: &mut UserLease,
    resource: &Resource,
) -> Result<AccountClaim, Failure> {
    let account = &resource.account.id;
    let owner = match store.claim_account(lease, account).await? {
        AccountClaim::OwnedBy(owner) => owner,
        owned => return Ok(owned),
    };
    let Some(Desired::Present(user)) = &lease.record.desired else { return Ok(AccountClaim::OwnedBy(owner)) };
    let name = user.user_name.clone();
    match store.fetch_record(owner.hash()).await? {
        Some(other) if !matches!(other.desired, Some(Desired::Present(_))) => {
            let account = store.take_over_account(lease, account, &other).await?;
            Ok(account.map_or(AccountClaim::OwnedBy(owner), AccountClaim::Owned))
        }
        Some(other) if other.user_name().is_some_and(|its| *its != name) => {
            let detail = "the account that has this name is about to get another".to_owned();
            Err(TargetError::Conflict { detail }.into())
        }
        _ => Ok(AccountClaim::OwnedBy(owner)),
    }
}
