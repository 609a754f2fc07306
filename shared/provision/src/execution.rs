//! What an execution did, as values.

use model::{Anchor, DeprovisionReason, Desired, DisabledOption, MatchedAccount};
use plan::{AttributeDifference, differences};
use scim::{InactiveResource, Resource, TargetError};

use crate::Action;
use crate::error_response::FailureScope;
use crate::free_name::NameConflict;
use crate::load::FoundAccount;

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
    /// Result of a conflict over the user name.
    pub(crate) name: NameConflict,
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
    /// The account is gone, and its link is kept, because the limit on dropped links is reached.
    LinkKept,
    /// The action is not part of the approved plan.
    NotPlanned,
    /// The record changed before an account was created.
    Outdated,
    /// The target refused the request or could not be reached.
    Failed(TargetError),
}

/// What follows one decision.
pub(crate) enum NextStep {
    /// Decide again, on this account.
    Decide(FoundAccount),
    /// Nothing more is to be done.
    End(ExecutedAccount, ExecutionResult),
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
