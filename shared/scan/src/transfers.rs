//! Transfers: an entry takes over the account, or the user name alone, of another entry.
//!
//! An entry is in conflict if another entry has its user name. At the end of a read some conflicts can be resolved: the other
//! entry is gone or was renamed, or its name is free. An entry that is only disabled gives its account up too, but its user
//! may come back: the safeguard releases such a transfer with an approval alone.

use std::collections::{HashMap, HashSet};

use model::{Anchor, AnchorHash, DeprovisionReason, Desired, Status, UserRecord};
use plan::{RecordPlan, status_for};

use crate::names::NameClaims;
use crate::user_plan::{SnapshotEffect, UserPlan};

/// An entry takes over the account and the user name of an entry that has left.
#[derive(Clone, Debug)]
pub struct AccountTransfer {
    /// Record of the entry that has the account.
    pub from: UserRecord,
    /// The entry that takes it over.
    pub to: UserPlan,
    /// How the other entry left.
    pub(crate) leave: LeaveKind,
    /// What the snapshot holds for the other entry once the transfer is written.
    pub(crate) snapshot: SnapshotEffect,
}

/// An entry takes over the user name that another entry gives up; each has an account of its own.
#[derive(Clone, Debug)]
pub struct NameTransfer {
    /// Record of the entry that gives the name up.
    pub from: UserRecord,
    /// The entry that takes it over.
    pub to: UserPlan,
    /// How the other entry left; `None` if it has another name by now.
    pub(crate) leave: Option<LeaveKind>,
}

/// The resolved and the remaining conflicts of a scan.
#[derive(Debug, Default)]
pub(crate) struct TransferPlan {
    pub accounts: Vec<AccountTransfer>,
    pub names: Vec<NameTransfer>,
    /// Users with records that change without a transfer.
    pub users: Vec<UserPlan>,
    /// Number of remaining conflicts.
    pub conflicts: u64,
}

/// How a user left, in this scan or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaveKind {
    /// The entry is gone or out of scope.
    Gone,
    /// The entry is disabled. It may be enabled again.
    Disabled,
}

/// What the transfers of a scan depend on.
pub(crate) struct TransferInputs<'a> {
    /// Stored owner of each folded user name.
    pub owners: HashMap<String, Anchor>,
    /// Records of the owners. An owner without a record is new in this read, which a dry run does not write.
    pub records: HashMap<AnchorHash, UserRecord>,
    /// Users that leave in this scan.
    pub leaving: HashMap<AnchorHash, LeaveKind>,
    /// User names in this read.
    pub names: &'a NameClaims,
    /// Whether an entry is in scope in this read.
    pub in_scope: &'a (dyn Fn(&AnchorHash) -> bool + Sync),
}

/// A stored conflict as a plan: the record wants an account, and another entry has the name.
pub(crate) fn stored_conflict(record: UserRecord) -> Option<UserPlan> {
    let Status::Conflict { owner } = record.status.clone() else { return None };
    let wants_account = matches!(record.desired, Some(Desired::Present(_)));
    wants_account.then(|| UserPlan {
        conflict: Some(owner),
        ..UserPlan::of_record(record, RecordPlan::Nothing, SnapshotEffect::Keep)
    })
}

/// Plans the transfers among the users in conflict.
pub(crate) fn plan_transfers(mut waiting: Vec<UserPlan>, inputs: &TransferInputs<'_>) -> TransferPlan {
    // A user without an account comes first: it can take over an account together with the name.
    waiting.sort_by_key(UserPlan::has_account);
    let circle = in_circle(&waiting, inputs);
    let stuck: HashSet<Anchor> = waiting.iter().map(|user| user.anchor.clone()).collect();
    let mut taken_from: HashSet<Anchor> = HashSet::new();
    let mut plan = TransferPlan::default();
    for user in waiting {
        let owner = inputs.owner_of_name(&user);
        if owner.is_none() && user.plan == RecordPlan::Nothing {
            plan.users.extend(with_free_name(user));
            continue;
        }
        let to = with_current_owner(user, owner);
        let Some(owner) = &to.conflict else { continue };
        // The entry is of another connection, or has left for long. Two connections may have the same entry.
        let is_elsewhere = *owner == to.anchor || !inputs.records.contains_key(&owner.hash());
        if is_elsewhere && to.plan == RecordPlan::Nothing {
            // Provisioning asks again.
            plan.users.extend(with_free_name(to));
            continue;
        }
        let from = inputs.records.get(&owner.hash()).filter(|from| !taken_from.contains(&from.anchor));
        let leave = from.and_then(|from| inputs.leave_kind(from, &to));
        match (from, leave) {
            (Some(from), Some(leave)) if !to.has_account() => {
                taken_from.insert(from.anchor.clone());
                // A disabled entry in scope stays in the snapshot.
                let is_gone = leave == LeaveKind::Gone && !(inputs.in_scope)(&from.anchor.hash());
                let snapshot = if is_gone { SnapshotEffect::Remove } else { SnapshotEffect::Keep };
                plan.accounts.push(AccountTransfer { from: from.clone(), to, leave, snapshot });
            }
            (Some(from), leave)
                if leave.is_some()
                    || circle.contains(&to.anchor)
                    || inputs.gives_name_up(from, &to, &stuck) =>
            {
                taken_from.insert(from.anchor.clone());
                plan.names.push(NameTransfer { from: from.clone(), to, leave });
            }
            _ => {
                plan.conflicts += 1;
                plan.users.extend(stays_in_conflict(to));
            }
        }
    }
    plan
}

