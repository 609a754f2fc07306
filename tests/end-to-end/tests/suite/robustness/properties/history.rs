//! Random histories.

use std::fmt;

use proptest::{collection::vec, option, prelude::*, sample::select};
use simulator::{FaultEffect, SimulatedReply, TargetFault};

use super::property_fixture::{NAMES, SLOTS};

/// Options of the connection.
#[derive(Clone, Copy, Debug)]
pub struct HistoryOptions {
    pub provision_disabled: bool,
    pub delete: bool,
}

/// Entries at the start, and the names that have an account already (active, claimed).
#[derive(Clone, Debug)]
pub struct InitialPeople {
    pub present: Vec<bool>,
    pub accounts: Vec<Option<(bool, bool)>>,
}

/// One change of the directory.
#[derive(Clone, Copy, Debug)]
pub enum HistoryChange {
    Add(usize),
    Delete(usize),
    /// Deletion and recreation, with another entryUUID.
    Recreate(usize),
    Join(usize),
    Leave(usize),
    Rename(usize, usize),
    Swap(usize, usize),
    Retitle(usize, Option<usize>),
    Enable(usize, bool),
    Move(usize),
    Manager(usize, Option<usize>),
}

/// Whether a scan runs to its end.
#[derive(Clone, Debug)]
pub enum Scan {
    Whole,
    /// It dies after this many steps.
    CutShort(usize),
}

/// Delivery of the provision requests of one round.
#[derive(Clone, Debug)]
pub enum DeliveryOrder {
    InOrder,
    Shuffled(Vec<u8>),
    /// All requests, twice.
    Twice,
    /// Each user by two workers, all concurrently.
    AtOnce,
    /// Some requests are lost.
    Lost,
    /// Each worker dies after a number of steps.
    CutShort(Vec<usize>),
}

/// Start, options and rounds of a history.
#[derive(Clone)]
pub struct ChangeHistory {
    pub options: HistoryOptions,
    pub people: InitialPeople,
    pub rounds: Vec<HistoryRound>,
}

/// One line for each round, for the developer who reads a failing history.
impl fmt::Debug for ChangeHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, people, rounds } = self;
        write!(f, "{options:?}\n{people:?}")?;
        rounds.iter().try_for_each(|round| write!(f, "\n{round:?}"))
    }
}

/// Changes, then a scan, then the delivery of its requests.
#[derive(Clone, Debug)]
pub struct HistoryRound {
    pub changes: Vec<HistoryChange>,
    pub scan: Scan,
    pub delivery: DeliveryOrder,
    pub faults: Vec<TargetFault>,
}

fn options() -> impl Strategy<Value = HistoryOptions> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(provision_disabled, delete)| HistoryOptions { provision_disabled, delete })
}

fn people() -> impl Strategy<Value = InitialPeople> {
    let present = vec(prop::bool::weighted(0.8), SLOTS);
    let accounts = vec(option::weighted(0.3, (prop::bool::weighted(0.7), any::<bool>())), NAMES);
    (present, accounts).prop_map(|(present, accounts)| InitialPeople { present, accounts })
}

fn change() -> impl Strategy<Value = HistoryChange> {
    let slot = || 0..SLOTS;
    prop_oneof![
        2 => slot().prop_map(HistoryChange::Add),
        2 => slot().prop_map(HistoryChange::Delete),
        2 => slot().prop_map(HistoryChange::Recreate),
        3 => slot().prop_map(HistoryChange::Join),
        3 => slot().prop_map(HistoryChange::Leave),
        3 => (slot(), 0..NAMES).prop_map(|(slot, name)| HistoryChange::Rename(slot, name)),
        1 => (slot(), slot()).prop_map(|(one, other)| HistoryChange::Swap(one, other)),
        2 => (slot(), option::of(0..3_usize)).prop_map(|(slot, title)| HistoryChange::Retitle(slot, title)),
        4 => (slot(), any::<bool>()).prop_map(|(slot, enabled)| HistoryChange::Enable(slot, enabled)),
        1 => slot().prop_map(HistoryChange::Move),
        2 => (slot(), option::of(slot())).prop_map(|(slot, manager)| HistoryChange::Manager(slot, manager)),
    ]
}

fn delivery() -> impl Strategy<Value = DeliveryOrder> {
    prop_oneof![
        Just(DeliveryOrder::InOrder),
        vec(any::<u8>(), 8).prop_map(DeliveryOrder::Shuffled),
        Just(DeliveryOrder::Twice),
        Just(DeliveryOrder::AtOnce),
        Just(DeliveryOrder::Lost),
        vec(0..60_usize, 6).prop_map(DeliveryOrder::CutShort),
    ]
}

fn scan() -> impl Strategy<Value = Scan> {
    prop_oneof![4 => Just(Scan::Whole), 1 => (0..120_usize).prop_map(Scan::CutShort)]
}

fn fault() -> impl Strategy<Value = TargetFault> {
    let method = select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]);
    let effect = prop_oneof![
        Just(FaultEffect::EffectThenDrop),
        Just(FaultEffect::EffectThenAnswer(SimulatedReply::status(502))),
        Just(FaultEffect::status(503)),
        Just(FaultEffect::Drop),
        Just(FaultEffect::TooManyRequests { retry_after: None }),
        Just(FaultEffect::TooManyRequests { retry_after: Some(60) }),
        Just(FaultEffect::GraphThrottle { status: 400, code: 4 }),
    ];
    (method, effect, 1..4_usize)
        .prop_map(|(method, effect, times)| TargetFault::times(times, effect).method(method))
}

fn history(
    scan: impl Strategy<Value = Scan>,
    delivery: impl Strategy<Value = DeliveryOrder>,
    faults: impl Strategy<Value = Vec<TargetFault>>,
) -> impl Strategy<Value = ChangeHistory> {
    let round = (vec(change(), 1..6), scan, delivery, faults)
        .prop_map(|(changes, scan, delivery, faults)| HistoryRound { changes, scan, delivery, faults });
    (options(), people(), vec(round, 1..5)).prop_map(|(options, people, rounds)| ChangeHistory {
        options,
        people,
        rounds,
    })
}

/// Histories without faults.
pub fn undisturbed() -> impl Strategy<Value = ChangeHistory> {
    history(Just(Scan::Whole), Just(DeliveryOrder::InOrder), Just(Vec::new()))
}

/// Requests are reordered, repeated or lost, and scans and workers die.
pub fn with_disorder() -> impl Strategy<Value = ChangeHistory> {
    history(scan(), delivery(), Just(Vec::new()))
}

/// The target fails as well.
pub fn with_target_faults() -> impl Strategy<Value = ChangeHistory> {
    history(Just(Scan::Whole), delivery(), vec(fault(), 0..6))
}
