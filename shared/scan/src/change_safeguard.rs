//! The safeguard on mass changes for the plans of one scan.
//!
//! It counts the effects of each plan, and the transfers, and holds what exceeds a limit. Under a configuration that the
//! accounts don't follow yet, each creation and update has an effect of its own, counted apart, so that a new user does not
//! wait for a mapping that would rewrite all accounts. While they follow none, there is one effect for the whole first load.

use std::collections::{BTreeMap, HashSet};

use model::{
    Anchor, AnchorHash, HeldChanges, LimitedEffect, SafeguardMemory, Status, UnixSeconds, UserRecord,
};
use plan::{EffectCounts, EffectLimits, EffectSafeguard, EffectVerdict, HeldPlan, Policy, RecordPlan};

use crate::transfers::{AccountTransfer, LeaveKind, NameTransfer, TransferPlan};
use crate::user_plan::{AccountEffect, PagePlan, UserPlan};

/// Safeguard on the changes of one scan.
pub(crate) struct ChangeSafeguard {
    effects: EffectSafeguard<UserPlan>,
    followed: FollowedConfiguration,
    /// Whether an administrator has approved the first load, or only looks at it.
    is_first_load_allowed: bool,
    /// Users that the first load concerns.
    first_load: u64,
    /// Plans of users that had several entries in the last scan. The end of the read shows whether they still do.
    unfrozen: Vec<UserPlan>,
    /// Plans of users in conflict over a name. The plan that owns the name may be kept until the end, and is written first.
    in_conflict: Vec<UserPlan>,
    held: HeldPlans,
}

/// The configuration that the accounts follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FollowedConfiguration {
    /// No account follows any: this is a first load.
    None,
    /// The present one, or nothing is written to the target.
    Present,
    /// Another one.
    Other,
}

/// Held plans in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldPlans {
    pub updates: u64,
    pub creates: u64,
    pub transfers: u64,
    /// Those of the transfers from an entry that is gone. It is planned again by a full read alone.
    pub gone_transfers: u64,
    /// Users with a held plan.
    pub users: HashSet<AnchorHash>,
}

/// Verdict of the safeguard at the end of the read.
pub(crate) struct ChangeVerdict {
    /// Plans of earlier pages that are decided only now. `held` leaves out those that were held with their page.
    pub plans: PagePlan,
    /// What waits for approval.
    pub changes: Option<HeldChanges>,
    /// All held plans of the scan.
    pub held: HeldPlans,
    /// Users that the first load concerns, held or not.
    pub first_load: u64,
}

impl ChangeSafeguard {
    /// The safeguard for one scan, with the number of users that the last scan saw.
    pub fn new(policy: &Policy, memory: &SafeguardMemory, users: u64, now: UnixSeconds) -> Self {
        let configuration = policy.fingerprint;
        let followed = match memory.configuration {
            _ if policy.options.observe => FollowedConfiguration::Present,
            None => FollowedConfiguration::None,
            Some(followed) if followed != configuration && users > 0 => FollowedConfiguration::Other,
            Some(_) => FollowedConfiguration::Present,
        };
        let approval = memory.change_approval_at(now, configuration);
        let limits = EffectLimits {
            safety: policy.safety,
            configuration,
            users,
            approved: approval.map(|approval| approval.changes.clone()),
        };
        Self {
            effects: EffectSafeguard::new(limits),
            followed,
            is_first_load_allowed: policy.safety.max_first_load.is_none(),
            first_load: 0,
            unfrozen: Vec::new(),
            in_conflict: Vec::new(),
            held: HeldPlans::default(),
        }
    }

    /// Whether a first load passes, because an administrator has approved it or only looks at it.
    pub fn allow_first_load(&mut self, is_allowed: bool) {
        self.is_first_load_allowed |= is_allowed;
    }