/// The plan of a user that stays in conflict. One with a new conflict is in the plan of its page.
fn stays_in_conflict(user: UserPlan) -> Option<UserPlan> {
    (!matches!(user.plan, RecordPlan::SetDesired { .. })).then_some(user)
}

impl TransferPlan {
    /// The users of the transfers, which stay in conflict.
    pub fn into_conflicts(self) -> (u64, impl Iterator<Item = UserPlan>) {
        let Self { accounts, names, users, conflicts } = self;
        let count = (accounts.len() + names.len()) as u64;
        let takers = accounts.into_iter().map(|transfer| transfer.to);
        let takers = takers.chain(names.into_iter().map(|transfer| transfer.to));
        (conflicts + count, users.into_iter().chain(takers.filter_map(stays_in_conflict)))
    }
}

/// The conflict with the present owner of the name: the name may have passed to another entry.
fn with_current_owner(mut user: UserPlan, owner: Option<Anchor>) -> UserPlan {
    let owner = owner.filter(|owner| *owner != user.anchor);
    if let Some(owner) = owner.filter(|owner| user.conflict.as_ref() != Some(owner)) {
        user.conflict = Some(owner.clone());
        if user.plan == RecordPlan::Nothing {
            user.plan = RecordPlan::SetStatus(Status::Conflict { owner });
        }
    }
    user
}

/// Users that wait for each other's names in a circle. Each of them gives its name up to the one before it; at the target,
/// an account gets a temporary name meanwhile.
fn in_circle(waiting: &[UserPlan], inputs: &TransferInputs<'_>) -> HashSet<Anchor> {
    let waits_for = waiting.iter().filter_map(|user| {
        let owner = inputs.owner_of_name(user).filter(|owner| *owner != user.anchor)?;
        Some((user.anchor.clone(), owner))
    });
    let waits_for: HashMap<Anchor, Anchor> = waits_for.collect();
    let (mut seen, mut circle) = (HashSet::new(), HashSet::new());
    for start in waits_for.keys() {
        let (mut path, mut at) = (Vec::new(), Some(start));
        while let Some(user) = at.filter(|user| seen.insert((*user).clone())) {
            path.push(user);
            at = waits_for.get(user);
        }
        // The user that ends the path is on it, or on an earlier path, or waits for none.
        if let Some(first) = path.iter().position(|user| Some(*user) == at) {
            circle.extend(path.into_iter().skip(first).cloned());
        }
    }
    circle
}

/// A user that waited for a name that is free by now.
fn with_free_name(user: UserPlan) -> Option<UserPlan> {
    let record = user.record.as_ref()?;
    let desired = record.desired.clone()?;
    let status = status_for(&desired, Some(record));
    Some(UserPlan { plan: RecordPlan::SetDesired { desired, status }, conflict: None, ..user })
}

