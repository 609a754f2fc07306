//! What came of the work on one user, written down: link, outcome and history.

use std::collections::BTreeMap;

use model::{AccountId, DnKey, HoldReason, Status, UnixSeconds, UserRecord};
use plan::AttributeDifference;
use scim::Resource;
use store::{AccountClaim, HistoryEvent, OutcomeWrite, StoreError, UserLease, UserOutcome};

use crate::account::{Failure, claim};
use crate::apply::{End, Work};
use crate::policy::{Judgement, Verdict, judge};
use crate::references::wake_waiting;
use crate::{FollowUp, Outcome, Provisioned, Provisioner, Step};

const DAY: i64 = 86_400;

/// Why somebody is left alone whose plan was agreed on.
const NOT_PLANNED: &str = "what is to be done is not what was planned";

/// Those to whom the user refers.
pub(crate) struct References {
    pub(crate) missing: Vec<DnKey>,
    pub(crate) found: BTreeMap<DnKey, AccountId>,
}

/// Writes down what came of the work. An account that was made just now is linked by the same write, or step by step where
/// somebody waits for it.
pub(crate) async fn write_down(
    provisioner: &Provisioner<'_>,
    mut lease: UserLease,
    mut work: Work,
    references: References,
    made: Option<Resource>,
    kept: Vec<AttributeDifference>,
    waits: bool,
) -> Result<Provisioned, StoreError> {
    let Provisioner { store, health, clock, .. } = *provisioner;
    let now = clock();
    let mut at_once = None;
    if let Some(resource) = made {
        let account = &resource.account.id;
        let conclusion = conclude(provisioner, &lease.record, Some(account), &work, &references, waits, now);
        if store.write_created_outcome(&lease, account, &conclusion.outcome, now).await? {
            at_once = Some(conclusion);
        } else {
            link_made(provisioner, &mut lease, &resource, &mut work).await?;
        }
    }
    let record = lease.record.clone();
    let (conclusion, rest) = match at_once {
        Some(conclusion) => (conclusion, FollowUp::Nothing),
        None => {
            // Before the outcome: whoever dies in between leaves a user who is pending, and does it again.
            wake_waiting(provisioner, &record).await?;
            let account = record.link.as_ref().map(|link| &link.account);
            let conclusion = conclude(provisioner, &record, account, &work, &references, waits, now);
            let rest = match store.write_outcome(lease, conclusion.outcome.clone(), now).await? {
                OutcomeWrite::Done => FollowUp::Nothing,
                OutcomeWrite::Outdated => FollowUp::Due,
            };
            (conclusion, rest)
        }
    };
    let Conclusion { outcome: UserOutcome { status, next_attempt, .. }, judgement } = conclusion;
    if work.asked && judgement.is_none() && health.is_news(now) {
        store.record_served(now).await?;
    }
    let (anchor, user_name) = (record.anchor.clone(), record.user_name().cloned());
    let Work { steps, end, .. } = work;
    let outcome = match end {
        End::InSync => Outcome::InSync { anchor, user_name, steps, kept, waits },
        End::AwaitsCheck(_) => Outcome::AwaitsCheck { anchor, user_name },
        End::Skipped(by) => Outcome::Skipped { anchor, user_name, by, steps },
        End::Conflict(with) => Outcome::Conflict { anchor, user_name, with },
        End::NotPlanned => Outcome::NotPlanned { anchor, user_name, steps },
        End::Failed(error) => {
            let is_due_some_time = matches!(status, Status::Retrying { .. } | Status::PendingDeletion { .. });
            let retry_at = is_due_some_time.then_some(next_attempt);
            let stop = judgement.and_then(|judgement| judgement.stop);
            Outcome::Failed { anchor, user_name, error: error.to_string(), retry_at, stop }
        }
    };
    Ok(Provisioned { outcome, rest })
}

/// Links an account that was made just now. It may be another entry's all the same, and then the user has none.
async fn link_made(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    made: &Resource,
    work: &mut Work,
) -> Result<(), StoreError> {
    let end = match claim(provisioner.store, lease, made).await {
        Ok(AccountClaim::Owned(_)) => return Ok(()),
        Ok(AccountClaim::OwnedBy(owner)) => End::Conflict(owner),
        Err(Failure::Target(error)) => End::Failed(error),
        Err(Failure::Store(error)) => return Err(error),
    };
    (work.end, work.applied) = (end, None);
    Ok(())
}

/// What is written of the work, and what its failure means.
struct Conclusion {
    outcome: UserOutcome,
    judgement: Option<Judgement>,
}

