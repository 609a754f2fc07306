//! Histories that failed in the past.

use simulator::{FaultEffect, TargetFault};

use super::history::{
    ChangeHistory, DeliveryOrder, HistoryChange, HistoryChange::*, HistoryOptions, HistoryRound,
    InitialPeople, Scan,
};

const PLAIN: HistoryOptions = HistoryOptions { provision_disabled: false, delete: false };
const WITH_DISABLED: HistoryOptions = HistoryOptions { provision_disabled: true, delete: false };

/// A history with these entries, and with active unclaimed accounts under these names.
fn history(
    options: HistoryOptions,
    present: &[usize],
    accounts: &[usize],
    rounds: Vec<HistoryRound>,
) -> ChangeHistory {
    let people = InitialPeople {
        present: (0..super::property_fixture::SLOTS).map(|slot| present.contains(&slot)).collect(),
        accounts: (0..super::property_fixture::NAMES)
            .map(|name| accounts.contains(&name).then_some((true, false)))
            .collect(),
    };
    ChangeHistory { options, people, rounds }
}

/// The same, after a first sync.
fn settled(
    options: HistoryOptions,
    present: &[usize],
    accounts: &[usize],
    mut rounds: Vec<HistoryRound>,
) -> ChangeHistory {
    rounds.insert(0, round(&[]));
    history(options, present, accounts, rounds)
}

fn round(changes: &[HistoryChange]) -> HistoryRound {
    HistoryRound {
        changes: changes.to_vec(),
        scan: Scan::Whole,
        delivery: DeliveryOrder::InOrder,
        faults: Vec::new(),
    }
}

impl HistoryRound {
    fn scan(self, scan: Scan) -> Self {
        Self { scan, ..self }
    }

    fn delivery(self, delivery: DeliveryOrder) -> Self {
        Self { delivery, ..self }
    }

    /// The target performs every change, and every answer is lost.
    fn lose_answers(self) -> Self {
        let lost = |method| TargetFault::always(FaultEffect::EffectThenDrop).method(method);
        Self { faults: ["POST", "PUT", "PATCH", "DELETE"].map(lost).to_vec(), ..self }
    }
}

/// New users, managers and changes. The first scan dies after this many steps, and some users leave before the next
/// scan.
pub fn scan_dies_after(steps: usize) -> ChangeHistory {
    let first = round(&[Manager(1, Some(2)), Manager(2, Some(3)), Retitle(3, None)]);
    let second = round(&[Delete(0), Leave(1), Rename(2, 6)]);
    history(PLAIN, &[0, 1, 2, 3, 4], &[4], vec![first.scan(Scan::CutShort(steps)), second])
}

/// The creation of each account dies after this many steps, and one user then gets the name of another user's account.
pub fn creation_dies_before_a_conflict(steps: usize) -> ChangeHistory {
    let first = round(&[]).delivery(DeliveryOrder::CutShort(vec![steps]));
    history(PLAIN, &[1, 2, 5], &[1], vec![first, round(&[Rename(5, 1)]), round(&[Leave(2)])])
}

/// A scan of changes dies after this many steps, and all changes are reverted before the next scan.
pub fn scan_dies_before_all_is_taken_back(steps: usize) -> ChangeHistory {
    let there = [0, 1, 2, 3, 4];
    let first = round(&[Retitle(0, Some(0)), Manager(4, Some(0))]);
    let changed =
        round(&[Retitle(0, Some(1)), Enable(1, false), Leave(2), Rename(3, 6), Manager(4, Some(1))]);
    let back = round(&[Retitle(0, Some(0)), Enable(1, true), Join(2), Rename(3, 3), Manager(4, Some(0))]);
    history(PLAIN, &there, &[], vec![first, changed.scan(Scan::CutShort(steps)), back])
}

