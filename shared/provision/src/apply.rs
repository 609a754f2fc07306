//! Deciding and doing, for one user under its lease.

use model::{AppliedState, DeprovisionReason, Desired, DesiredUser, Fingerprint, OwnedAccount, Value};
use plan::{AttributeDifference, Decision, Situation, decide, differences};
use scim::{DeleteOutcome, Resource, TargetError};
use store::{AccountClaim, Store, StoreError, UserLease};

use crate::account::{Failure, Found, claim, fetch_account};
use crate::creation::{Created, create, find_made};
use crate::references::{Resolved, resolve, settle_waiting};
use crate::unread::{Unread, work_unread};
use crate::write_down::{References, is_leaving, write_down};
use crate::{FollowUp, Outcome, Provisioned, Provisioner, Step};

/// A decision changes the situation for the next one: link, then update. Nothing takes more rounds than this.
const MOST_ROUNDS: usize = 4;

/// What came of the work, before it is written down.
pub(crate) struct Work {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    /// What the account is by now, where that is to be remembered.
    pub(crate) applied: Option<AppliedState>,
    /// The account was made inactive, and is to be deleted later.
    pub(crate) leaving: Option<DeprovisionReason>,
    /// Whether the target was asked for anything.
    pub(crate) asked: bool,
    /// Whether the question changed before anything was done.
    is_outdated: bool,
    /// Whether the account was made just now, and is not linked yet.
    is_new: bool,
}

impl Work {
    /// The account was made inactive.
    pub(crate) fn switched_off(
        &mut self,
        reason: DeprovisionReason,
        resource: &Resource,
        delete_after_days: Option<u32>,
        desired: &Desired,
    ) {
        self.steps.push(Step::Deactivated(reason));
        self.applied = Some(switched_off(resource));
        if delete_after_days.is_some() && matches!(desired, Desired::Absent { .. }) {
            self.leaving = Some(reason);
        }
    }
}

/// How it ended.
pub(crate) enum End {
    InSync,
    AwaitsCheck(DeprovisionReason),
    Skipped(model::DisabledOption),
    Conflict(model::Anchor),
    NotPlanned,
    Failed(TargetError),
}

/// Decides and does what there is to do. `planned` is what a person has agreed to; anything else is then left undone.
pub(crate) async fn apply(
    provisioner: &Provisioner<'_>,
    mut lease: UserLease,
    planned: Option<&[Decision]>,
) -> Result<Provisioned, StoreError> {
    let Some(desired) = lease.record.desired.clone() else {
        provisioner.store.return_lease(lease).await?;
        return Ok(Outcome::NothingToDo.into());
    };
    let Resolved { desired: resolved, missing, found } = resolve(provisioner.store, &desired).await?;
    let mut work = Work {
        steps: Vec::new(),
        end: End::InSync,
        applied: None,
        leaving: None,
        asked: false,
        is_outdated: false,
        is_new: false,
    };
    let mut current = None;
    match work_through(provisioner, &mut lease, (&resolved, planned), &mut work, &mut current).await {
        Ok(()) => {}
        Err(Failure::Target(error)) => work.end = End::Failed(error),
        Err(Failure::Store(error)) => return Err(error),
    }
    if work.is_outdated {
        provisioner.store.return_lease(lease).await?;
        return Ok(Provisioned { outcome: Outcome::Busy, rest: FollowUp::Due });
    }
    let kept = match (&resolved, &current, &work.end) {
        (Desired::Present(user), Some(resource), End::InSync) => differences(user, &resource.account),
        _ => Vec::new(),
    };
    if let (Desired::Present(user), Some(resource), End::InSync) = (&desired, &current, &work.end) {
        work.applied = Some(applied(user, resource));
    }
    let (record, waits_for) = (lease.record.clone(), missing.clone());
    let waits = !missing.is_empty() && matches!(work.end, End::InSync);
    let references = References { missing, found };
    let made = current.filter(|_| work.is_new);
    let mut done = write_down(provisioner, lease, work, references, made, kept, waits).await?;
    if matches!(done.outcome, Outcome::InSync { waits: true, .. }) && done.rest == FollowUp::Nothing {
        done.rest = settle_waiting(provisioner, &record, &waits_for).await?;
    }
    Ok(done)
}

