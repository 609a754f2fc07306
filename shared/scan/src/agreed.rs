//! A plan that a person has seen and agreed to: nobody else is written, and nobody in another way.

use std::collections::HashMap;

use model::{Anchor, AnchorHash};
use plan::{RecordPlan, RemovalCandidate, RemovalVerdict};

use crate::{FinalPlan, Transfer, UserPlan};

/// Who may be written, and as what. Whoever has changed since is left for a later scan.
#[derive(Debug, Default)]
pub struct ApprovedPlan {
    users: HashMap<AnchorHash, (RecordPlan, Option<Anchor>)>,
    removals: HashMap<AnchorHash, RemovalCandidate>,
    transfers: HashMap<AnchorHash, (Anchor, bool, RecordPlan)>,
}

impl ApprovedPlan {
    /// Adds users as they were planned.
    pub fn add_users(&mut self, users: &[UserPlan]) {
        let users = users.iter().map(|user| (user.anchor.hash(), (user.plan.clone(), user.conflict.clone())));
        self.users.extend(users);
    }

    /// Adds the removals and hand-overs of the end of a scan.
    pub fn add_ending(&mut self, ending: &FinalPlan) {
        let released = match &ending.removals {
            RemovalVerdict::Released(released) | RemovalVerdict::PartlyReleased { released, .. } => {
                released.as_slice()
            }
            RemovalVerdict::Held(_) | RemovalVerdict::Skipped(_) => &[],
        };
        let waiting = match &ending.removals {
            RemovalVerdict::Held(held)
            | RemovalVerdict::PartlyReleased { held, .. }
            | RemovalVerdict::Skipped(held) => held.as_slice(),
            RemovalVerdict::Released(_) => &[],
        };
        let candidates = released.iter().map(|released| released.candidate()).chain(waiting);
        self.removals.extend(candidates.map(|candidate| (candidate.anchor.hash(), candidate.clone())));
        let transfers = ending.transfers.iter();
        self.transfers.extend(transfers.map(|change| (change.to.anchor.hash(), taken(change))));
    }

    /// Those of these users who are as they were planned.
    pub(crate) fn only(&self, mut users: Vec<UserPlan>, not_as_planned: &mut u64) -> Vec<UserPlan> {
        let before = users.len();
        users.retain(|user| {
            let planned = self.users.get(&user.anchor.hash());
            // Who is only noted in the snapshot is nobody's business.
            user.plan == RecordPlan::Nothing
                || planned.is_some_and(|(plan, conflict)| *plan == user.plan && *conflict == user.conflict)
        });
        *not_as_planned += (before - users.len()) as u64;
        users
    }

    /// That of the end of a scan which was planned. What the safety check says now counts, whatever it said then.
    pub(crate) fn narrow(&self, ending: FinalPlan, not_as_planned: &mut u64) -> FinalPlan {
        let FinalPlan { mut transfers, users, removals, after_removal, forgotten } = ending;
        let before = transfers.len();
        transfers.retain(|change| self.transfers.get(&change.to.anchor.hash()) == Some(&taken(change)));
        *not_as_planned += (before - transfers.len()) as u64;
        let mut is_planned = |candidate: &RemovalCandidate| {
            let planned = self.removals.get(&candidate.anchor.hash()) == Some(candidate);
            *not_as_planned += u64::from(!planned);
            planned
        };
        let removals = match removals {
            RemovalVerdict::Released(mut released) => {
                released.retain(|released| is_planned(released.candidate()));
                RemovalVerdict::Released(released)
            }
            RemovalVerdict::Held(mut held) => {
                held.retain(is_planned);
                RemovalVerdict::Held(held)
            }
            RemovalVerdict::Skipped(mut skipped) => {
                skipped.retain(is_planned);
                RemovalVerdict::Skipped(skipped)
            }
            RemovalVerdict::PartlyReleased { mut released, mut held } => {
                released.retain(|released| is_planned(released.candidate()));
                held.retain(is_planned);
                RemovalVerdict::PartlyReleased { released, held }
            }
        };
        let users = self.only(users, not_as_planned);
        FinalPlan { transfers, users, removals, after_removal, forgotten }
    }
}

/// Whose place is taken, whether with the account, and as what.
fn taken(change: &Transfer) -> (Anchor, bool, RecordPlan) {
    (change.from.anchor.clone(), change.with_account, change.to.plan.clone())
}
