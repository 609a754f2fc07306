//! Executing decisions: every call that changes an account is made here.

use model::{
    Anchor, CreateIntent, DeprovisionReason, Desired, DesiredUser, DisabledOption, MatchedAccount,
    OwnedAccount, Value,
};
use plan::{AttributeDifference, BlindDecision, Decision, differences};
use scim::{DeleteOutcome, InactiveResource, LocatedAccount, Resource, TargetError};
use store::{AccountClaim, StoreError};

use crate::decide::{decide, decide_blind, is_planned};
use crate::error::ExecutionError;
use crate::error_response::FailureScope;
use crate::link::{claim, match_name};
use crate::load::{
    FetchedAccount, FoundAccount, GoneLink, LoadedUser, asked_name, fetch_account, find_intended,
    find_obstacle, last_known_name,
};
use crate::outcome::deactivates;
use crate::{Action, Provisioner, siblings};

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
    /// Users that a failure concerns.
    pub(crate) scope: FailureScope,
}

/// State of the account after the last answer.
pub(crate) enum ExecutedAccount {
    /// No answer showed what has to be remembered.
    Unknown,
    /// Created just now, equal to the desired user, and not linked yet.
    Created(Resource, MatchedAccount),
    /// Equal to the desired user, except for what the target keeps otherwise.
    Desired(Resource),
    /// Inactive, as an answer of the target shows. Its attributes were not compared.
    Inactive(InactiveResource),
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
    let (mut actions, mut scope) = (Vec::new(), FailureScope::User);
    let mut end = perform_all(provisioner, user, planned, &mut actions).await;
    if let Err(ExecutionError::Target(error)) = &end {
        scope = scope_of(provisioner, error).await;
        // A single refused token can be a passing fault of the target.
        if scope == FailureScope::User && matches!(error, TargetError::Unauthorized { .. }) {
            end = perform_all(provisioner, user, planned, &mut actions).await.map_err(refused_for_user);
        }
    }
    let (account, result) = match end {
        Ok((account, result)) => conclude(user, account, result),
        Err(ExecutionError::Target(error)) => (ExecutedAccount::Unknown, ExecutionResult::Failed(error)),
        Err(ExecutionError::Store(error)) => return Err(error),
    };
    let contacted = !actions.is_empty()
        || matches!(user.desired, Desired::Present(_))
        || !matches!((&account, &result), (ExecutedAccount::Unknown, ExecutionResult::InSync));
    Ok(Execution { actions, account, result, contacted, scope })
}

/// Users that a failure concerns. Only a refused or unanswered request for the list of accounts concerns all users: one
/// protected account, or one malformed value, does not.
async fn scope_of(provisioner: &Provisioner<'_>, error: &TargetError) -> FailureScope {
    match error {
        TargetError::Unauthorized { .. }
        | TargetError::Unavailable { .. }
        | TargetError::Malformed { .. } => match provisioner.target.probe().await {
            Ok(()) => FailureScope::User,
            Err(_) => FailureScope::Connection,
        },
        _ => FailureScope::User,
    }
}

/// A refusal of the credentials that concerns one user.
fn refused_for_user(error: ExecutionError) -> ExecutionError {
    match error {
        ExecutionError::Target(TargetError::Unauthorized { detail }) => {
            let detail = format!("{detail}; the target serves other requests with this access token");
            TargetError::Rejected { attribute: None, detail }.into()
        }
        error => error,
    }
}

/// The end of an execution. A user that is to have no active account is in sync only without a link, or with an answer
/// that shows the account inactive.
fn conclude(
    user: &LoadedUser,
    account: ExecutedAccount,
    result: ExecutionResult,
) -> (ExecutedAccount, ExecutionResult) {
    let is_end = matches!(result, ExecutionResult::InSync | ExecutionResult::PendingDeletion(_));
    if !is_end || user.desired.is_active() {
        return (account, result);
    }
    let is_off = match &account {
        ExecutedAccount::Inactive(_) => true,
        ExecutedAccount::Created(resource, _) | ExecutedAccount::Desired(resource) => {
            InactiveResource::shown(resource.clone()).is_some()
        }
        ExecutedAccount::Unknown => user.lease.record.link.is_none(),
    };
    if is_off {
        return (account, result);
    }
    let detail = "no answer of the target shows the account inactive".to_owned();
    (ExecutedAccount::Unknown, ExecutionResult::Failed(TargetError::NotApplied { detail }))
}