impl TransferInputs<'_> {
    fn owner_of_name(&self, user: &UserPlan) -> Option<Anchor> {
        user.desired_user_name().and_then(|name| self.owners.get(&name.folded())).cloned()
    }

    /// How the owner of an account left; `None` if it is in scope and has not. A disabled entry with a provisioned account
    /// counts as disabled for an entry that has no account yet.
    fn leave_kind(&self, from: &UserRecord, to: &UserPlan) -> Option<LeaveKind> {
        let has_account = from.link.is_some() || from.create_intent.is_some();
        let recorded = || match &from.desired {
            Some(Desired::Present(user)) => {
                (!user.active && has_account && !to.has_account()).then_some(LeaveKind::Disabled)
            }
            Some(Desired::Absent { reason: DeprovisionReason::Disabled, .. }) if has_account => {
                Some(LeaveKind::Disabled)
            }
            Some(Desired::Absent { .. }) | None => Some(LeaveKind::Gone),
        };
        self.leaving.get(&from.anchor.hash()).copied().or_else(recorded)
    }

    /// Whether the owner of the contested name has another name by now, or is about to get one.
    ///
    /// An account keeps its name while its owner waits for another name, or the target refuses it.
    fn gives_name_up(&self, from: &UserRecord, to: &UserPlan, stuck: &HashSet<Anchor>) -> bool {
        let Some(contested) = to.desired_user_name() else { return false };
        let waits = stuck.contains(&from.anchor) || !matches!(from.status, Status::InSync | Status::Pending);
        if waits && from.link.is_some() {
            return false;
        }
        if let Some(new) = self.names.new_name(&from.anchor) {
            return new != contested.folded();
        }
        from.desired.as_ref().and_then(Desired::user_name).is_some_and(|name| name != contested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_plan::testing::{present, record, user_plan};
    use model::UserName;

    struct Case {
        owner: UserRecord,
        leaving: Option<LeaveKind>,
        names: NameClaims,
    }

    impl Case {
        fn of(owner: UserRecord) -> Self {
            Self { owner, leaving: None, names: NameClaims::default() }
        }

        fn plan(&self, waiting: Vec<UserPlan>) -> TransferPlan {
            let (anchor, hash) = (self.owner.anchor.clone(), self.owner.anchor.hash());
            let inputs = TransferInputs {
                owners: HashMap::from([("ada@x.test".to_owned(), anchor)]),
                records: HashMap::from([(hash, self.owner.clone())]),
                leaving: self.leaving.map(|kind| (hash, kind)).into_iter().collect(),
                names: &self.names,
                in_scope: &|_| false,
            };
            plan_transfers(waiting, &inputs)
        }
    }

    fn newcomer(anchor: &str) -> UserPlan {
        let conflict = Some(Anchor::from_text("old").unwrap());
        UserPlan { conflict, ..user_plan(anchor, None, present("ada")) }
    }

    fn owner() -> UserRecord {
        record("old", Some(present("ada")), true)
    }

    #[test]
    fn recreated_entry_takes_over_the_account() {
        let case = Case { leaving: Some(LeaveKind::Gone), ..Case::of(owner()) };
        let plan = case.plan(vec![newcomer("new")]);
        let [transfer] = plan.accounts.as_slice() else { panic!("{plan:?}") };
        assert_eq!(transfer.to.anchor, Anchor::from_text("new").unwrap());
        assert_eq!(transfer.snapshot, SnapshotEffect::Remove);
        assert_eq!((plan.names.len(), plan.users.len(), plan.conflicts), (0, 0, 0));
    }

    #[test]
    fn account_is_transferred_once_and_the_second_entry_stays_in_conflict() {
        let case = Case { leaving: Some(LeaveKind::Gone), ..Case::of(owner()) };
        let plan = case.plan(vec![newcomer("new"), newcomer("other")]);
        assert_eq!((plan.accounts.len(), plan.conflicts), (1, 1));
    }

    #[test]
    fn entry_in_scope_keeps_its_account() {
        let plan = Case::of(owner()).plan(vec![newcomer("new")]);
        assert_eq!((plan.accounts.len(), plan.names.len(), plan.conflicts), (0, 0, 1));
    }

    #[test]
    fn transfer_tells_whether_the_other_entry_is_only_disabled() {
        let absent = |reason| Desired::Absent { user_name: UserName::new("ada@x.test").ok(), reason };
        let [disabled, deleted] = [DeprovisionReason::Disabled, DeprovisionReason::Deleted].map(absent);
        let owner_with = |desired: &Desired, linked| record("old", Some(desired.clone()), linked);
        for (owner, leaving, expected) in [
            (owner(), Some(LeaveKind::Disabled), LeaveKind::Disabled),
            (owner_with(&disabled, true), None, LeaveKind::Disabled),
            // Without an account, a disabled entry has nothing to lose.
            (owner_with(&disabled, false), None, LeaveKind::Gone),
            (owner_with(&deleted, true), None, LeaveKind::Gone),
            (owner_with(&disabled, true), Some(LeaveKind::Gone), LeaveKind::Gone),
        ] {
            let case = Case { leaving, ..Case::of(owner) };
            let plan = case.plan(vec![newcomer("new")]);
            assert_eq!(plan.accounts[0].leave, expected, "{:?}", case.owner);
            let taker =
                UserPlan { record: Some(record("new", Some(present("other")), true)), ..newcomer("new") };
            assert_eq!(case.plan(vec![taker]).names[0].leave, Some(expected), "{:?}", case.owner);
        }
    }

    #[test]
    fn disabled_entry_with_a_provisioned_account_gives_it_up_as_a_disabled_one() {
        let Desired::Present(mut user) = present("ada") else { panic!("a user") };
        user.active = false;
        let inactive = Desired::Present(user);
        let plan = |owner| Case::of(owner).plan(vec![newcomer("new")]);
        let plan_linked = plan(record("old", Some(inactive.clone()), true));
        assert_eq!(plan_linked.accounts[0].leave, LeaveKind::Disabled);
        assert_eq!(plan(record("old", Some(inactive.clone()), false)).conflicts, 1);
        // The name of its account stays with an inactive user.
        let to = UserPlan { record: Some(record("new", Some(present("other")), true)), ..newcomer("new") };
        let plan = Case::of(record("old", Some(inactive), true)).plan(vec![to]);
        assert_eq!((plan.names.len(), plan.conflicts), (0, 1));
    }

    #[test]
    fn entry_with_an_account_takes_over_the_name_alone() {
        let old = record("new", Some(present("other")), true);
        let to = UserPlan { record: Some(old), ..newcomer("new") };
        let case = Case { leaving: Some(LeaveKind::Gone), ..Case::of(owner()) };
        let plan = case.plan(vec![to]);
        assert_eq!((plan.accounts.len(), plan.names.len()), (0, 1));
    }

    #[test]
    fn renamed_owner_gives_its_name_up_unless_it_waits_for_a_name() {
        let mut names = NameClaims::default();
        let renamed = user_plan("old", Some(owner()), present("lovelace"));
        names.mark_conflicts(&mut [renamed.clone()], &HashMap::new());
        let case = Case { names, ..Case::of(owner()) };
        assert_eq!(case.plan(vec![newcomer("new")]).names.len(), 1);

        let conflict = Some(Anchor::from_text("third").unwrap());
        let stuck = UserPlan { conflict, ..renamed };
        let plan = case.plan(vec![newcomer("new"), stuck]);
        assert_eq!((plan.names.len(), plan.conflicts), (0, 2));
    }

    #[test]
    fn users_in_a_circle_give_their_names_up_to_each_other() {
        let waits = |anchor: &str, name: &str| UserPlan {
            conflict: Some(Anchor::from_text("x").unwrap()),
            ..user_plan(anchor, Some(record(anchor, Some(present(anchor)), true)), present(name))
        };
        // Each user has the name of its anchor.
        let transfers = |waiting: &[(&str, &str)]| {
            let owners =
                ["a", "b", "c", "d"].map(|it| (format!("{it}@x.test"), Anchor::from_text(it).unwrap()));
            let records = ["a", "b", "c", "d"].map(|it| record(it, Some(present(it)), true));
            let names = NameClaims::default();
            let inputs = TransferInputs {
                owners: HashMap::from(owners),
                records: records.into_iter().map(|it| (it.anchor.hash(), it)).collect(),
                leaving: HashMap::new(),
                names: &names,
                in_scope: &|_| true,
            };
            let plan =
                plan_transfers(waiting.iter().map(|(user, name)| waits(user, name)).collect(), &inputs);
            let mut users: Vec<String> =
                plan.names.iter().map(|it| it.to.anchor.as_str().to_owned()).collect();
            users.sort_unstable();
            (users.join(""), plan.conflicts)
        };
        for (waiting, expected) in [
            (vec![("a", "b"), ("b", "a")], ("ab", 0)),
            (vec![("a", "b"), ("b", "c"), ("c", "a")], ("abc", 0)),
            // A user outside the circle waits for a name in it.
            (vec![("d", "a"), ("a", "b"), ("b", "a")], ("ab", 1)),
            // The last user of a chain keeps its name.
            (vec![("a", "b"), ("b", "c")], ("", 2)),
            (vec![("a", "b"), ("b", "c"), ("c", "b")], ("bc", 1)),
        ] {
            let (users, conflicts) = transfers(&waiting);
            assert_eq!((users.as_str(), conflicts), expected, "{waiting:?}");
        }
    }

    #[test]
    fn stored_conflict_ends_when_the_name_is_free() {
        let gone = Anchor::from_text("gone").unwrap();
        let waiting = UserRecord {
            status: Status::Conflict { owner: gone },
            ..record("b", Some(present("bea")), false)
        };
        let plan = Case::of(owner()).plan(vec![stored_conflict(waiting).unwrap()]);
        let [user] = plan.users.as_slice() else { panic!("{plan:?}") };
        assert_eq!(user.conflict, None);
        assert!(matches!(&user.plan, RecordPlan::SetDesired { status: Status::Pending, .. }));
    }

    #[test]
    fn conflict_of_a_record_without_account_is_no_conflict() {
        let owner = Anchor::from_text("old").unwrap();
        let absent = Desired::Absent { user_name: None, reason: DeprovisionReason::Deleted };
        let left = UserRecord { status: Status::Conflict { owner }, ..record("b", Some(absent), false) };
        assert!(stored_conflict(left).is_none());
    }
}