    /// Splits the plans of a page. A user in conflict is planned at the end, after the plan that owns the name.
    pub fn check_page(&mut self, users: Vec<UserPlan>) -> PagePlan {
        let (in_conflict, users) = users.into_iter().partition(|user| user.conflict.is_some());
        self.in_conflict.extend::<Vec<UserPlan>>(in_conflict);
        self.check(users)
    }

    /// Splits plans into those that may be written now and those that are held. A plan that may still be written at the
    /// end is in neither.
    pub fn check(&mut self, users: Vec<UserPlan>) -> PagePlan {
        let (frozen, users) = users.into_iter().partition(was_frozen);
        self.unfrozen.extend::<Vec<UserPlan>>(frozen);
        self.judge(users)
    }

    fn judge(&mut self, users: Vec<UserPlan>) -> PagePlan {
        let mut page = PagePlan::default();
        for user in users {
            let effects = self.effects_of(&user);
            if effects.is_empty() {
                page.users.push(user);
                continue;
            }
            let EffectVerdict { released, held } = self.effects.judge(user, effects);
            page.users.extend(released);
            self.held.add(&held);
            page.held.extend(held);
        }
        page
    }

    /// Takes plans of these users back that are not judged yet.
    pub fn withdraw(&mut self, users: &BTreeMap<AnchorHash, Anchor>) {
        let is_withdrawn = |user: &UserPlan| users.contains_key(&user.anchor.hash());
        self.effects.withdraw(is_withdrawn);
        self.unfrozen.retain(|user| !is_withdrawn(user));
        self.in_conflict.retain(|user| !is_withdrawn(user));
    }

    /// Takes the transfers that are held out of a plan, and returns them.
    pub fn hold_transfers(&mut self, plan: &mut TransferPlan) -> TransferPlan {
        let accounts = plan.accounts.iter().map(|transfer| vec![transferred(transfer.leave)]);
        let names = plan.names.iter().map(|transfer| {
            let rename = transfer.to.has_account().then_some(LimitedEffect::Rename);
            rename.into_iter().chain(transfer.leave.map(transferred)).collect()
        });
        let verdicts = self.effects.judge_together(&accounts.chain(names).collect::<Vec<_>>());
        let mut is_held = verdicts.iter().map(|by| !by.is_empty());
        let mut held = TransferPlan::default();
        let accounts: (Vec<AccountTransfer>, _) =
            std::mem::take(&mut plan.accounts).into_iter().partition(|_| is_held.next().unwrap_or(true));
        let names: (Vec<NameTransfer>, _) =
            std::mem::take(&mut plan.names).into_iter().partition(|_| is_held.next().unwrap_or(true));
        ((held.accounts, plan.accounts), (held.names, plan.names)) = (accounts, names);
        self.held.transfers = (held.accounts.len() + held.names.len()) as u64;
        let leaves = held.accounts.iter().map(|transfer| Some(transfer.leave));
        let leaves = leaves.chain(held.names.iter().map(|transfer| transfer.leave));
        self.held.gone_transfers = leaves.filter(|leave| *leave != Some(LeaveKind::Disabled)).count() as u64;
        held
    }

    /// The verdict once the read has ended.
    pub fn finish(mut self, is_complete: bool) -> ChangeVerdict {
        let unfrozen = std::mem::take(&mut self.unfrozen);
        let PagePlan { mut users, held: mut late_held } = self.judge(unfrozen);
        let Self { effects, in_conflict, mut held, first_load, .. } = self;
        let counts = if is_complete { EffectCounts::All } else { EffectCounts::AtLeast };
        let (EffectVerdict { released, held: late }, changes) = effects.finish(counts);
        held.add(&late);
        users.extend(released);
        users.extend(in_conflict);
        late_held.extend(late);
        ChangeVerdict { plans: PagePlan { users, held: late_held }, changes, held, first_load }
    }

