//! Decisions on a loaded user. The decision table itself is the plan crate's.

use model::{Options, Status, UserRecord, Value};
use plan::{AttributeDifference, BlindDecision, Decision, Situation};

use crate::load::{FoundAccount, LoadedUser};

/// Decides what to do to the account that was found.
pub(crate) fn decide(user: &LoadedUser, account: &FoundAccount, options: &Options) -> Decision {
    plan::decide(&Situation {
        desired: &user.desired,
        linked: matches!(account, FoundAccount::Linked(..)),
        account: account.resource().map(|resource| &resource.account),
        removal_released: user.lease.record.removal_released,
        deletion_due: options.delete_after_days.is_some() && is_pending_deletion(&user.lease.record),
        options,
    })
}

/// Decides without reading the account, if the applied state is what was last sent to it.
pub(crate) fn decide_blind(user: &LoadedUser, options: &Options) -> Option<BlindDecision> {
    let link = user.lease.record.link.as_ref().filter(|_| user.lease.is_recorded())?;
    let situation = Situation {
        desired: &user.desired,
        linked: true,
        account: None,
        removal_released: user.lease.record.removal_released,
        // An account is read before it is deleted.
        deletion_due: false,
        options,
    };
    plan::decide_blind(&situation, link.applied.as_ref()?)
}

/// Whether a decision is part of an approved plan. A decision without a call needs no approval, and neither does a
/// reference: the plan could not name an account that did not exist yet.
pub(crate) fn is_planned(decision: &Decision, planned: &[Decision]) -> bool {
    match decision {
        Decision::Nothing | Decision::AwaitSafeguard(_) | Decision::Skipped(_) => true,
        Decision::Create | Decision::Link | Decision::Deactivate(_) | Decision::Delete(_) => {
            planned.contains(decision)
        }
        Decision::Update(found) => {
            let in_plan = |difference: &AttributeDifference| {
                planned.iter().any(|planned| match planned {
                    Decision::Update(found) => found.contains(difference),
                    _ => false,
                })
            };
            let is_reference =
                |difference: &AttributeDifference| matches!(difference.to, Some(Value::Account(_)));
            found.iter().all(|difference| is_reference(difference) || in_plan(difference))
        }
    }
}

/// Whether the account was made inactive, and is to be deleted later.
pub(crate) fn is_pending_deletion(record: &UserRecord) -> bool {
    matches!(record.status, Status::PendingDeletion { .. })
}
