//! Recording an outcome: the one place that writes link, applied state, history and status.

use model::{
    AccountId, AccountLink, AppliedState, Desired, Fingerprint, HoldReason, Status, TargetAttribute,
    UnixSeconds, UserName, UserRecord, Value, ValueKind,
};
use plan::AttributeDifference;
use scim::TargetError;
use store::{AccountClaim, HistoryEvent, OutcomeWrite, StoreError, UserOutcome, UserReferences};

use crate::decide::is_pending_deletion;
use crate::error::ExecutionError;
use crate::error_response::{ErrorResponse, FailedAttempt, respond_to_error};
use crate::execution::{ExecutedAccount, Execution, ExecutionResult, kept_by_target};
use crate::free_name::NameConflict;
use crate::link::claim;
use crate::load::LoadedUser;
use crate::outcome::{describe_actions, reason_of_actions};
use crate::references::{is_missing, recheck_seconds, wake_referrers};
use crate::{FollowUp, Outcome, Provisioned, Provisioner};

const DAY: i64 = 86_400;

/// History text of an action that is not part of an approved plan.
const NOT_PLANNED: &str = "the action is not part of the approved plan";

/// What was written of one user.
struct RecordedOutcome {
    record: UserRecord,
    /// The response to a failure.
    response: Option<ErrorResponse>,
    /// Time of the next attempt after a failure.
    retry_at: Option<UnixSeconds>,
    follow_up: FollowUp,
}

/// Writes what was done to a user, and gives the lease back.
pub(crate) async fn record_outcome(
    provisioner: &Provisioner<'_>,
    user: LoadedUser,
    mut execution: Execution,
) -> Result<Provisioned, StoreError> {
    let Provisioner { store, health, clock, .. } = *provisioner;
    if matches!(execution.result, ExecutionResult::Outdated) {
        store.return_lease(user.lease).await?;
        return Ok(Provisioned { outcome: Outcome::Busy, follow_up: FollowUp::Due });
    }
    let now = clock();
    let kept = kept_by_target(&user.desired, &execution.account);
    let waits = is_missing(&user.references);
    let RecordedOutcome { record, response, retry_at, follow_up } =
        write_execution(provisioner, user, &mut execution, now).await?;
    if execution.contacted
        && response.is_none()
        && health.should_record_served(now)
        && let Err(error) = store.record_served(now).await
    {
        log_after_outcome("recording that the target served a request", &error);
    }
    let (anchor, user_name) = (record.anchor.clone(), record.user_name().cloned());
    let Execution { actions, result, .. } = execution;
    let outcome = match result {
        ExecutionResult::InSync | ExecutionResult::PendingDeletion(_) | ExecutionResult::Outdated => {
            Outcome::InSync { anchor, user_name, actions, kept, waits }
        }
        ExecutionResult::AwaitsSafeguard(_) => Outcome::AwaitsSafeguard { anchor, user_name },
        ExecutionResult::Skipped(by) => Outcome::Skipped { anchor, user_name, by, actions },
        ExecutionResult::Conflict { owner } => Outcome::Conflict { anchor, user_name, owner },
        ExecutionResult::NotPlanned => Outcome::NotPlanned { anchor, user_name, actions },
        ExecutionResult::LinkKept => {
            let error = Status::AccountGone.detail().unwrap_or_default();
            Outcome::Failed { anchor, user_name, error, retry_at: None, stop: None }
        }
        ExecutionResult::Failed(error) => {
            let stop = response.and_then(|response| response.stop);
            Outcome::Failed { anchor, user_name, error: error.to_string(), retry_at, stop }
        }
    };
    Ok(Provisioned { outcome, follow_up })
}

/// Logs an error of the state after the outcome was written. The outcome stands, so the user is not provisioned again and
/// the other users of the batch go on.
fn log_after_outcome(step: &str, error: &StoreError) {
    tracing::warn!("after the outcome was written, {step} failed: {error}");
}

