//! The stored record of a user.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Anchor, AppliedState, DeprovisionReason, Desired, DesiredUser, DnKey, UserName};

/// Number of a scan of one connection. Each scan takes the next number, and its writes carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScanVersion(pub u64);

impl fmt::Display for ScanVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A time in whole seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// The time this many seconds later.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// The link between a user and an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLink {
    /// The target's id.
    pub account: AccountId,
    /// What was last written to the account; `None` until the first write.
    pub applied: Option<AppliedState>,
}

/// Create intent, stored before POST. While it is set and no account is linked, the outcome of the POST is unknown.
/// No account had this name immediately before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIntent {
    /// User name in the POST.
    pub user_name: UserName,
    /// External id in the POST.
    pub external_id: Option<String>,
}

impl CreateIntent {
    /// The intent that identifies the account of this user.
    pub fn of(user: &DesiredUser) -> Self {
        Self { user_name: user.user_name.clone(), external_id: user.external_id().map(str::to_owned) }
    }
}

/// An option that is off and prevented an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledOption {
    /// `options.create` is off, or `options.observe` is on.
    Create,
    /// `options.update` is off, or `options.observe` is on.
    Update,
    /// `options.deprovision` is off, or `options.observe` is on.
    Deprovision,
}

impl fmt::Display for DisabledOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "options.create is off, or options.observe is on",
            Self::Update => "options.update is off, or options.observe is on",
            Self::Deprovision => "options.deprovision is off, or options.observe is on",
        })
    }
}

/// Why a removal is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// The removals exceed the safety limits.
    OverLimit,
    /// The account was linked and never written, so nothing but its name says that it is the user's.
    NeverWritten,
    /// The account was linked after the scan; the safeguard of the next scan decides.
    AwaitingSafeguard,
}

/// State of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The account equals the desired user, or nothing needs to be done.
    InSync,
    /// An action is due at `next_attempt`.
    Pending,
    /// An action failed, and is due again at `next_attempt`.
    Retrying {
        /// The last error.
        error: String,
    },
    /// The target refused an action. It is due again when the entry changes, or on request.
    Failed {
        /// The target's error.
        error: String,
    },
    /// The account is gone from the target, and the limit on dropped links is reached. The link is kept until an approval.
    AccountGone,
    /// Another entry owns the user name or the account.
    Conflict {
        /// The other entry.
        owner: Anchor,
    },
    /// Several entries have the user's anchor, so none of them decides about the account.
    DuplicateAnchor,
    /// The safeguard holds a removal.
    Held {
        /// Why the account is to be deprovisioned.
        reason: DeprovisionReason,
        /// Why the removal is held.
        hold: HoldReason,
    },
    /// The account is inactive, and its deletion is due at `next_attempt`.
    PendingDeletion {
        /// Why the account was deprovisioned.
        reason: DeprovisionReason,
    },
    /// An action needs an option that is off.
    Skipped {
        /// The option.
        option: DisabledOption,
    },
    /// The mapping can't make a user of the entry.
    Invalid {
        /// The attribute and the problem.
        error: String,
        /// DN of the entry, which may have no user name; `None` if it contains a masked value.
        dn: Option<String>,
    },
}

impl Status {
    /// Words of the statuses of users that wait or failed: all but `in_sync`.
    pub const WAITING_WORDS: [&'static str; 9] = [
        "pending",
        "retrying",
        "failed",
        "account_gone",
        "conflict",
        "held",
        "skipped",
        "invalid",
        "pending_deletion",
    ];

