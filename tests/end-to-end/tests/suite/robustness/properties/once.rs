//! Histories that once ended badly.

use simulator::{FaultEffect, TargetFault};

use super::history::{
    ChangeHistory, DeliveryOrder, HistoryChange, HistoryChange::*, HistoryOptions, HistoryRound,
    InitialPeople, Scan,
};

const PLAIN: HistoryOptions = HistoryOptions { provision_disabled: false, delete: false };
const WITH_DISABLED: HistoryOptions = HistoryOptions { provision_disabled: true, delete: false };

/// These people, and accounts of old under these names, all active and none claimed.
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

/// The same, after everybody was provisioned for the first time.
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

    /// The target does what it is asked, and nobody hears of it.
    fn unheard(self) -> Self {
        let lost = |method| TargetFault::always(FaultEffect::EffectThenDrop).method(method);
        Self { faults: ["POST", "PUT", "PATCH", "DELETE"].map(lost).to_vec(), ..self }
    }
}

/// Joining, managers and changes; the first scan dies after so many steps, and some leave before the next one.
pub fn scan_dies_after(steps: usize) -> ChangeHistory {
    let first = round(&[Manager(1, Some(2)), Manager(2, Some(3)), Retitle(3, None)]);
    let second = round(&[Delete(0), Leave(1), Rename(2, 6)]);
    history(PLAIN, &[0, 1, 2, 3, 4], &[4], vec![first.scan(Scan::CutShort(steps)), second])
}

/// A scan of changes dies after so many steps, and all of them are taken back before the next one.
pub fn scan_dies_before_all_is_taken_back(steps: usize) -> ChangeHistory {
    let there = [0, 1, 2, 3, 4];
    let first = round(&[Retitle(0, Some(0)), Manager(4, Some(0))]);
    let changed =
        round(&[Retitle(0, Some(1)), Enable(1, false), Leave(2), Rename(3, 6), Manager(4, Some(1))]);
    let back = round(&[Retitle(0, Some(0)), Enable(1, true), Join(2), Rename(3, 3), Manager(4, Some(0))]);
    history(PLAIN, &there, &[], vec![first, changed.scan(Scan::CutShort(steps)), back])
}

/// Everybody's worker dies after so many steps, round after round, while people come, change and leave.
pub fn workers_die_after(steps: usize) -> ChangeHistory {
    let dying = |changes: &[HistoryChange]| round(changes).delivery(DeliveryOrder::CutShort(vec![steps]));
    let first = dying(&[Manager(1, Some(2)), Manager(2, Some(3)), Manager(3, Some(1))]);
    let second =
        dying(&[Delete(0), Recreate(1), Rename(2, 6), Enable(3, false), Manager(4, Some(5)), Add(5)]);
    let third = dying(&[Enable(3, true), Leave(4)]);
    history(PLAIN, &[0, 1, 2, 3, 4], &[4], vec![first, second, third])
}

/// Everybody waits for somebody else's account, and every other worker dies after so many steps. The one who is done in
/// this order of anchors comes before its manager.
pub fn managers_die_after(steps: usize) -> ChangeHistory {
    let managers = [Manager(2, Some(1)), Manager(3, Some(2)), Manager(1, Some(3))];
    let dying = round(&managers).delivery(DeliveryOrder::CutShort(vec![steps, usize::MAX]));
    history(PLAIN, &[1, 2, 3], &[], vec![dying])
}

/// Each with what went wrong.
pub fn histories() -> Vec<(&'static str, ChangeHistory)> {
    vec![
        (
            "the name that somebody waits for passes to a third entry, and a hand-over is planned for ever",
            settled(PLAIN, &[2, 5], &[], vec![round(&[Rename(5, 2)]), round(&[Recreate(2)])]),
        ),
        (
            "somebody gets the name of one who has to wait for another name",
            settled(PLAIN, &[2, 3, 4], &[], vec![round(&[Rename(4, 3)]), round(&[Rename(3, 2)])]),
        ),
        (
            "somebody is disabled, and stays active because the new name is refused",
            settled(WITH_DISABLED, &[5], &[0], vec![round(&[Rename(5, 0)]), round(&[Enable(5, false)])]),
        ),
        (
            "a scan dies, and nobody notices that a newcomer of it leaves",
            settled(PLAIN, &[5], &[], vec![round(&[Add(3)]).scan(Scan::CutShort(26)), round(&[Delete(3)])]),
        ),
        (
            "an account is switched off without our hearing of it, and its owner comes back",
            settled(
                PLAIN,
                &[1, 2],
                &[],
                vec![round(&[Leave(1)]).unheard(), round(&[Join(1)]).delivery(DeliveryOrder::Lost)],
            ),
        ),
        (
            "an account is switched on without our hearing of it, and its owner leaves",
            settled(
                PLAIN,
                &[1, 2],
                &[],
                vec![
                    round(&[Leave(1)]),
                    round(&[Join(1)]).unheard(),
                    round(&[Leave(1)]).delivery(DeliveryOrder::Lost),
                ],
            ),
        ),
        (
            "a hand-over is refused because somebody died over the account, and nobody looks at it again",
            history(
                PLAIN,
                &[3, 5],
                &[],
                vec![round(&[]).delivery(DeliveryOrder::CutShort(vec![30])), round(&[Recreate(3)])],
            ),
        ),
        (
            "a name is handed over again and again by one who can't have the other",
            settled(PLAIN, &[4, 5], &[], vec![round(&[Swap(4, 5), Recreate(4)])]),
        ),
        (
            "somebody with an account is given the name of one who is made anew, and neither gets the account",
            settled(PLAIN, &[3, 5], &[], vec![round(&[Recreate(3), Rename(5, 3)])]),
        ),
        (
            "two who have no accounts yet swap names, and neither gets one",
            history(
                PLAIN,
                &[3, 4],
                &[3],
                vec![round(&[]).delivery(DeliveryOrder::CutShort(vec![0])), round(&[Swap(4, 3)])],
            ),
        ),
        (
            "two want the name of one who is made anew",
            settled(
                WITH_DISABLED,
                &[1, 4, 5],
                &[1],
                vec![round(&[Rename(5, 4)]).unheard(), round(&[Recreate(4)])],
            ),
        ),
    ]
}
