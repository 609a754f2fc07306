//! Executing decisions: every call that changes an account is made here.

use model::{AccountId, Anchor, CreateIntent, DeprovisionReason, Desired, DisabledOption, OwnedAccount};
use plan::{AttributeDifference, BlindDecision, Decision, differences};
use scim::{DeleteOutcome, Resource, TargetError};
use store::{AccountClaim, Store, StoreError, UserLease};

use crate::decide::{decide, decide_blind, is_planned};
use crate::load::{FoundAccount, LoadedUser, fetch_account, find_intended, find_obstacle};
use crate::outcome::deactivates;
use crate::{Action, Provisioner};

/// What the target was made to do, and how it ended.
pub(crate) struct Execution {
    /// Actions performed, in order.
    pub(crate) actions: Vec<Action>,
    /// The account as the target's last answer shows it.
    pub(crate) account: ExecutedAccount,
    /// How it ended.
    pub(crate) result: ExecutionResult,
    /// Whether the target answered.
    pub(crate) contacted: bool,
}

/// State of the account after the last answer.
pub(crate) enum ExecutedAccount {
    /// No answer showed what has to be remembered.
    Unknown,
    /// Created just now, equal to the desired user, and not linked yet.
    Created(Resource),
    /// Equal to the desired user, except for what the target keeps otherwise.
    Desired(Resource),
    /// Inactive. Its attributes were not compared.
    Inactive(Resource),
}

/// How an execution ended.
pub(crate) enum ExecutionResult {
    /// The account equals the desired user, or there is nothing to do.
    InSync,
    /// The account is inactive, and is to be deleted later.
    PendingDeletion(DeprovisionReason),
    /// The safeguard has not released this removal yet.
    AwaitsSafeguard(DeprovisionReason),
    /// The option that the action needs is off.
    Skipped(DisabledOption),
    /// Another entry owns the account.
    Conflict {
        /// That entry.
        owner: Anchor,
    },
    /// The action is not part of the approved plan.
    NotPlanned,
    /// The record changed before an account was created.
    Outdated,
    /// The target refused the request or could not be reached.
    Failed(TargetError),
}

/// A failure of the state or of the target.
#[derive(Debug)]
pub(crate) enum ExecutionError {
    /// The state can't be read or written.
    Store(StoreError),
    /// The target refused the request or could not be reached.
    Target(TargetError),
}

impl From<StoreError> for ExecutionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TargetError> for ExecutionError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

/// What follows one decision.
enum NextStep {
    /// Decide again, on this account.
    Decide(FoundAccount),
    /// Nothing more is to be done.
    End(ExecutedAccount, ExecutionResult),
}

/// Each decision changes the situation for the next one: link, then update. No user takes more decisions than this.
const MAX_DECISIONS: usize = 4;

/// Decides and calls the target until nothing is left to do. With a plan, only planned actions are performed.
pub(crate) async fn execute(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    planned: Option<&[Decision]>,
) -> Result<Execution, StoreError> {
    let mut actions = Vec::new();
    let (account, result) = match perform_all(provisioner, user, planned, &mut actions).await {
        Ok(end) => end,
        Err(ExecutionError::Target(error)) => (ExecutedAccount::Unknown, ExecutionResult::Failed(error)),
        Err(ExecutionError::Store(error)) => return Err(error),
    };
    let contacted = !actions.is_empty()
        || matches!(user.desired, Desired::Present(_))
        || !matches!((&account, &result), (ExecutedAccount::Unknown, ExecutionResult::InSync));
    Ok(Execution { actions, account, result, contacted })
}

async fn perform_all(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    planned: Option<&[Decision]>,
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let Provisioner { store, target, options, .. } = *provisioner;
    // A plan was approved for the account as it was read.
    if planned.is_none()
        && let Some(decision) = decide_blind(user, options)
    {
        match perform_blind(provisioner, user, decision, actions).await {
            Ok(Some((account, result))) => return Ok((account, result)),
            Ok(None) => {}
            Err(ExecutionError::Target(TargetError::NotFound)) => {
                drop_link(store, &mut user.lease, actions).await?;
            }
            Err(error) => return Err(error),
        }
    }
    let mut account = match link_intended(provisioner, user, actions).await? {
        Some(account) => account,
        None => {
            let linked = store::owned(&user.lease.record);
            let (account, gone) = fetch_account(target, linked, &user.desired).await?;
            if gone {
                drop_link(store, &mut user.lease, actions).await?;
            }
            account
        }
    };
    for _ in 0..MAX_DECISIONS {
        let decision = decide(user, &account, options);
        if planned.is_some_and(|planned| !is_planned(&decision, planned)) {
            return Ok((ExecutedAccount::Unknown, ExecutionResult::NotPlanned));
        }
        match perform(provisioner, user, (decision, account), actions).await? {
            NextStep::Decide(next) => account = next,
            NextStep::End(account, result) => return Ok((account, result)),
        }
    }
    Ok((ExecutedAccount::Unknown, ExecutionResult::InSync))
}