    /// Words of the statuses of users that could not be mapped or provisioned.
    pub const FAILED_WORDS: [&'static str; 4] = ["retrying", "failed", "account_gone", "invalid"];

    /// Stable word for keys, listings and filters.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Retrying { .. } => "retrying",
            Self::Failed { .. } => "failed",
            Self::AccountGone => "account_gone",
            Self::Conflict { .. } | Self::DuplicateAnchor => "conflict",
            Self::Held { .. } => "held",
            Self::PendingDeletion { .. } => "pending_deletion",
            Self::Skipped { .. } => "skipped",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// DN of an entry that may have no user name.
    pub fn entry_dn(&self) -> Option<&str> {
        match self {
            Self::Invalid { dn, .. } => dn.as_deref(),
            _ => None,
        }
    }

    /// Explanation of the state, where the word alone is not enough.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::InSync | Self::Pending => None,
            Self::Retrying { error } | Self::Failed { error } | Self::Invalid { error, dn: _ } => {
                Some(error.clone())
            }
            Self::AccountGone => Some(
                "the account is gone from the target, and more are gone than safety.max_link_drops allows; \
                 restore it and retry the user, or approve that it is created anew"
                    .to_owned(),
            ),
            Self::Conflict { owner } => Some(format!("another entry has the user name or account ({owner})")),
            Self::DuplicateAnchor => Some(
                "several entries have this anchor; the account stays as it is until one of them has another anchor or left"
                    .to_owned(),
            ),
            Self::Held { reason, hold: HoldReason::OverLimit } => {
                Some(format!("{reason}; more removals than the safety limits allow"))
            }
            Self::Held { reason, hold: HoldReason::NeverWritten } => Some(format!(
                "{reason}; the account existed before and was never written, so its removal needs an approval"
            )),
            Self::Held { reason, hold: HoldReason::AwaitingSafeguard } => {
                Some(format!("{reason}; waits for the safeguard of the next scan"))
            }
            Self::PendingDeletion { reason } => Some(format!(
                "{reason}; the account is inactive, and is deleted after options.delete_after_days"
            )),
            Self::Skipped { option } => Some(option.to_string()),
        }
    }

    /// Whether an action is due at `next_attempt`.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Pending | Self::Retrying { .. } | Self::PendingDeletion { .. })
    }
}

/// The stored record of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The entry.
    pub anchor: Anchor,
    /// Last known name of the entry, which references from other entries use.
    pub dn: Option<DnKey>,
    /// What the directory says; `None` for an entry that was never valid.
    pub desired: Option<Desired>,
    /// The scan that wrote `desired`.
    pub version: ScanVersion,
    /// Whether the safeguard released the removal that `desired` asks for.
    pub removal_released: bool,
    /// The linked account.
    pub link: Option<AccountLink>,
    /// Create intent with an unknown outcome; always `None` with a link.
    pub create_intent: Option<CreateIntent>,
    /// State of the user.
    pub status: Status,
    /// Number of attempts at the current action.
    pub attempts: u32,
    /// Time of the next attempt.
    pub next_attempt: UnixSeconds,
}

impl UserRecord {
    /// The user name to show: the desired one, else the applied one.
    pub fn user_name(&self) -> Option<&UserName> {
        let applied = || self.link.as_ref()?.applied.as_ref()?.user_name.as_ref();
        self.desired.as_ref().and_then(Desired::user_name).or_else(applied)
    }

