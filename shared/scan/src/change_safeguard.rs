//! Safeguard on a changed configuration: it counts the accounts that the new configuration would change, and holds the
//! changes if they are too many.
//!
//! Under a changed configuration no account is created or updated before the number of changes is known to be small, or an
//! administrator has approved it. Creations and updates are counted apart, so that a new user does not wait for a mapping
//! that would rewrite all accounts. Removals have a safeguard of their own.

use model::{ChangeApproval, Fingerprint, HeldChange, SafeguardMemory, Status, UnixSeconds, UserRecord};
use plan::RecordPlan;

use crate::user_plan::{AccountEffect, PagePlan, UserPlan};

/// Safeguard on the changes of one scan.
pub(crate) struct ChangeSafeguard {
    configuration: Fingerprint,
    /// `None` where the safeguard lets all changes pass.
    counters: Option<ChangeCounters>,
}

/// The configuration of the scan, and its limit.
pub(crate) struct ChangeLimits {
    pub configuration: Fingerprint,
    /// Creations, and updates, that a changed configuration may make without approval.
    pub max_changes: u64,
}

/// Creations and updates under a configuration that the accounts don't follow yet.
struct ChangeCounters {
    updates: ChangeCounter,
    creates: ChangeCounter,
}

/// Changes of one sort.
struct ChangeCounter {
    limit: ChangeLimit,
    count: u64,
    /// Plans that are written at the end if the limit is not exceeded.
    kept: Vec<UserPlan>,
}

#[derive(Clone, Copy)]
enum ChangeLimit {
    /// All changes are written if they are no more than this, else none of them.
    AllUpTo(u64),
    /// An administrator has approved this number; the changes up to it are written at once.
    Approved(u64),
}

/// Verdict of the safeguard at the end of the read.
pub(crate) struct ChangeVerdict {
    /// Plans of earlier pages that are decided only now. `held` leaves out those that were held with their page.
    pub plans: PagePlan,
    /// The change that waits for approval.
    pub held_change: Option<HeldChange>,
    /// Number of held updates.
    pub held_updates: u64,
    /// Number of held creations.
    pub held_creates: u64,
}

impl ChangeSafeguard {
    /// The safeguard for one scan. It lets all changes pass if the accounts follow the same configuration already, and in
    /// a first load, which has no accounts to damage.
    pub fn new(
        limits: ChangeLimits,
        memory: &SafeguardMemory,
        is_first_load: bool,
        now: UnixSeconds,
    ) -> Self {
        let ChangeLimits { configuration, max_changes } = limits;
        let is_same = memory.configuration.is_none_or(|followed| followed == configuration);
        if is_same || is_first_load {
            return Self { configuration, counters: None };
        }
        let approval = memory.change_approval_at(now, configuration);
        let counter = |approved: fn(&ChangeApproval) -> u64| {
            let approved = approval.map(approved).filter(|count| *count > max_changes);
            let limit = approved.map_or(ChangeLimit::AllUpTo(max_changes), ChangeLimit::Approved);
            ChangeCounter { limit, count: 0, kept: Vec::new() }
        };
        let counters = ChangeCounters {
            updates: counter(|approval| approval.change.updates),
            creates: counter(|approval| approval.change.creates),
        };
        Self { configuration, counters: Some(counters) }
    }

    /// Splits plans into those that may be written now and those that are held. A plan that may still be written at the
    /// end is in neither.
    pub fn check(&mut self, users: Vec<UserPlan>) -> PagePlan {
        let Some(counters) = &mut self.counters else { return PagePlan { users, held: Vec::new() } };
        let mut page = PagePlan::default();
        for user in users {
            match user.account_effect().filter(|_| !is_return(&user)) {
                None => page.users.push(user),
                Some(AccountEffect::Update) => counters.updates.take(user, &mut page),
                Some(AccountEffect::Create) => counters.creates.take(user, &mut page),
            }
        }
        page
    }

