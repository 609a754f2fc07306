//! What became of one user.

use model::{Anchor, Departure, UnixSeconds, UserName, WithheldBy};
use plan::Difference;

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
    Updated(Vec<Difference>),
    /// The account was made inactive.
    Deactivated(Departure),
    /// The account was deleted.
    Deleted(Departure),
    /// The target refused to delete the account, so it was made inactive.
    DeactivatedInstead(Departure),
    /// The account was gone from the target.
    Vanished,
}

/// What became of one user.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing was pending.
    NothingToDo,
    /// Somebody else is working on this user.
    Busy,
    /// The account is as the directory says.
    Settled {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// What that took; empty if the account was right already.
        steps: Vec<Step>,
        /// Mapped attributes that the target keeps otherwise than was sent.
        kept: Vec<Difference>,
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
    Withheld {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Which option.
        by: WithheldBy,
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
    /// It failed.
    Failed {
        /// The entry.
        anchor: Anchor,
        /// The name to show.
        user_name: Option<UserName>,
        /// Why.
        error: String,
        /// When it is tried again by itself; `None` if it is parked.
        retry_at: Option<UnixSeconds>,
        /// Whether it is pointless to go on with other users now.
        stop: Option<Stop>,
    },
}

/// Why going on with other users is pointless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The token is no longer good.
    Unauthorized,
    /// The target is down or throttles.
    Unavailable,
}
