//! A plan that a person has seen and agreed to: nobody else is written, and nobody in another way.

use std::collections::HashMap;

use model::{Anchor, AnchorHash};
use plan::{RecordPlan, RemovalCandidate, Removals};

use crate::{Ending, HandOver, PlannedUser};

/// Who may be written, and as what. Whoever has changed since is left for a later scan.
#[derive(Debug, Default)]
pub struct Agreed {
    users: HashMap<AnchorHash, (RecordPlan, Option<Anchor>)>,
    removals: HashMap<AnchorHash, RemovalCandidate>,
    hand_overs: HashMap<AnchorHash, (Anchor, bool, RecordPlan)>,
}

impl Agreed {
    /// Adds users as they were planned.
    pub fn add_users(&mut self, users: &[PlannedUser]) {
        let users = users.iter().map(|user| (user.anchor.hash(), (user.plan.clone(), user.conflict.clone())));
        self.users.extend(users);
    }

    /// Adds the removals and hand-overs of the end of a scan.
    pub fn add_ending(&mut self, ending: &Ending) {
        let released = match &ending.removals {
            Removals::Released(released) | Removals::Approved { released, .. } => released.as_slice(),
            Removals::Held(_) | Removals::Withheld(_) => &[],
        };
        let waiting = match &ending.removals {
            Removals::Held(held) | Removals::Approved { held, .. } | Removals::Withheld(held) => {
                held.as_slice()
            }
            Removals::Released(_) => &[],
        };
        let candidates = released.iter().map(|released| released.candidate()).chain(waiting);
        self.removals.extend(candidates.map(|candidate| (candidate.anchor.hash(), candidate.clone())));
        let hand_overs = ending.hand_overs.iter();
        self.hand_overs.extend(hand_overs.map(|change| (change.to.anchor.hash(), taken(change))));
    }

    /// Those of these users who are as they were planned.
    pub(crate) fn only(&self, mut users: Vec<PlannedUser>, left_out: &mut u64) -> Vec<PlannedUser> {
        let before = users.len();
        users.retain(|user| {
            let planned = self.users.get(&user.anchor.hash());
            // Who is only noted in the snapshot is nobody's business.
            user.plan == RecordPlan::Nothing
                || planned.is_some_and(|(plan, conflict)| *plan == user.plan && *conflict == user.conflict)
        });
        *left_out += (before - users.len()) as u64;
        users
    }

    /// That of the end of a scan which was planned. What the safety check says now counts, whatever it said then.
    pub(crate) fn narrow(&self, ending: Ending, left_out: &mut u64) -> Ending {
        let Ending { mut hand_overs, users, removals, after_removal, forgotten } = ending;
        let before = hand_overs.len();
        hand_overs.retain(|change| self.hand_overs.get(&change.to.anchor.hash()) == Some(&taken(change)));
        *left_out += (before - hand_overs.len()) as u64;
        let mut is_planned = |candidate: &RemovalCandidate| {
            let planned = self.removals.get(&candidate.anchor.hash()) == Some(candidate);
            *left_out += u64::from(!planned);
            planned
        };
        let removals = match removals {
            Removals::Released(mut released) => {
                released.retain(|released| is_planned(released.candidate()));
                Removals::Released(released)
            }
            Removals::Held(mut held) => {
                held.retain(is_planned);
                Removals::Held(held)
            }
            Removals::Withheld(mut withheld) => {
                withheld.retain(is_planned);
                Removals::Withheld(withheld)
            }
            Removals::Approved { mut released, mut held } => {
                released.retain(|released| is_planned(released.candidate()));
                held.retain(is_planned);
                Removals::Approved { released, held }
            }
        };
        let users = self.only(users, left_out);
        Ending { hand_overs, users, removals, after_removal, forgotten }
    }
}

/// Whose place is taken, whether with the account, and as what.
fn taken(change: &HandOver) -> (Anchor, bool, RecordPlan) {
    (change.from.anchor.clone(), change.with_account, change.to.plan.clone())
}