/// Decides and does until nothing is left to do. `current` is the linked account as it was seen last.
async fn work_through(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    (desired, planned): (&Desired, Option<&[Decision]>),
    work: &mut Work,
    current: &mut Option<Resource>,
) -> Result<(), Failure> {
    let Provisioner { store, target, options, .. } = *provisioner;
    // Who has agreed to a plan has agreed to what the account was like.
    let unread = match planned {
        Some(_) => Unread::MustRead,
        None => work_unread(provisioner, lease, desired, work).await?,
    };
    match unread {
        Unread::Done(resource) => {
            (*current, work.asked) = (resource, true);
            return Ok(());
        }
        Unread::Gone => vanished(store, lease, work).await?,
        Unread::MustRead => {}
    }
    let (mut found, gone) = match find_made(provisioner, lease, desired, work).await? {
        Some(made) => (made, false),
        None => fetch_account(target, store::owned(&lease.record), desired).await?,
    };
    work.asked |= gone || matches!(desired, Desired::Present(_)) || !matches!(found, Found::Nothing);
    if gone {
        vanished(store, lease, work).await?;
    }
    let removal_released = lease.record.removal_released;
    let deletion_due = options.delete_after_days.is_some() && is_leaving(&lease.record);
    for _ in 0..MOST_ROUNDS {
        let account = match &found {
            Found::Nothing => None,
            Found::Linked(_, resource) | Found::Unlinked(resource) => Some(&resource.account),
        };
        let linked = matches!(found, Found::Linked(..));
        let situation = Situation { desired, linked, account, removal_released, deletion_due, options };
        let decision = decide(&situation);
        if planned.is_some_and(|planned| !is_within(&decision, planned)) {
            work.end = End::NotPlanned;
            return Ok(());
        }
        match (decision, desired, found) {
            (Decision::Nothing, _, Found::Linked(_, resource)) => {
                work.applied = Some(seen_inactive(&resource, work.applied.take()));
                *current = Some(resource);
                return Ok(());
            }
            (Decision::Create, Desired::Present(user), _) => {
                match create(provisioner, lease, user, work).await? {
                    Created::Done(resource) => {
                        (*current, work.is_new) = (Some(resource), true);
                        return Ok(());
                    }
                    Created::Found(resource) => found = Found::Unlinked(resource),
                    Created::Outdated => {
                        work.is_outdated = true;
                        return Ok(());
                    }
                }
            }
            (Decision::Link, _, Found::Unlinked(resource)) => match claim(store, lease, &resource).await? {
                AccountClaim::Owned(owned) => {
                    work.steps.push(Step::Linked);
                    found = Found::Linked(owned, resource);
                }
                // Somebody disabled who never had this account has no claim to it.
                AccountClaim::OwnedBy(_) if !matches!(desired, Desired::Present(_)) => return Ok(()),
                AccountClaim::OwnedBy(owner) => {
                    work.end = End::Conflict(owner);
                    return Ok(());
                }
            },
            (Decision::Update(found), Desired::Present(user), Found::Linked(owned, resource)) => {
                let switches_off = resource.account.active && !user.active;
                match target.update(&owned, &resource, user).await {
                    // Whatever else the target refuses, somebody disabled loses the account.
                    Err(refusal @ (TargetError::Conflict { .. } | TargetError::Rejected { .. }))
                        if switches_off =>
                    {
                        let resource = target.set_active(&owned, false).await?;
                        work.steps.push(Step::Deactivated(DeprovisionReason::Disabled));
                        work.applied = Some(switched_off(&resource));
                        return Err(refusal.into());
                    }
                    updated => *current = Some(updated?),
                }
                work.steps.push(Step::Updated(found));
                return Ok(());
            }
            (Decision::Deactivate(reason), _, Found::Linked(owned, _)) => {
                let resource = target.set_active(&owned, false).await?;
                work.switched_off(reason, &resource, options.delete_after_days, desired);
                return Ok(());
            }
            (Decision::Delete(reason), _, Found::Linked(owned, _)) => {
                return delete(provisioner, lease, &owned, reason, work).await;
            }
            (Decision::AwaitSafeguard(reason), _, Found::Linked(_, resource)) => {
                work.end = End::AwaitsCheck(reason);
                *current = Some(resource);
                return Ok(());
            }
            (Decision::Skipped(by), _, _) => {
                work.end = End::Skipped(by);
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Whether a decision is among those that were planned. What calls nobody needs no plan, and somebody else's account,
/// which a reference could not name before it was made, is no reason to stop.
pub(crate) fn is_within(decision: &Decision, planned: &[Decision]) -> bool {
    match decision {
        Decision::Nothing | Decision::AwaitSafeguard(_) | Decision::Skipped(_) => true,
        Decision::Create | Decision::Link | Decision::Deactivate(_) | Decision::Delete(_) => {
            planned.contains(decision)
        }
        Decision::Update(found) => {
            let known = |difference: &AttributeDifference| {
                let mut planned = planned.iter().filter_map(|planned| match planned {
                    Decision::Update(found) => Some(found),
                    _ => None,
                });
                planned.any(|planned| planned.contains(difference))
            };
            let is_reference =
                |difference: &AttributeDifference| matches!(difference.to, Some(Value::Account(_)));
            found.iter().all(|difference| is_reference(difference) || known(difference))
        }
    }
}

/// The account is gone, so there is none.
async fn vanished(store: &Store, lease: &mut UserLease, work: &mut Work) -> Result<(), Failure> {
    store.drop_link(lease).await?;
    work.steps.push(Step::Vanished);
    work.asked = true;
    Ok(())
}

async fn delete(
    provisioner: &Provisioner<'_>,
    lease: &mut UserLease,
    owned: &OwnedAccount,
    reason: DeprovisionReason,
    work: &mut Work,
) -> Result<(), Failure> {
    let Provisioner { store, target, .. } = *provisioner;
    match target.delete(owned).await? {
        DeleteOutcome::Deleted | DeleteOutcome::AlreadyGone => {
            store.drop_link(lease).await?;
            work.steps.push(Step::Deleted(reason));
        }
        DeleteOutcome::Refused { .. } => {
            let resource = target.set_active(owned, false).await?;
            work.steps.push(Step::DeactivatedInstead(reason));
            work.applied = Some(switched_off(&resource));
        }
    }
    Ok(())
}

/// What is remembered of an account that is as its user should be. References count as they were desired, because
/// that is what the next scan compares.
fn applied(user: &DesiredUser, resource: &Resource) -> AppliedState {
    AppliedState {
        fingerprint: user.update_fingerprint(),
        user_name: Some(user.user_name.clone()),
        active: resource.account.active,
    }
}

/// What is remembered of an account that was switched off: equal to no desired user, so that a return is an update.
fn switched_off(resource: &Resource) -> AppliedState {
    AppliedState {
        fingerprint: Fingerprint([0; 16]),
        user_name: resource.account.user_name.as_deref().and_then(|name| model::UserName::new(name).ok()),
        active: false,
    }
}

fn seen_inactive(resource: &Resource, applied: Option<AppliedState>) -> AppliedState {
    applied.unwrap_or_else(|| AppliedState { active: resource.account.active, ..switched_off(resource) })
}