/// Performs an action without reading the account first. `None`: nothing was done, the account has to be read.
async fn perform_blind(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    decision: BlindDecision,
    actions: &mut Vec<Action>,
) -> Result<Option<(ExecutedAccount, ExecutionResult)>, ExecutionError> {
    let target = provisioner.target;
    let Some(owned) = store::owned(&user.lease.record) else { return Ok(None) };
    let (changes, mut differing) = match (decision, &user.desired) {
        (BlindDecision::Deactivate(reason), _) => {
            return deactivate(provisioner, user, (&owned, reason), actions).await.map(Some);
        }
        (BlindDecision::Update { changes, differences }, Desired::Present(_)) => (changes, differences),
        (BlindDecision::Update { .. }, Desired::Absent { .. }) => return Ok(None),
    };
    let Desired::Present(desired) = &user.desired else { return Ok(None) };
    let shown = match target.update_blind(&owned, &changes, desired).await {
        Ok(Some(shown)) => shown,
        Ok(None) => return Ok(None),
        // A disabled user loses access even where the rest is refused, and for that the account is read.
        Err(TargetError::Conflict { .. }) if deactivates(&differing) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The answer shows what was changed at the target since the last sync.
    let drifted = differences(desired, &shown.account);
    let shown = if drifted.is_empty() { shown } else { target.update(&owned, &shown, desired).await? };
    let is_new = |it: &AttributeDifference| differing.iter().all(|known| known.attribute != it.attribute);
    let more: Vec<AttributeDifference> = drifted.into_iter().filter(is_new).collect();
    differing.extend(more);
    actions.push(Action::Update(differing));
    Ok(Some((ExecutedAccount::Desired(shown), ExecutionResult::InSync)))
}

/// Performs one decision on the account that was found.
async fn perform(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    (decision, account): (Decision, FoundAccount),
    actions: &mut Vec<Action>,
) -> Result<NextStep, ExecutionError> {
    let in_sync = |account| NextStep::End(account, ExecutionResult::InSync);
    Ok(match (decision, account) {
        (Decision::Nothing, FoundAccount::Linked(_, resource)) => in_sync(match &user.desired {
            Desired::Present(_) => ExecutedAccount::Desired(resource),
            Desired::Absent { .. } => ExecutedAccount::Inactive(resource),
        }),
        (Decision::Create, _) => return create(provisioner, user, actions).await,
        (Decision::Link, FoundAccount::Unlinked(resource)) => {
            return link(provisioner, user, resource, actions).await;
        }
        (Decision::Update(found), FoundAccount::Linked(owned, resource)) => {
            let (account, result) = update(provisioner, user, (&owned, &resource, found), actions).await?;
            NextStep::End(account, result)
        }
        (Decision::Deactivate(reason), FoundAccount::Linked(owned, _)) => {
            let (account, result) = deactivate(provisioner, user, (&owned, reason), actions).await?;
            NextStep::End(account, result)
        }
        (Decision::Delete(reason), FoundAccount::Linked(owned, _)) => {
            in_sync(delete(provisioner, &mut user.lease, (&owned, reason), actions).await?)
        }
        (Decision::AwaitSafeguard(reason), _) => {
            NextStep::End(ExecutedAccount::Unknown, ExecutionResult::AwaitsSafeguard(reason))
        }
        (Decision::Skipped(by), _) => NextStep::End(ExecutedAccount::Unknown, ExecutionResult::Skipped(by)),
        _ => in_sync(ExecutedAccount::Unknown),
    })
}

/// Creates an account. The intent is stored first.
async fn create(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<NextStep, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    let Desired::Present(desired) = &user.desired else {
        return Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::InSync));
    };
    let is_first = user.lease.record.create_intent.is_none();
    if !store.store_create_intent(&mut user.lease, CreateIntent::of(desired)).await? {
        return Ok(NextStep::End(ExecutedAccount::Unknown, ExecutionResult::Outdated));
    }
    let (found, error) = match target.create(desired).await {
        Ok(resource) => {
            actions.push(Action::Create { inactive: !desired.active });
            return Ok(NextStep::End(ExecutedAccount::Created(resource), ExecutionResult::InSync));
        }
        // How a duplicate is answered differs between servers, so every refusal is checked.
        Err(refusal @ (TargetError::Conflict { .. } | TargetError::Rejected { .. })) => {
            let found = find_obstacle(target, desired, &refusal).await?;
            // The account of an earlier intent may be the reason for the refusal.
            if is_first {
                user.lease.record.create_intent = None;
            }
            (found, refusal)
        }
        // The answer was lost or can't be used; the account may have been created.
        Err(error @ (TargetError::Unavailable { .. } | TargetError::Malformed { .. })) => {
            (target.find_by_user_name(&desired.user_name).await.ok().flatten(), error)
        }
        Err(error) => return Err(error.into()),
    };
    let found = found.ok_or(ExecutionError::Target(error))?;
    Ok(NextStep::Decide(FoundAccount::Unlinked(found)))
}