    /// The verdict once the read has ended. After an incomplete read the number of updates is unknown, so they are held.
    pub fn finish(self, is_complete: bool) -> ChangeVerdict {
        let Self { configuration, counters } = self;
        let Some(ChangeCounters { updates, creates }) = counters else {
            let plans = PagePlan::default();
            return ChangeVerdict { plans, held_change: None, held_updates: 0, held_creates: 0 };
        };
        let (all_updates, all_creates) = (updates.count, creates.count);
        let (mut users, held_creates) = creates.finish();
        let (updates, mut held_updates) = updates.finish();
        let mut held = Vec::new();
        if is_complete {
            users.extend(updates);
        } else {
            held_updates = held_updates.saturating_add(updates.len() as u64);
            held = updates;
        }
        let waits = is_complete && (held_updates > 0 || held_creates > 0);
        let held_change = waits.then(|| HeldChange::of(configuration, all_updates, all_creates));
        ChangeVerdict { plans: PagePlan { users, held }, held_change, held_updates, held_creates }
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

impl ChangeCounter {
    fn take(&mut self, user: UserPlan, page: &mut PagePlan) {
        self.count = self.count.saturating_add(1);
        match self.limit {
            ChangeLimit::Approved(most) if self.count <= most => page.users.push(user),
            ChangeLimit::AllUpTo(most) if self.count <= most => self.kept.push(user),
            ChangeLimit::Approved(_) | ChangeLimit::AllUpTo(_) => {
                page.held.append(&mut self.kept);
                page.held.push(user);
            }
        }
    }

    /// The plans that are written at the end, and the number of held ones.
    fn finish(self) -> (Vec<UserPlan>, u64) {
        let Self { limit, count, kept } = self;
        match limit {
            ChangeLimit::Approved(most) => (Vec::new(), count.saturating_sub(most)),
            ChangeLimit::AllUpTo(most) if count > most => (Vec::new(), count),
            ChangeLimit::AllUpTo(_) => (kept, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plan::testing::{present, record, user_plan};
    use model::{DeprovisionReason, HoldReason};

    const NOW: UnixSeconds = UnixSeconds(1_000);
    const OLD: Fingerprint = Fingerprint([1; 16]);
    const NEW: Fingerprint = Fingerprint([2; 16]);

    fn safeguard(memory: &SafeguardMemory) -> ChangeSafeguard {
        ChangeSafeguard::new(ChangeLimits { configuration: NEW, max_changes: 3 }, memory, false, NOW)
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

    /// The numbers of updates and creations that are written, and the held change.
    fn judge(memory: &SafeguardMemory, (updates, creates): (u64, u64)) -> (usize, usize, Option<HeldChange>) {
        let mut safeguard = safeguard(memory);
        let PagePlan { users: mut written, held } = safeguard.check(users(updates, creates));
        let verdict = safeguard.finish(true);
        assert_eq!(held.len() as u64, verdict.held_updates + verdict.held_creates);
        written.extend(verdict.plans.users);
        let updates = written.iter().filter(|user| user.record.is_some()).count();
        (updates, written.len() - updates, verdict.held_change)
    }

    #[test]
    fn changed_configuration_is_held_when_it_touches_many_accounts() {
        let held = |updates, creates| Some(HeldChange::of(NEW, updates, creates));
        for (known, touched, expected) in [
            (Some(NEW), (9, 9), (9, 9, None)),
            (None, (9, 9), (9, 9, None)),
            (Some(OLD), (3, 3), (3, 3, None)),
            (Some(OLD), (4, 1), (0, 1, held(4, 1))),
            (Some(OLD), (1, 4), (1, 0, held(1, 4))),
            (Some(OLD), (9, 9), (0, 0, held(9, 9))),
        ] {
            assert_eq!(judge(&memory(known), touched), expected, "{known:?} {touched:?}");
        }
    }

    #[test]
    fn approved_change_touches_no_more_accounts_than_approved() {
        let change = HeldChange::of(NEW, 5, 1);
        let approved = |until| SafeguardMemory {
            change_approval: Some(ChangeApproval { change, until }),
            ..memory(Some(OLD))
        };
        let holds = approved(NOW.plus(1));
        assert_eq!(judge(&holds, (5, 1)), (5, 1, None));
        assert_eq!(judge(&holds, (4, 3)), (4, 3, None));
        assert_eq!(judge(&holds, (6, 1)), (5, 1, Some(HeldChange::of(NEW, 6, 1))));
        assert_eq!(judge(&holds, (5, 4)), (5, 0, Some(HeldChange::of(NEW, 5, 4))));
        assert_eq!(judge(&approved(NOW), (5, 1)), (0, 1, Some(change)));
    }

    #[test]
    fn updates_are_held_after_an_incomplete_read() {
        let mut safeguard = safeguard(&memory(Some(OLD)));
        assert!(safeguard.check(users(2, 1)).users.is_empty());
        let verdict = safeguard.finish(false);
        assert_eq!((verdict.plans.users.len(), verdict.plans.held.len()), (1, 2));
        assert_eq!((verdict.held_change, verdict.held_updates, verdict.held_creates), (None, 2, 0));
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
        assert!(safeguard.finish(true).held_change.is_some());
    }
}
