//! A plan that an administrator has approved: a scan writes only these users, and only as planned.

use std::collections::HashMap;

use model::{Anchor, AnchorHash};
use plan::{RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};

use crate::final_plan::FinalPlan;
use crate::user_plan::{PagePlan, UserPlan};

/// The approved plans. A user that has changed since is left to a later scan.
#[derive(Debug, Default)]
pub struct ApprovedPlan {
    users: HashMap<AnchorHash, (RecordPlan, Option<Anchor>)>,
    removals: HashMap<AnchorHash, RemovalCandidate>,
    transfers: HashMap<AnchorHash, ApprovedTransfer>,
}

#[derive(Debug, PartialEq, Eq)]
struct ApprovedTransfer {
    from: Anchor,
    with_account: bool,
    plan: RecordPlan,
}

impl ApprovedTransfer {
    fn of(from: &Anchor, to: &UserPlan, with_account: bool) -> Self {
        Self { from: from.clone(), with_account, plan: to.plan.clone() }
    }
}

impl ApprovedPlan {
    /// Adds the plan of a page; held changes are not part of it.
    pub fn add_page(&mut self, page: &PagePlan) {
        let users = page.users.iter();
        self.users.extend(users.map(|user| (user.anchor.hash(), (user.plan.clone(), user.conflict.clone()))));
    }

    /// Adds the final plan. Removals are added whatever the safeguard says: its verdict at the time of the scan counts.
    pub fn add_final(&mut self, plan: &FinalPlan) {
        self.add_page(&plan.late);
        self.add_page(&plan.changes);
        let RemovalVerdict { released, held, skipped, cause: _ } = &plan.removals;
        let candidates = released.iter().map(ReleasedRemoval::candidate).chain(held).chain(skipped);
        self.removals.extend(candidates.map(|candidate| (candidate.anchor.hash(), candidate.clone())));
        let accounts = plan.account_transfers.iter().map(|transfer| (&transfer.from, &transfer.to, true));
        let names = plan.name_transfers.iter().map(|transfer| (&transfer.from, &transfer.to, false));
        self.transfers.extend(accounts.chain(names).map(|(from, to, with_account)| {
            (to.anchor.hash(), ApprovedTransfer::of(&from.anchor, to, with_account))
        }));
    }

    /// The plans among these that are as approved, and the number of those that are not.
    pub(crate) fn restrict_users(&self, mut users: Vec<UserPlan>) -> (Vec<UserPlan>, u64) {
        let before = users.len();
        users.retain(|user| {
            let approved = self.users.get(&user.anchor.hash());
            // A plan that only updates the snapshot needs no approval.
            user.plan == RecordPlan::Nothing
                || approved.is_some_and(|(plan, conflict)| *plan == user.plan && *conflict == user.conflict)
        });
        let removed = before - users.len();
        (users, removed as u64)
    }

    /// The part of a final plan that is as approved. The safeguard's present verdict on removals counts.
    pub(crate) fn restrict_final(&self, mut plan: FinalPlan) -> FinalPlan {
        let mut deviating = 0;
        for page in [&mut plan.late, &mut plan.changes] {
            let (users, removed) = self.restrict_users(std::mem::take(&mut page.users));
            page.users = users;
            deviating += removed;
        }
        let transfers = plan.account_transfers.len() + plan.name_transfers.len();
        let is_approved = |from: &Anchor, to: &UserPlan, with_account| {
            let approved = self.transfers.get(&to.anchor.hash());
            approved == Some(&ApprovedTransfer::of(from, to, with_account))
        };
        plan.account_transfers.retain(|transfer| is_approved(&transfer.from.anchor, &transfer.to, true));
        plan.name_transfers.retain(|transfer| is_approved(&transfer.from.anchor, &transfer.to, false));
        deviating += (transfers - plan.account_transfers.len() - plan.name_transfers.len()) as u64;

        let mut is_approved = |candidate: &RemovalCandidate| {
            let approved = self.removals.get(&candidate.anchor.hash()) == Some(candidate);
            deviating += u64::from(!approved);
            approved
        };
        let RemovalVerdict { released, held, skipped, cause: _ } = &mut plan.removals;
        released.retain(|released| is_approved(released.candidate()));
        held.retain(&mut is_approved);
        skipped.retain(is_approved);
        plan.summary.not_as_planned += deviating;
        if plan.summary.not_as_planned > 0 {
            // The next scan has to find the users that were left out.
            plan.checkpoint = None;
        }
        plan
    }
}