/// Links the account that was found.
async fn link(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    resource: Resource,
    actions: &mut Vec<Action>,
) -> Result<NextStep, ExecutionError> {
    let result = match claim(provisioner.store, &mut user.lease, &resource.account.id).await? {
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
async fn link_intended(
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
    match claim(provisioner.store, &mut user.lease, &resource.account.id).await? {
        AccountClaim::Owned(owned) => {
            actions.push(Action::Link);
            Ok(Some(FoundAccount::Linked(owned, resource)))
        }
        // Another entry has been linked meanwhile, and has the name by now.
        AccountClaim::OwnedBy(_) => Ok(None),
    }
}

/// Links an account to the user, unless another entry owns it. The account of an entry that is gone passes to the user.
pub(crate) async fn claim(
    store: &Store,
    lease: &mut UserLease,
    account: &AccountId,
) -> Result<AccountClaim, ExecutionError> {
    let owner = match store.claim_account(lease, account).await? {
        AccountClaim::OwnedBy(owner) => owner,
        owned => return Ok(owned),
    };
    let Some(Desired::Present(user)) = &lease.record.desired else { return Ok(AccountClaim::OwnedBy(owner)) };
    let name = user.user_name.clone();
    match store.fetch_record(owner.hash()).await? {
        Some(other) if !matches!(other.desired, Some(Desired::Present(_))) => {
            let account = store.take_over_account(lease, account, &other.anchor).await?;
            Ok(account.map_or(AccountClaim::OwnedBy(owner), AccountClaim::Owned))
        }
        Some(other) if other.user_name().is_some_and(|its| *its != name) => {
            let detail = "the account with this user name belongs to another user, and that user's name is about to change";
            Err(TargetError::Conflict { detail: detail.to_owned() }.into())
        }
        _ => Ok(AccountClaim::OwnedBy(owner)),
    }
}

async fn update(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (owned, resource, found): (&OwnedAccount, &Resource, Vec<AttributeDifference>),
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let target = provisioner.target;
    let Desired::Present(desired) = &user.desired else {
        return Ok((ExecutedAccount::Unknown, ExecutionResult::InSync));
    };
    match target.update(owned, resource, desired).await {
        Ok(updated) => {
            actions.push(Action::Update(found));
            Ok((ExecutedAccount::Desired(updated), ExecutionResult::InSync))
        }
        // A disabled user loses access even where the rest is refused.
        Err(refusal @ (TargetError::Conflict { .. } | TargetError::Rejected { .. }))
            if resource.account.active && !desired.active =>
        {
            let resource = target.set_active(owned, false).await?;
            actions.push(Action::Deactivate(DeprovisionReason::Disabled));
            Ok((ExecutedAccount::Inactive(resource), ExecutionResult::Failed(refusal)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn deactivate(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (owned, reason): (&OwnedAccount, DeprovisionReason),
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let resource = provisioner.target.set_active(owned, false).await?;
    actions.push(Action::Deactivate(reason));
    let is_deleted_later = provisioner.options.delete_after_days.is_some();
    let result = match &user.desired {
        Desired::Absent { .. } if is_deleted_later => ExecutionResult::PendingDeletion(reason),
        _ => ExecutionResult::InSync,
    };
    Ok((ExecutedAccount::Inactive(resource), result))
}

async fn delete(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    (owned, reason): (&OwnedAccount, DeprovisionReason),
    actions: &mut Vec<Action>,
) -> Result<ExecutedAccount, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    match target.delete(owned).await? {
        DeleteOutcome::Deleted | DeleteOutcome::AlreadyGone => {
            store.drop_link(lease).await?;
            actions.push(Action::Delete(reason));
            Ok(ExecutedAccount::Unknown)
        }
        DeleteOutcome::Refused { .. } => {
            let resource = target.set_active(owned, false).await?;
            actions.push(Action::DeactivateInstead(reason));
            Ok(ExecutedAccount::Inactive(resource))
        }
    }
}

/// The account is gone from the target.
async fn drop_link(
    store: &Store,
    lease: &mut UserLease,
    actions: &mut Vec<Action>,
) -> Result<(), ExecutionError> {
    store.drop_link(lease).await?;
    actions.push(Action::AccountGone);
    Ok(())
}

/// Attributes that the target keeps otherwise than was sent.
pub(crate) fn kept_by_target(desired: &Desired, account: &ExecutedAccount) -> Vec<AttributeDifference> {
    match (desired, account) {
        (Desired::Present(user), ExecutedAccount::Created(resource) | ExecutedAccount::Desired(resource)) => {
            differences(user, &resource.account)
        }
        _ => Vec::new(),
    }
}
