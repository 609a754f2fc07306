//! What is remembered about one user.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Anchor, Before, DeprovisionReason, Desired, DesiredUser, DnKey, Fingerprint, UserName,
};

/// A connection's version counter: each scan takes the next one, and what it writes carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScanVersion(pub u64);

impl fmt::Display for ScanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A moment, in whole seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// This many seconds later.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// The account that belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLink {
    /// The target's id.
    pub account: AccountId,
    /// What we last brought about in it; `None` when it was linked and nothing was sent yet.
    pub applied: Option<AppliedState>,
}

/// What an account was last made to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedState {
    /// Of the desired user that was applied, with its references resolved as far as they were.
    pub fingerprint: Fingerprint,
    /// The account's user name then.
    pub user_name: Option<UserName>,
    /// Whether the account was left active.
    pub active: bool,
}

/// A creation that was sent, or is about to be, and was not heard of since: there may be an account. Right before it nobody
/// had this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIntent {
    /// The name that was sent.
    pub user_name: UserName,
    /// The external id that was sent along, if there was one.
    pub external_id: Option<String>,
}

impl CreateIntent {
    /// What tells the account that is made of this user.
    pub fn of(user: &DesiredUser) -> Self {
        Self { user_name: user.user_name.clone(), external_id: user.external_id().map(str::to_owned) }
    }
}

/// An option that is off and stopped something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledOption {
    /// `options.create` is off.
    Create,
    /// `options.update` is off.
    Update,
    /// `options.deprovision` is off.
    Deprovision,
}

impl fmt::Display for DisabledOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "options.create is off",
            Self::Update => "options.update is off",
            Self::Deprovision => "options.deprovision is off",
        })
    }
}

/// Why a removal waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// There are more removals than the safety limits let through unasked.
    OverLimit,
    /// The account was only just linked; the next scan's safety check decides.
    AwaitingSafeguard,
}

/// Where a user stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The account is as the directory says, or there is nothing to do.
    InSync,
    /// Something is to be done, from `next_attempt` on.
    Pending,
    /// Something was tried, failed, and will be tried again at `next_attempt`.
    Retrying {
        /// What went wrong last.
        error: String,
    },
    /// The target refused it; it is tried again when the user changes or somebody asks for it.
    Failed {
        /// What the target said.
        error: String,
    },
    /// Another entry owns the user name or the account.
    Conflict {
        /// The other entry.
        owner: Anchor,
    },
    /// A removal that waits.
    Held {
        /// Why the user would lose the account.
        reason: DeprovisionReason,
        /// Why that waits.
        hold: HoldReason,
    },
    /// The account was made inactive, and is deleted at `next_attempt`.
    PendingDeletion {
        /// Why.
        reason: DeprovisionReason,
    },
    /// An option is off that this would need.
    Skipped {
        /// Which.
        option: DisabledOption,
    },
    /// The mapping can't make a user of this entry.
    Invalid {
        /// Which attribute and why.
        error: String,
    },
}

impl Status {
    /// A single word for keys, listings and filters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Retrying { .. } => "retrying",
            Self::Failed { .. } => "failed",
            Self::Conflict { .. } => "conflict",
            Self::Held { .. } => "held",
            Self::PendingDeletion { .. } => "pending_deletion",
            Self::Skipped { .. } => "skipped",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// Why the user stands here, where the word alone does not say it.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::InSync | Self::Pending => None,
            Self::Retrying { error } | Self::Failed { error } | Self::Invalid { error } => {
                Some(error.clone())
            }
            Self::Conflict { owner: with } => {
                Some(format!("another entry has the user name or account ({with})"))
            }
            Self::Held { reason: departure, hold: HoldReason::OverLimit } => {
                Some(format!("{departure}; more removals than the safety limits allow"))
            }
            Self::Held { reason: departure, hold: HoldReason::AwaitingSafeguard } => {
                Some(format!("{departure}; awaits the next scan's safety check"))
            }
            Self::PendingDeletion { reason: departure } => {
                Some(format!("{departure}; the account is inactive, and deleted when its time is over"))
            }
            Self::Skipped { option: by } => Some(by.to_string()),
        }
    }

    /// Whether work is due on its own accord.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Pending | Self::Retrying { .. } | Self::PendingDeletion { .. })
    }
}

/// Everything that is remembered about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The entry.
    pub anchor: Anchor,
    /// Where the entry was last seen, so that others can refer to it.
    pub dn: Option<DnKey>,
    /// What the directory says; `None` for an entry that was never mappable.
    pub desired: Option<Desired>,
    /// Which scan said so.
    pub version: ScanVersion,
    /// Whether the safety check has released the removal that `desired` asks for.
    pub removal_released: bool,
    /// The account, once there is one.
    pub link: Option<AccountLink>,
    /// What was otherwise in the user who was applied last, where the directory has said something else since.
    pub before: Option<Before>,
    /// The creation of which nothing was heard; there is none where there is a link.
    pub create_intent: Option<CreateIntent>,
    /// Where the user stands.
    pub status: Status,
    /// How often the current work was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: UnixSeconds,
}

impl UserRecord {
    /// The name to show for this user: as desired, else as last applied.
    pub fn user_name(&self) -> Option<&UserName> {
        let applied = || self.link.as_ref()?.applied.as_ref()?.user_name.as_ref();
        self.desired.as_ref().and_then(Desired::user_name).or_else(applied)
    }

    /// The user whom the account was last made, where that is still known.
    pub fn applied_user(&self) -> Option<DesiredUser> {
        let applied = self.link.as_ref()?.applied.as_ref()?;
        let Some(Desired::Present(user)) = &self.desired else { return None };
        // The fingerprint is the proof, whoever wrote what when.
        let is_it = |user: &DesiredUser| user.update_fingerprint() == applied.fingerprint;
        let earlier = || self.before.as_ref().map(|before| before.of(user));
        if is_it(user) { Some(user.clone()) } else { earlier().filter(is_it) }
    }

    /// Whether there is an account that is not known to be inactive. Where an active one is desired, it may have come
    /// about without our hearing of it; and so may one whose creation was sent.
    pub fn has_active_account(&self) -> bool {
        let desired = self.desired.as_ref().is_some_and(Desired::is_active);
        let active =
            |link: &AccountLink| desired || link.applied.as_ref().is_none_or(|applied| applied.active);
        self.link.as_ref().map_or(self.create_intent.is_some(), active)
    }
}
