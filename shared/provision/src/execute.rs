//! Executing decisions, one after the other, until nothing is left to do. Every call that changes an account is made here and in
//! `adopt`, `update` and `remove`.

use model::Desired;
use plan::{BlindDecision, Decision};
use scim::{InactiveResource, TargetError};
use store::{LinkDrop, StoreError};

use crate::adopt::{create, link, link_intended};
use crate::decide::{decide, decide_blind, is_planned};
use crate::error::ExecutionError;
use crate::error_response::FailureScope;
use crate::execution::{ExecutedAccount, Execution, ExecutionResult, NextStep};
use crate::free_name::{NameConflict, free_name};
use crate::load::{FetchedAccount, FoundAccount, LoadedUser, fetch_account};
use crate::remove::{deactivate, delete, drop_link};
use crate::update::{update, update_blind};
use crate::{Action, Provisioner, siblings};

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
    let mut name = NameConflict::Remains;
    if let Err(ExecutionError::Target(TargetError::Conflict { .. })) = &end {
        name = resolve_conflict(provisioner, user, &mut actions).await?;
        if name == NameConflict::Freed {
            end = perform_all(provisioner, user, planned, &mut actions).await;
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
    Ok(Execution { actions, account, result, contacted, scope, name })
}

/// Frees the name after a conflict. An error of the target while it is freed hides no conflict.
async fn resolve_conflict(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<NameConflict, StoreError> {
    match free_name(provisioner, user, actions).await {
        Ok(conflict) => Ok(conflict),
        Err(ExecutionError::Target(error)) => {
            tracing::warn!("the user name was not freed: {error}");
            Ok(NameConflict::Remains)
        }
        Err(ExecutionError::Store(error)) => Err(error),
    }
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
    if options.may_deprovision()
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
        None => match find_account(provisioner, user, actions).await? {
            Some(account) => account,
            None => return Ok((ExecutedAccount::Unknown, ExecutionResult::LinkKept)),
        },
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

/// Finds the account. A link to an account that is gone is dropped. `None`: the limit on dropped links is reached.
async fn find_account(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<Option<FoundAccount>, ExecutionError> {
    let record = &user.lease.record;
    let FetchedAccount { found, gone } =
        fetch_account(provisioner.target, Some(record), &user.desired).await?;
    if let Some(gone) = gone {
        if drop_link(provisioner, user, gone).await? == LinkDrop::OverLimit {
            return Ok(None);
        }
        actions.push(Action::AccountGone);
    }
    Ok(Some(found))
}

/// Performs an action without reading the account first. `None`: nothing was done, the account has to be read.
async fn perform_blind(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    decision: BlindDecision,
    actions: &mut Vec<Action>,
) -> Result<Option<(ExecutedAccount, ExecutionResult)>, ExecutionError> {
    let Some(owned) = store::owned(&user.lease.record) else { return Ok(None) };
    match decision {
        BlindDecision::Deactivate(reason) => {
            deactivate(provisioner, user, (&owned, reason), actions).await.map(Some)
        }
        BlindDecision::Update { changes, differences } => {
            update_blind(provisioner, user, (&owned, &changes, differences), actions).await
        }
    }
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