/// Each worker dies after this many steps, in each round, while users are added, changed and removed.
pub fn workers_die_after(steps: usize) -> ChangeHistory {
    let dying = |changes: &[HistoryChange]| round(changes).delivery(DeliveryOrder::CutShort(vec![steps]));
    let first = dying(&[Manager(1, Some(2)), Manager(2, Some(3)), Manager(3, Some(1))]);
    let second =
        dying(&[Delete(0), Recreate(1), Rename(2, 6), Enable(3, false), Manager(4, Some(5)), Add(5)]);
    let third = dying(&[Enable(3, true), Leave(4)]);
    history(PLAIN, &[0, 1, 2, 3, 4], &[4], vec![first, second, third])
}

/// Each user waits for another one's account, and every second worker dies after this many steps. The user whose
/// worker survives comes before its manager in the order of anchors.
pub fn managers_die_after(steps: usize) -> ChangeHistory {
    let managers = [Manager(2, Some(1)), Manager(3, Some(2)), Manager(1, Some(3))];
    let dying = round(&managers).delivery(DeliveryOrder::CutShort(vec![steps, usize::MAX]));
    history(PLAIN, &[1, 2, 3], &[], vec![dying])
}

/// Each history with its past failure.
#[expect(clippy::too_many_lines, reason = "a table of past failures")]
pub fn histories() -> Vec<(&'static str, ChangeHistory)> {
    vec![
        (
            "an awaited name passes to a third entry, and a transfer was planned in every scan",
            settled(PLAIN, &[2, 5], &[], vec![round(&[Rename(5, 2)]), round(&[Recreate(2)])]),
        ),
        (
            "a user gets the name of a user who waits for another name",
            settled(PLAIN, &[2, 3, 4], &[], vec![round(&[Rename(4, 3)]), round(&[Rename(3, 2)])]),
        ),
        (
            "a disabled user stayed active because the new name was refused",
            settled(WITH_DISABLED, &[5], &[0], vec![round(&[Rename(5, 0)]), round(&[Enable(5, false)])]),
        ),
        (
            "a scan died, and the removal of its new user was missed",
            settled(PLAIN, &[5], &[], vec![round(&[Add(3)]).scan(Scan::CutShort(26)), round(&[Delete(3)])]),
        ),
        (
            "the answer to a deactivation was lost, and the user returns",
            settled(
                PLAIN,
                &[1, 2],
                &[],
                vec![round(&[Leave(1)]).lose_answers(), round(&[Join(1)]).delivery(DeliveryOrder::Lost)],
            ),
        ),
        (
            "the answer to a reactivation was lost, and the user leaves",
            settled(
                PLAIN,
                &[1, 2],
                &[],
                vec![
                    round(&[Leave(1)]),
                    round(&[Join(1)]).lose_answers(),
                    round(&[Leave(1)]).delivery(DeliveryOrder::Lost),
                ],
            ),
        ),
        (
            "a transfer was refused because a worker had died, and was never retried",
            history(
                PLAIN,
                &[3, 5],
                &[],
                vec![round(&[]).delivery(DeliveryOrder::CutShort(vec![30])), round(&[Recreate(3)])],
            ),
        ),
        (
            "a name was transferred in every scan by a user with a refused name",
            settled(PLAIN, &[4, 5], &[], vec![round(&[Swap(4, 5), Recreate(4)])]),
        ),
        (
            "a linked user gets the name of a recreated entry, and neither got the account",
            settled(PLAIN, &[3, 5], &[], vec![round(&[Recreate(3), Rename(5, 3)])]),
        ),
        (
            "two users without accounts swap names, and neither got one",
            history(
                PLAIN,
                &[3, 4],
                &[3],
                vec![round(&[]).delivery(DeliveryOrder::CutShort(vec![0])), round(&[Swap(4, 3)])],
            ),
        ),
        (
            "two users want the name of a recreated entry",
            settled(
                WITH_DISABLED,
                &[1, 4, 5],
                &[1],
                vec![round(&[Rename(5, 4)]).lose_answers(), round(&[Recreate(4)])],
            ),
        ),
    ]
}