    /// Whether an account is linked that was never written: it existed before, and the user was disabled or left since.
    pub fn has_unwritten_account(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.applied.is_none())
    }

    /// Whether an account exists that may be active. An account that is desired active may have become so, and a sent
    /// POST may have created one, without a recorded outcome.
    pub fn has_active_account(&self) -> bool {
        let desired = self.desired.as_ref().is_some_and(Desired::is_active);
        let active =
            |link: &AccountLink| desired || link.applied.as_ref().is_none_or(|applied| applied.active);
        self.link.as_ref().map_or(self.create_intent.is_some(), active)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Managed, Value};

    fn record() -> UserRecord {
        UserRecord {
            anchor: Anchor::from_text("ada").unwrap(),
            dn: None,
            desired: None,
            version: ScanVersion(1),
            removal_released: false,
            link: None,
            create_intent: None,
            status: Status::InSync,
            attempts: 0,
            next_attempt: UnixSeconds(0),
        }
    }

    fn user(name: &str, active: bool) -> DesiredUser {
        DesiredUser {
            user_name: UserName::new(name).unwrap(),
            active,
            attributes: BTreeMap::new(),
            create_only: BTreeMap::new(),
        }
    }

    fn link(applied: Option<(&str, bool)>) -> Option<AccountLink> {
        let applied = applied.map(|(name, active)| AppliedState {
            kept: BTreeMap::new(),
            fingerprint: user(name, active).update_fingerprint(),
            user_name: UserName::new(name).ok(),
            active,
            attributes: Default::default(),
        });
        Some(AccountLink { account: AccountId::new("1").unwrap(), applied })
    }

    #[test]
    fn account_may_be_active_unless_known_inactive() {
        let active = |record: UserRecord| record.has_active_account();
        let desired = |active| Some(Desired::Present(user("a", active)));
        assert!(!active(record()));
        assert!(active(UserRecord { create_intent: Some(CreateIntent::of(&user("a", true))), ..record() }));
        assert!(active(UserRecord { link: link(None), ..record() }));
        assert!(UserRecord { link: link(None), ..record() }.has_unwritten_account());
        assert!(!UserRecord { link: link(Some(("a", true))), ..record() }.has_unwritten_account());
        assert!(!record().has_unwritten_account());
        assert!(active(UserRecord { link: link(Some(("a", true))), desired: desired(false), ..record() }));
        assert!(active(UserRecord { link: link(Some(("a", false))), desired: desired(true), ..record() }));
        assert!(!active(UserRecord { link: link(Some(("a", false))), desired: desired(false), ..record() }));
    }

    #[test]
    fn user_name_is_the_desired_one_before_the_applied_one() {
        let name = |record: &UserRecord| record.user_name().map(ToString::to_string);
        let applied = UserRecord { link: link(Some(("old", true))), ..record() };
        let both = UserRecord { desired: Some(Desired::Present(user("new", true))), ..applied.clone() };
        assert_eq!((name(&record()), name(&applied)), (None, Some("old".into())));
        assert_eq!(name(&both), Some("new".into()));
    }

    #[test]
    fn create_intent_names_the_account() {
        let external = Managed::Set(Value::Text("7".into()));
        let attributes = BTreeMap::from([("externalId".into(), external)]);
        let intent = CreateIntent::of(&DesiredUser { attributes, ..user("a", true) });
        assert_eq!((intent.user_name.as_str(), intent.external_id.as_deref()), ("a", Some("7")));
    }

    #[test]
    fn states_have_words_details_and_due_times() {
        use DeprovisionReason::Deleted;
        let error = || "no title".to_owned();
        let owner = Anchor::from_text("grace").unwrap();
        let held = |hold| Status::Held { reason: Deleted, hold };
        for (status, word, detail, due) in [
            (Status::InSync, "in_sync", None, false),
            (Status::Pending, "pending", None, true),
            (Status::Retrying { error: error() }, "retrying", Some("no title"), true),
            (Status::Failed { error: error() }, "failed", Some("no title"), false),
            (Status::Invalid { error: error(), dn: None }, "invalid", Some("no title"), false),
            (Status::AccountGone, "account_gone", Some("max_link_drops"), false),
            (Status::Conflict { owner }, "conflict", Some("(grace)"), false),
            (Status::DuplicateAnchor, "conflict", Some("several entries"), false),
            (held(HoldReason::OverLimit), "held", Some("safety limits"), false),
            (held(HoldReason::NeverWritten), "held", Some("needs an approval"), false),
            (held(HoldReason::AwaitingSafeguard), "held", Some("next scan"), false),
            (
                Status::PendingDeletion { reason: Deleted },
                "pending_deletion",
                Some("delete_after_days"),
                true,
            ),
            (
                Status::Skipped { option: DisabledOption::Create },
                "skipped",
                Some("options.create is off, or options.observe is on"),
                false,
            ),
            (
                Status::Skipped { option: DisabledOption::Update },
                "skipped",
                Some("options.update is off, or options.observe is on"),
                false,
            ),
            (
                Status::Skipped { option: DisabledOption::Deprovision },
                "skipped",
                Some("options.deprovision is off, or options.observe is on"),
                false,
            ),
        ] {
            assert_eq!((status.word(), status.is_due()), (word, due));
            let found = status.detail();
            let matches = match (&found, detail) {
                (Some(found), Some(detail)) => found.contains(detail),
                (found, detail) => found.is_none() && detail.is_none(),
            };
            assert!(matches, "{word}: {found:?}");
        }
    }

    #[test]
    fn times_and_versions_saturate_and_show_numbers() {
        assert_eq!(UnixSeconds(7).plus(3), UnixSeconds(10));
        assert_eq!(UnixSeconds(i64::MAX).plus(1), UnixSeconds(i64::MAX));
        assert_eq!(ScanVersion(7).to_string(), "7");
    }
}
