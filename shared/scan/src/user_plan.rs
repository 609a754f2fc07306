//! What a scan plans for one user, and for the users of one page.

use model::{Anchor, AnchorHash, Desired, DnKey, Fingerprint, LimitedEffect, UserName, UserRecord};
use plan::{HeldPlan, RecordPlan, limited_effects};

/// Planned change of one user's record.
#[derive(Clone, Debug)]
pub struct UserPlan {
    /// The entry's anchor.
    pub anchor: Anchor,
    /// Key of the entry's DN.
    pub dn: Option<DnKey>,
    /// The record before the change.
    pub record: Option<UserRecord>,
    /// The change.
    pub plan: RecordPlan,
    /// Anchor of the other entry that has the user name.
    pub conflict: Option<Anchor>,
    /// What the write does to the user's part of the snapshot.
    pub(crate) snapshot: SnapshotEffect,
}

/// Plans for the users of one page, judged by the safeguard.
#[derive(Debug, Default)]
pub struct PagePlan {
    /// Plans to be written.
    pub users: Vec<UserPlan>,
    /// Plans that wait for approval.
    pub held: Vec<HeldPlan<UserPlan>>,
}

/// What a write does to one user's part of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotEffect {
    /// It stays as it is.
    Keep,
    /// It becomes this fingerprint.
    Set(Fingerprint),
    /// The user is taken out of the snapshot.
    Remove,
}

/// What a plan does to the user's account, removals and conflicts aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountEffect {
    Create,
    Update,
}

impl SnapshotEffect {
    /// The change of the snapshot; `None` in the value takes the user out.
    pub(crate) fn change_of(self, hash: AnchorHash) -> Option<(AnchorHash, Option<Fingerprint>)> {
        match self {
            Self::Keep => None,
            Self::Set(fingerprint) => Some((hash, Some(fingerprint))),
            Self::Remove => Some((hash, None)),
        }
    }
}

impl UserPlan {
    /// A plan for a user that is known from the record alone.
    pub(crate) fn of_record(record: UserRecord, plan: RecordPlan, snapshot: SnapshotEffect) -> Self {
        let (anchor, dn) = (record.anchor.clone(), record.dn);
        Self { anchor, dn, record: Some(record), plan, conflict: None, snapshot }
    }

    /// What the plan does to the user's account.
    pub(crate) fn account_effect(&self) -> Option<AccountEffect> {
        let recorded = self.record.as_ref().and_then(|record| record.desired.as_ref());
        let (desired, status) = match &self.plan {
            RecordPlan::SetDesired { desired, status } => (Some(desired), status),
            RecordPlan::SetStatus(status) => (recorded, status),
            RecordPlan::Nothing | RecordPlan::Remove(_) => return None,
        };
        if self.conflict.is_some() || !status.is_due() || !matches!(desired, Some(Desired::Present(_))) {
            return None;
        }
        Some(if self.has_account() { AccountEffect::Update } else { AccountEffect::Create })
    }

    /// The effects of the plan on the user's account that a limit counts, whatever the configuration.
    pub(crate) fn limited_effects(&self) -> Vec<LimitedEffect> {
        match (self.account_effect(), &self.record, &self.plan) {
            (
                Some(AccountEffect::Update),
                Some(record),
                RecordPlan::SetDesired { desired: Desired::Present(user), .. },
            ) => limited_effects(record, user),
            _ => Vec::new(),
        }
    }

    /// Whether the user would be in conflict while an account under the recorded name may be under way. Once it is known, and
    /// linked, the next scan plans the user.
    pub(crate) fn awaits_creation(&self) -> bool {
        let is_under_way = |record: &UserRecord| {
            record.create_intent.is_some() && record.link.is_none() && record.status.is_due()
        };
        self.conflict.is_some() && self.record.as_ref().is_some_and(is_under_way)
    }

    pub(crate) fn has_account(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.link.is_some())
    }

    /// The user name that this plan newly sets.
    pub(crate) fn new_user_name(&self) -> Option<&UserName> {
        match &self.plan {
            RecordPlan::SetDesired { desired: Desired::Present(user), .. } => Some(&user.user_name),
            _ => None,
        }
    }

    /// The user name that the user should have once the plan is written.
    pub(crate) fn desired_user_name(&self) -> Option<&UserName> {
        let desired = match &self.plan {
            RecordPlan::SetDesired { desired, .. } => Some(desired),
            _ => self.record.as_ref().and_then(|record| record.desired.as_ref()),
        };
        desired.and_then(Desired::user_name)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Users for the tests of planning.

    use model::{
        AccountId, AccountLink, AnchorHash, DeprovisionReason, DesiredUser, HeldRemovals, HoldCause,
        ScanVersion, Status, UnixSeconds, UserName, UserRecord,
    };

    use super::*;

    /// Held removals of so many deleted users, since scan 7.
    pub(crate) fn held(count: u8) -> HeldRemovals {
        let users = (0..count).map(|n| (AnchorHash([n; 16]), DeprovisionReason::Deleted)).collect();
        HeldRemovals::of(users, HoldCause::Scan { limit: 25 }, ScanVersion(7)).unwrap()
    }

    /// A desired user named `<name>@x.test`.
    pub(crate) fn present(name: &str) -> Desired {
        Desired::Present(DesiredUser {
            user_name: UserName::new(&format!("{name}@x.test")).unwrap(),
            active: true,
            attributes: Default::default(),
            create_only: Default::default(),
        })
    }

    /// A record in sync.
    pub(crate) fn record(anchor: &str, desired: Option<Desired>, linked: bool) -> UserRecord {
        let link = linked.then(|| AccountLink { account: AccountId::new("1").unwrap(), applied: None });
        UserRecord {
            anchor: Anchor::from_text(anchor).unwrap(),
            dn: None,
            desired,
            version: ScanVersion(1),
            removal_released: false,
            link,
            create_intent: None,
            status: Status::InSync,
            attempts: 0,
            next_attempt: UnixSeconds(0),
        }
    }

    /// A plan that sets the desired user.
    pub(crate) fn user_plan(anchor: &str, record: Option<UserRecord>, desired: Desired) -> UserPlan {
        UserPlan {
            anchor: Anchor::from_text(anchor).unwrap(),
            dn: None,
            record,
            plan: RecordPlan::SetDesired { desired, status: Status::Pending },
            conflict: None,
            snapshot: SnapshotEffect::Keep,
        }
    }
}