async fn perform_all(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    planned: Option<&[Decision]>,
    actions: &mut Vec<Action>,
) -> Result<(ExecutedAccount, ExecutionResult), ExecutionError> {
    let Provisioner { store, options, .. } = *provisioner;
    if options.deprovision
        && user.lease.record.removal_released
        && let Some(claim) = siblings::find_claim(store, &user.lease.record, &user.desired).await?
    {
        store.give_up_account(&mut user.lease, &claim).await?;
        actions.push(Action::PassTo { connection: claim.connection().to_owned() });
        return Ok((ExecutedAccount::Unknown, ExecutionResult::InSync));
    }
    // A plan was approved for the account as it was read.
    if planned.is_none()
        && let Some(decision) = decide_blind(user, options)
    {
        match perform_blind(provisioner, user, decision, actions).await {
            Ok(Some((account, result))) => return Ok((account, result)),
            // Reading the account shows whether it is gone.
            Ok(None) | Err(ExecutionError::Target(TargetError::NotFound)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut account = match link_intended(provisioner, user, actions).await? {
        Some(account) => account,
        None => find_account(provisioner, user, actions).await?,
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

/// Finds the account. A link to an account that is gone is dropped.
async fn find_account(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<FoundAccount, ExecutionError> {
    let record = &user.lease.record;
    let FetchedAccount { found, gone } =
        fetch_account(provisioner.target, Some(record), &user.desired).await?;
    if let Some(gone) = gone {
        drop_link(provisioner, user, gone).await?;
        actions.push(Action::AccountGone);
    }
    Ok(found)
}

/// Drops the link to an account that is gone. If the user has left, and another account has its name, a person has to
/// decide whether that one is the user's: the target may have given all accounts new ids.
async fn drop_link(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    GoneLink { proof, namesake }: GoneLink,
) -> Result<(), ExecutionError> {
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
    Ok(store.drop_link(&mut user.lease, &proof).await?)
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
    let mut drifted = differences(desired, &shown.account);
    let is_new = |it: &AttributeDifference| differing.iter().all(|known| known.attribute != it.attribute);
    if let Some(applied) = user.lease.record.link.as_ref().and_then(|link| link.applied.as_ref()) {
        drifted.retain(|it| !is_new(it) || !applied.keeps(&it.attribute, it.from.as_ref()));
    }
    let shown = if drifted.is_empty() { shown } else { target.update(&owned, &shown, desired).await? };
    if is_ignored(provisioner, user, (&drifted, &shown)) {
        let detail = "the account shows none of the changed values".to_owned();
        return Err(TargetError::NotApplied { detail }.into());
    }
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
            Desired::Absent { .. } => {
                InactiveResource::shown(resource).map_or(ExecutedAccount::Unknown, ExecutedAccount::Inactive)
            }
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
        (Decision::Delete(reason), FoundAccount::Linked(owned, resource)) => {
            in_sync(delete(provisioner, user, (&owned, &resource, reason), actions).await?)
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
async fn link(
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

/// Whether an update had no effect: every value that was to be replaced is still there. What a target makes of a value,
/// such as lower case, and what it never changes, is left to it.
fn is_ignored(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    (found, updated): (&[AttributeDifference], &Resource),
) -> bool {
    let Desired::Present(desired) = &user.desired else { return false };
    let applied = user.lease.record.link.as_ref().and_then(|link| link.applied.as_ref());
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

async fn deactivate(
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
async fn delete(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    (owned, resource, reason): (&OwnedAccount, &Resource, DeprovisionReason),
    actions: &mut Vec<Action>,
) -> Result<ExecutedAccount, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    let name = last_known_name(&user.lease.record).cloned();
    let proof = match target.delete(owned, name.as_ref()).await? {
        DeleteOutcome::Gone(proof) => proof,
        // An inactive account can wait for a target that is well again.
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
fn first_of(refusal: TargetError, error: TargetError) -> TargetError {
    if error.is_refusal() { refusal } else { error }
}

/// Attributes that the target keeps otherwise than was sent.
pub(crate) fn kept_by_target(desired: &Desired, account: &ExecutedAccount) -> Vec<AttributeDifference> {
    match (desired, account) {
        (
            Desired::Present(user),
            ExecutedAccount::Created(resource, _) | ExecutedAccount::Desired(resource),
        ) => differences(user, &resource.account),
        _ => Vec::new(),
    }
}
