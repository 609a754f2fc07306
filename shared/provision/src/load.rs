//! Loading one user: the lease, the record, the references, and the account if it has to be read.

use model::{
    CreateIntent, Desired, DesiredUser, GoneAccount, OwnedAccount, Status, UnixSeconds, UserName, UserRecord,
    Value,
};
use scim::{LocatedAccount, Resource, Target, TargetError};
use store::{StoreError, UserLease, UserOutcome, UserReferences};

use crate::references::{is_missing, recheck_seconds, resolve};
use crate::{Outcome, Provisioner};

/// A user under its lease, as the directory last said it should be.
pub(crate) struct LoadedUser {
    /// The lease, with the record.
    pub(crate) lease: UserLease,
    /// What the account should be, with accounts in the place of references, as far as they have any.
    pub(crate) desired: Desired,
    /// The references and their accounts.
    pub(crate) references: UserReferences,
}

/// The account of a user at the target.
pub(crate) enum FoundAccount {
    /// There is none.
    None,
    /// The linked one.
    Linked(OwnedAccount, Resource),
    /// One with the user's name that is not linked to this user.
    Unlinked(Resource),
}

impl FoundAccount {
    /// The account as the target shows it.
    pub(crate) fn resource(&self) -> Option<&Resource> {
        match self {
            Self::None => None,
            Self::Linked(_, resource) | Self::Unlinked(resource) => Some(resource),
        }
    }
}

/// Loads a user that `is_due` accepts. `Err` is the outcome where nothing is to be done.
pub(crate) async fn load(
    provisioner: &Provisioner<'_>,
    lease: UserLease,
    is_due: impl Fn(&UserLease) -> Result<(), Outcome>,
) -> Result<Result<LoadedUser, Outcome>, StoreError> {
    let store = provisioner.store;
    let due = is_due(&lease);
    let (Ok(()), Some(desired)) = (&due, &lease.record.desired) else {
        store.return_lease(lease).await?;
        return Ok(Err(due.err().unwrap_or(Outcome::NothingToDo)));
    };
    let mut resolved = resolve(store, desired).await?;
    let is_recheck = lease.record.status == Status::InSync;
    if is_recheck && resolved.references == *lease.references() {
        put_off_recheck(provisioner, lease).await?;
        return Ok(Err(Outcome::NothingToDo));
    }
    let missing = resolved.missing();
    if !missing.is_empty() {
        // A user that is linked from here on finds this one; one that was linked before is found by looking again.
        store.register_missing(&lease.record.anchor, &missing).await?;
        resolved = resolve(store, desired).await?;
    }
    Ok(Ok(LoadedUser { lease, desired: resolved.desired, references: resolved.references }))
}

/// Rechecks the same references again later.
async fn put_off_recheck(provisioner: &Provisioner<'_>, lease: UserLease) -> Result<(), StoreError> {
    let now = (provisioner.clock)();
    let attempts = lease.record.attempts.saturating_add(1);
    let references = lease.references().clone();
    let next_attempt = match is_missing(&references) {
        true => now.plus(recheck_seconds(attempts)),
        false => UnixSeconds(0),
    };
    let outcome = UserOutcome {
        applied: None,
        status: Status::InSync,
        attempts,
        next_attempt,
        references,
        event: None,
    };
    provisioner.store.write_outcome(lease, outcome, now).await.map(drop)
}

/// The account at the target, and what has become of a link.
pub(crate) struct FetchedAccount {
    /// The account.
    pub(crate) found: FoundAccount,
    /// The linked account is gone.
    pub(crate) gone: Option<GoneLink>,
}

/// A link to an account that is gone.
pub(crate) struct GoneLink {
    /// The proof, with which the link is dropped.
    pub(crate) proof: GoneAccount,
    /// Another account with the last known user name.
    pub(crate) namesake: Option<Resource>,
}

/// The name under which the linked account was last known.
pub(crate) fn last_known_name(record: &UserRecord) -> Option<&UserName> {
    let applied = record.link.as_ref().and_then(|link| link.applied.as_ref());
    applied.and_then(|applied| applied.user_name.as_ref()).or_else(|| record.user_name())
}

/// Reads the account: the linked one by its id, else one by the user name. `record` is the stored record, if any.
pub(crate) async fn fetch_account(
    target: &Target,
    record: Option<&UserRecord>,
    desired: &Desired,
) -> Result<FetchedAccount, TargetError> {
    let mut gone = None;
    if let Some((record, account)) = record.and_then(|record| Some((record, store::owned(record)?))) {
        match target.locate(&account, last_known_name(record)).await? {
            LocatedAccount::There(resource) => {
                return Ok(FetchedAccount { found: FoundAccount::Linked(account, resource), gone: None });
            }
            LocatedAccount::Gone { proof, namesake } => gone = Some(GoneLink { proof, namesake }),
        }
    }
    let found = match (asked_name(desired), &gone) {
        (None, _) => None,
        // The same look-up was part of the proof.
        (Some(name), Some(gone)) if record.and_then(last_known_name) == Some(name) => gone.namesake.clone(),
        (Some(name), _) => target.find_by_user_name(name).await?,
    };
    Ok(FetchedAccount { found: found.map_or(FoundAccount::None, FoundAccount::Unlinked), gone })
}

/// The name that an account without a link is looked for by. A user out of scope has no claim to such an account.
pub(crate) fn asked_name(desired: &Desired) -> Option<&UserName> {
    match desired {
        Desired::Present(user) => Some(&user.user_name),
        Desired::Absent { user_name, reason: model::DeprovisionReason::Disabled } => user_name.as_ref(),
        Desired::Absent { .. } => None,
    }
}

/// Finds the account that an earlier POST with an unknown outcome may have created. No account had its name before that
/// POST. An account with another external id than was sent belongs to another owner.
pub(crate) async fn find_intended(
    target: &Target,
    intent: &CreateIntent,
) -> Result<Option<Resource>, TargetError> {
    let found = target.find_by_user_name(&intent.user_name).await?;
    let is_ours = |resource: &Resource| match (
        &intent.external_id,
        resource.account.attributes.get(&"externalId".into()),
    ) {
        (Some(sent), Some(shown)) => *shown == Value::Text(sent.clone()),
        _ => true,
    };
    Ok(found.filter(is_ours))
}

/// Most pages that are listed for an account that exists but is not found by a filter.
const MAX_PAGES: usize = 100;

/// Finds the account that made the target refuse a creation: under the same user name, created meanwhile or spelled
/// otherwise, or under the same external id. The last one has another name: it is not
/// linked, and a person decides.
pub(crate) async fn find_obstacle(
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
        TargetError::Conflict { .. } => target.find_by_listing(&user.user_name, MAX_PAGES).await,
        _ => Ok(None),
    }
}
