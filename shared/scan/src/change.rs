//! A configuration that was changed: how many users it would touch, and whether it may.
//!
//! Nobody's account is created or updated under a new configuration before it is known that there are few of them, or a
//! person has said so. Creations and updates are judged apart, so that somebody new does not wait for a mapping that
//! would rewrite everybody. Removals have a check of their own.

use model::{ChangeApproval, Fingerprint, HeldChange, SafeguardMemory, Status, UnixSeconds, UserRecord};
use plan::RecordPlan;

use crate::UserPlan;
use crate::summary::Touch;

/// Watches what a scan is about to write.
pub struct ChangeGate {
    configuration: Fingerprint,
    watch: Option<Watch>,
}

/// Creations and updates under a configuration that is not yet the accounts' own.
struct Watch {
    updates: Lane,
    creates: Lane,
}

/// Changes of one kind.
struct Lane {
    rule: Rule,
    /// How many there were.
    met: u64,
    /// Those who go if it stays at these.
    kept: Vec<UserPlan>,
}

#[derive(Clone, Copy)]
enum Rule {
    /// All of them go if there are no more than this, else nobody.
    AllUpTo(u64),
    /// A person has let so many through; they need not wait for the end.
    Ceiling(u64),
}

/// What the gate says to some users.
#[derive(Default)]
pub struct Passed {
    /// They go.
    pub go: Vec<UserPlan>,
    /// They wait for a person; those who may still go are in neither.
    pub held: Vec<UserPlan>,
}

/// What the gate has let through at the end, and what not.
pub struct Judged {
    /// They go.
    pub users: Vec<UserPlan>,
    /// They don't; of whom that was known before is not among them.
    pub waiting: Vec<UserPlan>,
    /// What waits for a person.
    pub held: Option<HeldChange>,
    /// The updates that wait.
    pub held_updates: u64,
    /// The creations that wait.
    pub held_creates: u64,
}

impl ChangeGate {
    /// The gate for a scan under this configuration. It is open where the accounts follow the same one, and for a first
    /// load, which has nothing that could be spoilt.
    pub fn new(
        configuration: Fingerprint,
        max_changes: u64,
        memory: &SafeguardMemory,
        is_first_load: bool,
        now: UnixSeconds,
    ) -> Self {
        let is_same = memory.configuration.is_none_or(|known| known == configuration);
        if is_same || is_first_load {
            return Self { configuration, watch: None };
        }
        let approval = memory.change_approval_at(now, configuration);
        let lane = |approved: fn(&ChangeApproval) -> u64| {
            let approved = approval.map(approved).filter(|count| *count > max_changes);
            let rule = approved.map_or(Rule::AllUpTo(max_changes), Rule::Ceiling);
            Lane { rule, met: 0, kept: Vec::new() }
        };
        let watch = Watch {
            updates: lane(|approval| approval.change.updates),
            creates: lane(|approval| approval.change.creates),
        };
        Self { configuration, watch: Some(watch) }
    }

    /// Which of these users may be written now, and which may not.
    pub fn let_through(&mut self, users: Vec<UserPlan>) -> Passed {
        let Some(watch) = &mut self.watch else { return Passed { go: users, held: Vec::new() } };
        let mut passed = Passed::default();
        for user in users {
            match user.touch().filter(|_| !is_return(&user)) {
                None => passed.go.push(user),
                Some(Touch::Update) => watch.updates.take(user, &mut passed),
                Some(Touch::Create) => watch.creates.take(user, &mut passed),
            }
        }
        passed
    }

    /// Who may be written after all, now that everybody was seen; where that is not so, the number of updates is not
    /// known and they wait.
    pub fn finish(self, is_complete: bool) -> Judged {
        let Self { configuration, watch } = self;
        let Some(Watch { updates, creates }) = watch else {
            let (users, waiting) = Default::default();
            return Judged { users, waiting, held: None, held_updates: 0, held_creates: 0 };
        };
        let (all_updates, all_creates) = (updates.met, creates.met);
        let (mut users, held_creates) = creates.finish();
        let (updates, mut held_updates) = updates.finish();
        let mut waiting = Vec::new();
        match is_complete {
            true => users.extend(updates),
            false => {
                held_updates = held_updates.saturating_add(updates.len() as u64);
                waiting = updates;
            }
        }
        let waits = is_complete && (held_updates > 0 || held_creates > 0);
        let held = waits.then(|| HeldChange::of(configuration, all_updates, all_creates));
        Judged { users, waiting, held, held_updates, held_creates }
    }
}

/// Whether the user only comes back from where a removal was held, and the account is to be what it is. A filter that
/// is mended must not have to wait.
fn is_return(user: &UserPlan) -> bool {
    let Some(UserRecord { status: Status::Held { .. }, desired: known, .. }) = &user.record else {
        return false;
    };
    match &user.plan {
        RecordPlan::SetStatus(_) => true,
        RecordPlan::SetDesired { desired, .. } => known.as_ref() == Some(desired),
        RecordPlan::Nothing | RecordPlan::Remove(_) => false,
    }
}

