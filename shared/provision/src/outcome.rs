//! Outcome of provisioning one user.

use model::{AccountId, Anchor, DeprovisionReason, DisabledOption, UnixSeconds, UserName, Value};
use plan::AttributeDifference;

/// One action performed on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The account was created.
    Create {
        /// As an inactive account, for a disabled user.
        inactive: bool,
    },
    /// An existing account was linked.
    Link,
    /// The account was updated; it may have become active or inactive.
    Update(Vec<AttributeDifference>),
    /// The account was made inactive.
    Deactivate(DeprovisionReason),
    /// The account was deleted.
    Delete(DeprovisionReason),
    /// The target refused to delete the account, so it was made inactive.
    DeactivateInstead(DeprovisionReason),
    /// The linked account was gone from the target.
    AccountGone,
    /// Another user's account got a temporary name, because its name is this user's by now.
    FreeName {
        /// That account.
        account: AccountId,
    },
    /// The account passed to an entry of another connection, and stays as it is.
    PassTo {
        /// Name of the other connection.
        connection: String,
    },
}

/// Outcome for one user, and what follows from it.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// The outcome.
    pub outcome: Outcome,
    /// What is left to do.
    pub follow_up: FollowUp,
}

/// What is left to do for a user after its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing.
    Nothing,
    /// The record changed while the user was provisioned, so the user is due again. The writer of the change may have sent
    /// no request, because the user was leased.
    Due,
}

impl From<Outcome> for Provisioned {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, follow_up: FollowUp::Nothing }
    }
}

/// Outcome for one user.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing was due, or there is no record.
    NothingToDo,
    /// An earlier attempt failed, and the next one is later.
    NotYet {
        /// Time of the next attempt.
        until: UnixSeconds,
    },
    /// Another worker has the user's lease.
    Busy,
    /// The account equals the desired user.
    InSync {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Actions performed; empty if the account was right already.
        actions: Vec<Action>,
        /// Mapped attributes that the target keeps otherwise than was sent.
        kept: Vec<AttributeDifference>,
        /// Whether a reference waits for another user's account.
        waits: bool,
    },
    /// The account was linked; its removal awaits the next scan's safeguard.
    AwaitsSafeguard {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
    },
    /// An option that is off stopped an action.
    Skipped {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// The option.
        by: DisabledOption,
        /// Actions performed before.
        actions: Vec<Action>,
    },
    /// The account belongs to another entry.
    Conflict {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// The other entry.
        owner: Anchor,
    },
    /// The action is not part of the approved plan, so it was not performed.
    NotPlanned {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Actions performed before.
        actions: Vec<Action>,
    },
    /// The target refused the request or could not be reached.
    Failed {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// The error.
        error: String,
        /// Time of the next attempt; `None` if the user has to change first, or an operator retries it.
        retry_at: Option<UnixSeconds>,
        /// Why other users would fail now too, if they would.
        stop: Option<Stop>,
    },
}

impl Outcome {
    /// A single word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NothingToDo => "nothing_to_do",
            Self::NotYet { .. } => "not_yet",
            Self::Busy => "busy",
            Self::InSync { .. } => "in_sync",
            Self::AwaitsSafeguard { .. } => "awaits_safeguard",
            Self::Skipped { .. } => "skipped",
            Self::Conflict { .. } => "conflict",
            Self::NotPlanned { .. } => "not_planned",
            Self::Failed { retry_at: Some(_), .. } => "retrying",
            Self::Failed { retry_at: None, .. } => "failed",
        }
    }

    /// Actions performed on the account.
    pub fn actions(&self) -> &[Action] {
        match self {
            Self::InSync { actions, .. }
            | Self::Skipped { actions, .. }
            | Self::NotPlanned { actions, .. } => actions,
            Self::AwaitsSafeguard { .. } => &[Action::Link],
            Self::NothingToDo
            | Self::NotYet { .. }
            | Self::Busy
            | Self::Conflict { .. }
            | Self::Failed { .. } => &[],
        }
    }
}

/// Whether an update makes an active account inactive.
pub fn deactivates(found: &[AttributeDifference]) -> bool {
    active_in(found) == Some(false)
}

/// Whether an update makes an inactive account active.
pub fn reactivates(found: &[AttributeDifference]) -> bool {
    active_in(found) == Some(true)
}

fn active_in(found: &[AttributeDifference]) -> Option<bool> {
    found.iter().find(|difference| difference.attribute.as_str() == "active").and_then(|difference| {
        match difference.to {
            Some(Value::Boolean(active)) => Some(active),
            _ => None,
        }
    })
}

/// The actions in words, without values: for the history.
pub fn describe_actions(actions: &[Action]) -> String {
    let words: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Create { inactive: false } => "created".to_owned(),
            Action::Create { inactive: true } => "created inactive".to_owned(),
            Action::Link => "linked".to_owned(),
            Action::Update(found) => {
                let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
                format!("updated {}", names.join(", "))
            }
            Action::Deactivate(_) => "deactivated".to_owned(),
            Action::Delete(_) => "deleted".to_owned(),
            Action::DeactivateInstead(_) => "deactivated, because the target refused to delete".to_owned(),
            Action::AccountGone => "found the account gone".to_owned(),
            Action::FreeName { account } => format!("gave account {account} a temporary user name"),
            Action::PassTo { connection } => format!("passed to the connection {connection}"),
        })
        .collect();
    if words.is_empty() { "tried".to_owned() } else { words.join("; ") }
}

/// The reason of a removal among the actions.
pub(crate) fn reason_of_actions(actions: &[Action]) -> Option<String> {
    actions.iter().find_map(|action| match action {
        Action::Deactivate(reason) | Action::Delete(reason) | Action::DeactivateInstead(reason) => {
            Some(reason.to_string())
        }
        Action::Create { .. }
        | Action::Link
        | Action::Update(_)
        | Action::AccountGone
        | Action::FreeName { .. }
        | Action::PassTo { .. } => None,
    })
}

/// Reason to stop provisioning other users for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The target refuses the credentials.
    Unauthorized,
    /// The target is down.
    Unavailable,
    /// The target asks for fewer calls.
    Throttled,
}