    fn effects_of(&mut self, user: &UserPlan) -> Vec<LimitedEffect> {
        if is_return(user) {
            return Vec::new();
        }
        let effect = user.account_effect();
        let mut effects = user.limited_effects();
        match (self.followed, effect) {
            (FollowedConfiguration::None, Some(_)) => {
                self.first_load += 1;
                effects.extend((!self.is_first_load_allowed).then_some(LimitedEffect::FirstLoad));
            }
            (FollowedConfiguration::Other, Some(AccountEffect::Create)) => {
                effects.push(LimitedEffect::ConfiguredCreate);
            }
            (FollowedConfiguration::Other, Some(AccountEffect::Update)) => {
                effects.push(LimitedEffect::ConfiguredUpdate);
            }
            (FollowedConfiguration::Present, _) | (_, None) => {}
        }
        effects
    }
}

impl HeldPlans {
    /// Whether a plan can only be made again by a scan that reads all entries.
    pub fn needs_full_scan(&self) -> bool {
        !self.users.is_empty() || self.gone_transfers > 0
    }

    fn add(&mut self, held: &[HeldPlan<UserPlan>]) {
        for HeldPlan { plan, .. } in held {
            self.users.insert(plan.anchor.hash());
            match plan.account_effect() {
                Some(AccountEffect::Create) => self.creates += 1,
                Some(AccountEffect::Update) | None => self.updates += 1,
            }
        }
    }
}

/// Whether the plan changes a user that had several entries in the last scan.
fn was_frozen(user: &UserPlan) -> bool {
    let is_frozen = user.record.as_ref().is_some_and(|record| record.status == Status::DuplicateAnchor);
    is_frozen && user.plan != RecordPlan::Nothing
}

fn transferred(leave: LeaveKind) -> LimitedEffect {
    match leave {
        LeaveKind::Gone => LimitedEffect::Transfer,
        LeaveKind::Disabled => LimitedEffect::TransferFromDisabled,
    }
}