impl Lane {
    fn take(&mut self, user: UserPlan, passed: &mut Passed) {
        self.met = self.met.saturating_add(1);
        match self.rule {
            Rule::Ceiling(most) if self.met <= most => passed.go.push(user),
            Rule::AllUpTo(most) if self.met <= most => self.kept.push(user),
            Rule::Ceiling(_) | Rule::AllUpTo(_) => {
                passed.held.append(&mut self.kept);
                passed.held.push(user);
            }
        }
    }

    /// Those who go now, and how many wait.
    fn finish(self) -> (Vec<UserPlan>, u64) {
        let Self { rule, met, kept } = self;
        match rule {
            Rule::Ceiling(most) => (Vec::new(), met.saturating_sub(most)),
            Rule::AllUpTo(most) if met > most => (Vec::new(), met),
            Rule::AllUpTo(_) => (kept, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planning::InSnapshot;
    use model::{
        AccountId, AccountLink, Anchor, DeprovisionReason, Desired, DesiredUser, HoldReason, ScanVersion,
        UserName,
    };

    const NOW: UnixSeconds = UnixSeconds(1_000);
    const OLD: Fingerprint = Fingerprint([1; 16]);
    const NEW: Fingerprint = Fingerprint([2; 16]);

    fn user(number: u64, linked: bool) -> UserPlan {
        let anchor = Anchor::from_text(&format!("user-{number}")).unwrap();
        let desired = Desired::Present(DesiredUser {
            user_name: UserName::new(&format!("u{number}@x.test")).unwrap(),
            active: true,
            attributes: Default::default(),
            create_only: Default::default(),
        });
        let record = linked.then(|| UserRecord {
            anchor: anchor.clone(),
            dn: None,
            desired: None,
            version: ScanVersion(1),
            removal_released: false,
            link: Some(AccountLink { account: AccountId::new("1").unwrap(), applied: None }),
            before: None,
            create_intent: None,
            status: Status::InSync,
            attempts: 0,
            next_attempt: NOW,
        });
        UserPlan {
            anchor,
            dn: None,
            record,
            plan: RecordPlan::SetDesired { desired, status: Status::Pending },
            conflict: None,
            snapshot: InSnapshot::AsItWas,
        }
    }

    fn users(updates: u64, creates: u64) -> Vec<UserPlan> {
        (0..updates).map(|n| user(n, true)).chain((0..creates).map(|n| user(1_000 + n, false))).collect()
    }

    fn memory(configuration: Option<Fingerprint>) -> SafeguardMemory {
        SafeguardMemory { configuration, ..SafeguardMemory::default() }
    }

    /// How many updates and creations go, and what waits.
    fn judge(memory: &SafeguardMemory, (updates, creates): (u64, u64)) -> (usize, usize, Option<HeldChange>) {
        let mut gate = ChangeGate::new(NEW, 3, memory, false, NOW);
        let Passed { go: mut gone, held } = gate.let_through(users(updates, creates));
        let judged = gate.finish(true);
        assert_eq!(held.len() as u64, judged.held_updates + judged.held_creates);
        gone.extend(judged.users);
        let updates = gone.iter().filter(|user| user.record.is_some()).count();
        (updates, gone.len() - updates, judged.held)
    }

    #[test]
    fn a_changed_configuration_touches_few_or_waits() {
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
    fn an_approved_change_touches_no_more_than_was_approved() {
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
    fn updates_wait_where_not_everybody_was_seen() {
        let mut gate = ChangeGate::new(NEW, 3, &memory(Some(OLD)), false, NOW);
        assert!(gate.let_through(users(2, 1)).go.is_empty());
        let Judged { users, waiting, held, held_updates, held_creates } = gate.finish(false);
        assert_eq!((users.len(), waiting.len(), held, held_updates, held_creates), (1, 2, None, 2, 0));
    }

    #[test]
    fn whoever_only_comes_back_from_being_held_does_not_wait() {
        let status = Status::Held { reason: DeprovisionReason::OutOfScope, hold: HoldReason::OverLimit };
        let mut back = users(9, 0);
        for user in &mut back {
            let RecordPlan::SetDesired { desired, .. } = &user.plan else { unreachable!() };
            let record = user.record.as_mut().unwrap();
            (record.status, record.desired) = (status.clone(), Some(desired.clone()));
        }
        back[0].plan = RecordPlan::SetStatus(Status::Pending);
        let mut gate = ChangeGate::new(NEW, 3, &memory(Some(OLD)), false, NOW);
        assert_eq!(gate.let_through(back.clone()).go.len(), 9);
        // Changed as well, they are like everybody else.
        back.iter_mut().for_each(|user| user.record.as_mut().unwrap().desired = None);
        assert_eq!(gate.let_through(back).go.len(), 1);
        assert!(gate.finish(true).held.is_some());
    }
}