/// What is to be written of the work, for a user who has this account.
fn conclude(
    provisioner: &Provisioner<'_>,
    record: &UserRecord,
    account: Option<&AccountId>,
    work: &Work,
    references: &References,
    waits: bool,
    now: UnixSeconds,
) -> Conclusion {
    let Work { steps, end, applied, leaving, asked, .. } = work;
    let days = provisioner.options.delete_after_days.map_or(0, i64::from);
    let judgement = match end {
        End::Failed(error) => Some(judge(
            error,
            record.anchor.hash(),
            record.attempts,
            provisioner.max_attempts,
            provisioner.health,
        )),
        _ => {
            if *asked {
                provisioner.health.served();
            }
            None
        }
    };
    let (status, next_attempt, result) = match (end, judgement) {
        // Who waits is settled in a second step.
        (End::InSync, _) if waits => (Status::Pending, UnixSeconds(0), "done".to_owned()),
        (End::InSync, _) => match *leaving {
            Some(departure) => {
                (Status::PendingDeletion { reason: departure }, now.plus(days * DAY), "done".to_owned())
            }
            None => (Status::InSync, UnixSeconds(0), "done".to_owned()),
        },
        (End::AwaitsCheck(departure), _) => {
            let reason = HoldReason::AwaitingSafeguard;
            (
                Status::Held { reason: *departure, hold: reason },
                UnixSeconds(0),
                "awaits the safety check".to_owned(),
            )
        }
        (End::Skipped(by), _) => (Status::Skipped { option: *by }, UnixSeconds(0), format!("skipped: {by}")),
        (End::Conflict(with), _) => (
            Status::Conflict { owner: with.clone() },
            UnixSeconds(0),
            format!("the account belongs to {with}"),
        ),
        // It is as due as it was.
        (End::NotPlanned, _) => (record.status.clone(), record.next_attempt, NOT_PLANNED.to_owned()),
        // It stays known that the account's time is over.
        (End::Failed(error), Some(Judgement { verdict: Verdict::RetryIn(seconds), .. }))
            if is_leaving(record) =>
        {
            (record.status.clone(), now.plus(seconds), error.to_string())
        }
        (End::Failed(error), Some(Judgement { verdict: Verdict::RetryIn(seconds), .. })) => {
            (Status::Retrying { error: error.to_string() }, now.plus(seconds), error.to_string())
        }
        (End::Failed(error), _) => {
            (Status::Failed { error: error.to_string() }, UnixSeconds(0), error.to_string())
        }
    };
    let attempts = judgement.map_or(record.attempts + 1, |judgement| judgement.attempts);
    let settled = matches!(end, End::InSync);
    let did_something = !steps.is_empty() || !settled;
    let event = did_something.then(|| HistoryEvent {
        at: now,
        version: record.version,
        action: describe(steps),
        reason: reason_of(steps),
        result,
        account: account.cloned(),
    });
    let outcome = UserOutcome {
        applied: applied.clone(),
        status,
        attempts: if settled { 0 } else { attempts },
        next_attempt,
        waiting_for: if settled { references.missing.clone() } else { Vec::new() },
        refers_to: if settled { references.found.clone() } else { BTreeMap::new() },
        event,
    };
    Conclusion { outcome, judgement }
}

/// Whether the account was made inactive before, to be deleted now.
pub(crate) fn is_leaving(record: &UserRecord) -> bool {
    matches!(record.status, Status::PendingDeletion { .. })
}

/// What was done, in words without anybody's data: it goes into the history.
pub fn describe(steps: &[Step]) -> String {
    let words: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Created { inactive: false } => "created".to_owned(),
            Step::Created { inactive: true } => "created inactive".to_owned(),
            Step::Linked => "linked".to_owned(),
            Step::Updated(found) => {
                let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
                format!("updated {}", names.join(", "))
            }
            Step::Deactivated(_) => "deactivated".to_owned(),
            Step::Deleted(_) => "deleted".to_owned(),
            Step::DeactivatedInstead(_) => "deactivated, because the target refused to delete".to_owned(),
            Step::Vanished => "found the account gone".to_owned(),
        })
        .collect();
    if words.is_empty() { "tried".to_owned() } else { words.join("; ") }
}

fn reason_of(steps: &[Step]) -> Option<String> {
    steps.iter().find_map(|step| match step {
        Step::Deactivated(reason) | Step::Deleted(reason) | Step::DeactivatedInstead(reason) => {
            Some(reason.to_string())
        }
        Step::Created { .. } | Step::Linked | Step::Updated(_) | Step::Vanished => None,
    })
}