/// Writes an execution. An account that was created just now is linked in the same transaction, unless other users wait
/// for it: then link, waking and outcome are written one after the other.
async fn write_execution(
    provisioner: &Provisioner<'_>,
    mut user: LoadedUser,
    execution: &mut Execution,
    now: UnixSeconds,
) -> Result<RecordedOutcome, StoreError> {
    let store = provisioner.store;
    if let ExecutedAccount::Created(resource, matched) = &execution.account {
        let account = resource.account.id.clone();
        let (outcome, response) = outcome_of(provisioner, &user, execution, now);
        if store.write_created_outcome(&user.lease, matched, &outcome).await? {
            let link = Some(AccountLink { account, applied: outcome.applied });
            let record = UserRecord { link, ..user.lease.record };
            // Users that began to wait while the outcome was written. Their recheck finds the account too.
            if let Err(error) = wake_referrers(provisioner, &record).await {
                log_after_outcome("waking users that wait for the account", &error);
            }
            let follow_up = FollowUp::Nothing;
            return Ok(RecordedOutcome { record, response, retry_at: None, follow_up });
        }
        link_created(provisioner, &mut user, execution).await?;
    }
    let record = user.lease.record.clone();
    // Before the outcome: if the worker dies in between, the user is still pending and does it again.
    wake_referrers(provisioner, &record).await?;
    let (outcome, response) = outcome_of(provisioner, &user, execution, now);
    let is_retried = matches!(outcome.status, Status::Retrying { .. } | Status::PendingDeletion { .. });
    let retry_at = is_retried.then_some(outcome.next_attempt);
    let follow_up = match store.write_outcome(user.lease, outcome, now).await? {
        OutcomeWrite::Done => FollowUp::Nothing,
        OutcomeWrite::Outdated => FollowUp::Due,
    };
    Ok(RecordedOutcome { record, response, retry_at, follow_up })
}

/// Links an account that was created just now. If another entry owns it, the user has none.
async fn link_created(
    provisioner: &Provisioner<'_>,
    user: &mut LoadedUser,
    execution: &mut Execution,
) -> Result<(), StoreError> {
    let ExecutedAccount::Created(resource, matched) =
        std::mem::replace(&mut execution.account, ExecutedAccount::Unknown)
    else {
        return Ok(());
    };
    match claim(provisioner.store, &mut user.lease, &matched).await {
        Ok(AccountClaim::Owned(_)) => execution.account = ExecutedAccount::Desired(resource),
        Ok(AccountClaim::OwnedBy(owner)) => execution.result = ExecutionResult::Conflict { owner },
        Err(ExecutionError::Target(error)) => execution.result = ExecutionResult::Failed(error),
        Err(ExecutionError::Store(error)) => return Err(error),
    }
    Ok(())
}

/// The outcome as it is written, and the response to a failure.
fn outcome_of(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    execution: &Execution,
    now: UnixSeconds,
) -> (UserOutcome, Option<ErrorResponse>) {
    let record = &user.lease.record;
    let Execution { actions, account, result, contacted, scope, name } = execution;
    let response = match result {
        ExecutionResult::Failed(error) => {
            // In sync, the attempts count rechecks of references.
            let attempts = if record.status == Status::InSync { 0 } else { record.attempts };
            let may_be_reference = may_be_reference(provisioner, user, error);
            let failed = FailedAttempt {
                user: record.anchor.hash(),
                attempts,
                scope: *scope,
                may_be_reference,
                is_name_awaited: *name == NameConflict::Awaited,
            };
            Some(respond_to_error(error, failed, provisioner.max_attempts, provisioner.health))
        }
        _ => {
            if *contacted {
                provisioner.health.served();
            }
            None
        }
    };
    let is_in_sync = matches!(result, ExecutionResult::InSync | ExecutionResult::PendingDeletion(_));
    let (status, next_attempt) = match result {
        ExecutionResult::InSync => (Status::InSync, recheck_at(&user.references, now)),
        ExecutionResult::PendingDeletion(reason) => {
            let days = provisioner.options.delete_after_days.map_or(0, i64::from);
            (Status::PendingDeletion { reason: *reason }, now.plus(days * DAY))
        }
        ExecutionResult::Failed(error) => status_of_failure(record, response, error.to_string(), now),
        result => (status_of(record, result), next_attempt_of(record, result)),
    };
    let result = match result {
        ExecutionResult::Failed(error) => error.to_string(),
        result => text_of(result),
    };
    let event = (!actions.is_empty() || !is_in_sync).then(|| HistoryEvent {
        at: now,
        version: record.version,
        action: describe_actions(actions),
        reason: reason_of_actions(actions),
        result,
        account: account_of(record, account),
    });
    let attempts = match response {
        Some(response) => response.attempts,
        None if is_in_sync => 0,
        None => record.attempts + 1,
    };
    let references = if is_in_sync { user.references.clone() } else { UserReferences::new() };
    let mut kept = kept_by_target(&user.desired, account);
    if let Some(before) = record.link.as_ref().and_then(|link| link.applied.as_ref()) {
        // The target ignored the change, so the value is not what it makes of the new one.
        kept.retain(|it| !before.has_sent(&it.attribute, it.from.as_ref()));
    }
    let applied = applied_of(user, account).map(|applied| applied.keeping(kept_values(&kept)));
    (UserOutcome { applied, status, attempts, next_attempt, references, event }, response)
}

