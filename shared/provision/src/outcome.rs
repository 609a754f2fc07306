//! What became of one user.

use model::{Anchor, DeprovisionReason, DisabledOption, UnixSeconds, UserName, Value};
use plan::AttributeDifference;

/// One thing that was done to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An account was made.
    Created {
        /// It is an inactive one, for a disabled user.
        inactive: bool,
    },
    /// The account that was there was linked.
    Linked,
    /// The account was updated, or reactivated, or both.
    Updated(Vec<AttributeDifference>),
    /// The account was made inactive.
    Deactivated(DeprovisionReason),
    /// The account was deleted.
    Deleted(DeprovisionReason),
    /// The target refused to delete the account, so it was made inactive.
    DeactivatedInstead(DeprovisionReason),
    /// The account was gone from the target.
    Vanished,
}

/// What became of one user, and whether that is the end of it.
#[derive(Clone, Debug)]
pub struct Provisioned {
    /// What became of the user.
    pub outcome: Outcome,
    /// What is left to do.
    pub rest: FollowUp,
}

/// What is left to do for a user who was worked on just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// Nothing, as far as it is known.
    Nothing,
    /// The question changed while it was answered. Whoever changed it may have found the user at work and announced nobody.
    Due,
    /// The user waits for somebody of whom there is no record. The index of names lags behind, so somebody who came just now,
    /// and was provisioned just now, may have been missed: one look more in a moment settles that.
    LookAgain,
}

impl From<Outcome> for Provisioned {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, rest: FollowUp::Nothing }
    }
}

/// What became of one user.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing was pending.
    NothingToDo,
    /// It failed before, and its next try is later.
    NotYet {
        /// When.
        until: UnixSeconds,
    },
    /// Somebody else is working on this user, or there is no such record.
    Busy,
    /// The account is as the directory says.
    InSync {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// What that took; empty if the account was right already.
        steps: Vec<Step>,
        /// Mapped attributes that the target keeps otherwise than was sent.
        kept: Vec<AttributeDifference>,
        /// Whether a reference waits for another user's account.
        waits: bool,
    },
    /// It was linked; the removal waits for the next scan's safety check.
    AwaitsCheck {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
    },
    /// An option stopped it.
    Skipped {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Which option.
        by: DisabledOption,
        /// What was done all the same.
        steps: Vec<Step>,
    },
    /// The account belongs to another entry.
    Conflict {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// The other entry.
        with: Anchor,
    },
    /// What is to be done is not what a person has agreed to, so it was left undone.
    NotPlanned {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// What was done before.
        steps: Vec<Step>,
    },
    /// It failed.
    Failed {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Why.
        error: String,
        /// When it is tried again by itself; `None` if it is failed.
        retry_at: Option<UnixSeconds>,
        /// Whether it is pointless to go on with other users now.
        stop: Option<Stop>,
    },
}

impl Outcome {
    /// A single word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NothingToDo => "nothing-to-do",
            Self::NotYet { .. } => "not-yet",
            Self::Busy => "busy",
            Self::InSync { .. } => "in_sync",
            Self::AwaitsCheck { .. } => "awaits-check",
            Self::Skipped { .. } => "skipped",
            Self::Conflict { .. } => "conflict",
            Self::NotPlanned { .. } => "not-planned",
            Self::Failed { retry_at: Some(_), .. } => "retrying",
            Self::Failed { retry_at: None, .. } => "failed",
        }
    }

    /// What was done to the account.
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::InSync { steps, .. } | Self::Skipped { steps, .. } | Self::NotPlanned { steps, .. } => {
                steps
            }
            Self::AwaitsCheck { .. } => &[Step::Linked],
            Self::NothingToDo
            | Self::NotYet { .. }
            | Self::Busy
            | Self::Conflict { .. }
            | Self::Failed { .. } => &[],
        }
    }
}

/// Whether an update makes an active account inactive.
pub fn switches_off(found: &[AttributeDifference]) -> bool {
    found.iter().any(|difference| {
        difference.attribute.as_str() == "active" && difference.to == Some(Value::Boolean(false))
    })
}

/// Why going on with other users is pointless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The token is no longer good.
    Unauthorized,
    /// The target is down.
    Unavailable,
    /// The target asks for fewer calls.
    Throttled,
}