/// Whether the user only returns from a held removal, with the same desired user. A corrected filter must not wait for
/// approval.
fn is_return(user: &UserPlan) -> bool {
    let Some(UserRecord { status: Status::Held { .. }, desired: recorded, .. }) = &user.record else {
        return false;
    };
    match &user.plan {
        RecordPlan::SetStatus(_) => true,
        RecordPlan::SetDesired { desired, .. } => recorded.as_ref() == Some(desired),
        RecordPlan::Nothing | RecordPlan::Remove(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use model::{
        ChangeApproval, DeprovisionReason, Fingerprint, HeldEffect, HoldReason, Options, TargetIdentity,
        ValueKind,
    };
    use plan::mapping::MappingRule;
    use plan::status::StatusRule;
    use plan::{Mapping, SafetyLimits, UserRules};

    use super::*;
    use crate::user_plan::SnapshotEffect;
    use crate::user_plan::testing::{present, record, user_plan};

    const NOW: UnixSeconds = UnixSeconds(1_000);
    const OLD: Fingerprint = Fingerprint([1; 16]);
    const NEW: Fingerprint = Fingerprint([2; 16]);

    fn policy() -> Policy {
        Policy {
            name: "corp".to_owned(),
            target: TargetIdentity::new("https://x.test", "test"),
            rules: UserRules {
                mapping: Mapping::new(MappingRule::plain("mail", ValueKind::Text), BTreeMap::new()),
                status: StatusRule::AlwaysEnabled,
                expires: None,
                provision_disabled: false,
                dialect: "test".to_owned(),
            },
            options: Options::default(),
            safety: SafetyLimits {
                max_first_load: Some(3),
                max_changes: 3,
                max_renames: 3,
                ..SafetyLimits::default()
            },
            fingerprint: NEW,
            full_read_hours: 6,
            keep_alive_days: None,
        }
    }

    fn user(number: u64, linked: bool) -> UserPlan {
        let anchor = format!("user-{number}");
        let record = linked.then(|| record(&anchor, None, true));
        user_plan(&anchor, record, present(&format!("u{number}")))
    }

    fn users(updates: u64, creates: u64) -> Vec<UserPlan> {
        (0..updates).map(|n| user(n, true)).chain((0..creates).map(|n| user(1_000 + n, false))).collect()
    }

    fn memory(configuration: Option<Fingerprint>) -> SafeguardMemory {
        SafeguardMemory { configuration, ..SafeguardMemory::default() }
    }

    fn held(effects: &[(LimitedEffect, u64)]) -> Option<HeldChanges> {
        let held = effects.iter().map(|(effect, count)| HeldEffect {
            effect: effect.clone(),
            count: *count,
            limit: 3,
        });
        HeldChanges::of(NEW, 100, held.collect())
    }

    fn safeguard(memory: &SafeguardMemory) -> ChangeSafeguard {
        ChangeSafeguard::new(&policy(), memory, 100, NOW)
    }

    /// The numbers of updates and creations that are written, and the held changes.
    fn judge(
        memory: &SafeguardMemory,
        (updates, creates): (u64, u64),
    ) -> (usize, usize, Option<HeldChanges>) {
        let mut safeguard = safeguard(memory);
        let mut written = safeguard.check(users(updates, creates)).users;
        let verdict = safeguard.finish(true);
        written.extend(verdict.plans.users);
        let held = &verdict.held;
        assert_eq!(written.len() as u64 + held.updates + held.creates, updates + creates);
        assert_eq!(held.users.len() as u64, held.updates + held.creates);
        let updates = written.iter().filter(|user| user.record.is_some()).count();
        (updates, written.len() - updates, verdict.changes)
    }

    #[test]
    fn changed_configuration_is_held_when_it_touches_many_accounts() {
        let (updates, creates) = (LimitedEffect::ConfiguredUpdate, LimitedEffect::ConfiguredCreate);
        for (known, touched, expected) in [
            (Some(NEW), (9, 9), (9, 9, None)),
            (None, (0, 3), (0, 3, None)),
            (None, (1, 3), (0, 0, held(&[(LimitedEffect::FirstLoad, 4)]))),
            (Some(OLD), (3, 3), (3, 3, None)),
            (Some(OLD), (4, 1), (0, 1, held(&[(updates.clone(), 4)]))),
            (Some(OLD), (1, 4), (1, 0, held(&[(creates.clone(), 4)]))),
            (Some(OLD), (9, 9), (0, 0, held(&[(creates, 9), (updates, 9)]))),
        ] {
            assert_eq!(judge(&memory(known), touched), expected, "{known:?} {touched:?}");
        }
        let no_user = ChangeSafeguard::new(&policy(), &memory(Some(OLD)), 0, NOW).check(users(0, 9));
        assert_eq!(no_user.users.len(), 9, "there is no account that follows another configuration");
    }

    #[test]
    fn allowed_first_load_and_observing_are_not_held() {
        let mut allowed = safeguard(&memory(None));
        allowed.allow_first_load(true);
        assert_eq!(allowed.check(users(0, 9)).users.len(), 9);
        assert_eq!(allowed.finish(true).first_load, 9);
        let mut observing = policy();
        observing.options.observe = true;
        let mut observing = ChangeSafeguard::new(&observing, &memory(None), 100, NOW);
        assert_eq!(observing.check(users(0, 9)).users.len(), 9);
    }

    #[test]
    fn approved_change_touches_no_more_accounts_than_approved() {
        let updates = |count| held(&[(LimitedEffect::ConfiguredUpdate, count)]).unwrap();
        let approved = |until| SafeguardMemory {
            change_approval: Some(ChangeApproval { changes: updates(5), by: "ada".to_owned(), until }),
            ..memory(Some(OLD))
        };
        let holds = approved(NOW.plus(1));
        assert_eq!(judge(&holds, (5, 1)), (5, 1, None));
        assert_eq!(judge(&holds, (4, 3)), (4, 3, None));
        assert_eq!(judge(&holds, (6, 1)), (5, 1, Some(updates(6))));
        assert_eq!(judge(&approved(NOW), (5, 1)), (0, 1, Some(updates(5))));
    }

    #[test]
    fn renames_are_held_while_creations_are_written_at_once() {
        let renamed = |n: u64| {
            let mut user = user(n, true);
            user.record.as_mut().unwrap().desired = Some(present("before"));
            user
        };
        let mut safeguard = safeguard(&memory(Some(NEW)));
        let plans: Vec<UserPlan> = (0..4).map(renamed).chain(users(0, 5)).collect();
        let PagePlan { users, held: held_plans } = safeguard.check(plans);
        assert_eq!((users.len(), held_plans.len()), (5, 4));
        assert_eq!(safeguard.finish(true).changes, held(&[(LimitedEffect::Rename, 4)]));
    }

    #[test]
    fn transfer_from_a_disabled_entry_is_held() {
        let transfer = |n: u64, leave| AccountTransfer {
            from: record(&format!("from-{n}"), None, true),
            to: user(n, false),
            leave,
            snapshot: SnapshotEffect::Keep,
        };
        let mut plan = TransferPlan {
            accounts: vec![transfer(1, LeaveKind::Gone), transfer(2, LeaveKind::Disabled)],
            ..TransferPlan::default()
        };
        let mut safeguard = safeguard(&memory(Some(NEW)));
        let held = safeguard.hold_transfers(&mut plan);
        assert_eq!((plan.accounts.len(), held.accounts[0].leave), (1, LeaveKind::Disabled));
        let ChangeVerdict { changes, held, .. } = safeguard.finish(true);
        assert_eq!(changes.unwrap().count(&LimitedEffect::TransferFromDisabled), 1);
        assert_eq!((held.transfers, held.gone_transfers), (1, 0));
    }

    #[test]
    fn user_in_conflict_is_written_after_the_plan_that_owns_the_name() {
        let mut safeguard = safeguard(&memory(None));
        let conflict = Some(user(1_000, false).anchor);
        let second = UserPlan { conflict, ..user(1_001, false) };
        assert!(safeguard.check_page(vec![user(1_000, false), second.clone()]).users.is_empty());
        let written = safeguard.finish(true).plans.users;
        assert_eq!(written.last().map(|user| &user.anchor), Some(&second.anchor));
        assert_eq!(written.len(), 2);
    }

    #[test]
    fn user_with_several_entries_is_not_planned_before_the_end_of_the_read() {
        let frozen = |n: u64| {
            let mut user = user(n, true);
            user.record.as_mut().unwrap().status = Status::DuplicateAnchor;
            user
        };
        let mut safeguard = safeguard(&memory(Some(NEW)));
        assert!(safeguard.check(vec![frozen(1), frozen(2)]).users.is_empty());
        let anchor = frozen(1).anchor;
        safeguard.withdraw(&BTreeMap::from([(anchor.hash(), anchor)]));
        let plans = safeguard.finish(true).plans.users;
        assert_eq!(plans.iter().map(|user| user.anchor.as_str()).collect::<Vec<_>>(), ["user-2"]);
    }

    #[test]
    fn return_from_a_held_removal_is_not_held() {
        let status = Status::Held { reason: DeprovisionReason::OutOfScope, hold: HoldReason::OverLimit };
        let mut back = users(9, 0);
        for user in &mut back {
            let RecordPlan::SetDesired { desired, .. } = &user.plan else { unreachable!() };
            let record = user.record.as_mut().unwrap();
            (record.status, record.desired) = (status.clone(), Some(desired.clone()));
        }
        back[0].plan = RecordPlan::SetStatus(Status::Pending);
        let mut safeguard = safeguard(&memory(Some(OLD)));
        assert_eq!(safeguard.check(back.clone()).users.len(), 9);
        // A user that changed as well is counted like any other.
        back.iter_mut().for_each(|user| user.record.as_mut().unwrap().desired = None);
        assert_eq!(safeguard.check(back).users.len(), 1);
        assert!(safeguard.finish(true).changes.is_some());
    }
}