/// Whether a refusal may be about a reference: it names the attribute, and an account was sent for it.
fn may_be_reference(provisioner: &Provisioner<'_>, user: &LoadedUser, error: &TargetError) -> bool {
    let TargetError::Rejected { attribute, detail } = error else { return false };
    let dialect = provisioner.target.dialect();
    let is_reference = |name: &str| dialect.kind_of(name) == Some(ValueKind::Reference);
    let is_named = match attribute {
        Some(name) => is_reference(name),
        None => dialect.attributes().any(|name| is_reference(name) && detail.to_lowercase().contains(name)),
    };
    is_named && user.references.values().any(Option::is_some)
}

/// When missing references are rechecked; zero for never.
fn recheck_at(references: &UserReferences, now: UnixSeconds) -> UnixSeconds {
    if is_missing(references) { now.plus(recheck_seconds(0)) } else { UnixSeconds(0) }
}

/// The status of a result that is neither success nor failure. An action that is not planned leaves the user as due as
/// it was.
fn status_of(record: &UserRecord, result: &ExecutionResult) -> Status {
    match result {
        ExecutionResult::AwaitsSafeguard(reason) => {
            Status::Held { reason: *reason, hold: HoldReason::AwaitingSafeguard }
        }
        ExecutionResult::Skipped(by) => Status::Skipped { option: *by },
        ExecutionResult::Conflict { owner } => Status::Conflict { owner: owner.clone() },
        ExecutionResult::LinkKept => Status::AccountGone,
        _ => record.status.clone(),
    }
}

fn next_attempt_of(record: &UserRecord, result: &ExecutionResult) -> UnixSeconds {
    match result {
        ExecutionResult::NotPlanned => record.next_attempt,
        _ => UnixSeconds(0),
    }
}

/// The status after a failure. An account that is to be deleted stays so.
fn status_of_failure(
    record: &UserRecord,
    response: Option<ErrorResponse>,
    error: String,
    now: UnixSeconds,
) -> (Status, UnixSeconds) {
    match response.and_then(|response| response.retry_in) {
        Some(seconds) if is_pending_deletion(record) => (record.status.clone(), now.plus(seconds)),
        Some(seconds) => (Status::Retrying { error }, now.plus(seconds)),
        None => (Status::Failed { error }, UnixSeconds(0)),
    }
}

/// The result, for the history.
fn text_of(result: &ExecutionResult) -> String {
    match result {
        ExecutionResult::AwaitsSafeguard(_) => "awaits the safeguard".to_owned(),
        ExecutionResult::Skipped(by) => format!("skipped: {by}"),
        ExecutionResult::Conflict { owner } => format!("the account belongs to {owner}"),
        ExecutionResult::NotPlanned => NOT_PLANNED.to_owned(),
        ExecutionResult::LinkKept => Status::AccountGone.detail().unwrap_or_default(),
        _ => "done".to_owned(),
    }
}

/// The linked account, or the one that was created just now.
fn account_of(record: &UserRecord, account: &ExecutedAccount) -> Option<AccountId> {
    match account {
        ExecutedAccount::Created(resource, _) => Some(resource.account.id.clone()),
        _ => record.link.as_ref().map(|link| link.account.clone()),
    }
}

/// What the target stores in place of the values that were sent.
fn kept_values(kept: &[AttributeDifference]) -> impl Iterator<Item = (&TargetAttribute, Option<&Value>)> {
    kept.iter().map(|it| (&it.attribute, it.from.as_ref()))
}

/// The applied state to be remembered. An inactive account equals no desired user, so that a return is an update.
fn applied_of(user: &LoadedUser, account: &ExecutedAccount) -> Option<AppliedState> {
    let resource = match (account, &user.lease.record.desired, &user.desired) {
        (ExecutedAccount::Unknown, ..) => return None,
        (
            ExecutedAccount::Created(resource, _) | ExecutedAccount::Desired(resource),
            Some(Desired::Present(desired)),
            Desired::Present(sent),
        ) => return Some(AppliedState::of(desired, sent, resource.account.may_be_active())),
        (ExecutedAccount::Created(resource, _) | ExecutedAccount::Desired(resource), ..) => resource,
        (ExecutedAccount::Inactive(off), ..) => off.resource(),
    };
    Some(AppliedState {
        fingerprint: Fingerprint([0; 16]),
        user_name: resource.account.user_name.as_deref().and_then(|name| UserName::new(name).ok()),
        active: resource.account.may_be_active(),
        attributes: Default::default(),
        kept: Default::default(),
    })
}
