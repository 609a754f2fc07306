//! Which removals may go now: the safety check that stands between a plan and anybody losing an account.

use std::collections::BTreeSet;

use model::{Anchor, AnchorHash, CompleteRead, DeprovisionReason, Desired, DnKey, UserName};

/// How many removals go unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyLimits {
    /// More than this many removals in one scan are held.
    pub max_removals: u64,
    /// So are more than this share of the enabled linked accounts, from three removals on.
    pub max_removal_percent: u64,
    /// With these, more removals than this would have gone within a day: a leak that is slow enough to pass each scan.
    pub max_removals_per_day: u64,
    /// A configuration that was changed and would create or update more than this many accounts is held.
    pub max_changes: u64,
}

impl Default for SafetyLimits {
    fn default() -> Self {
        Self { max_removals_per_day: 2 * 25, max_changes: 50, max_removals: 25, max_removal_percent: 5 }
    }
}

impl SafetyLimits {
    /// Fewer removals than this are never a matter of percent: one leaver in a team of ten goes through.
    pub const PERCENT_FROM: u64 = 3;

    /// The share that may go within a day is so many times that of one scan, and so is the number from which on it counts.
    pub const SCANS_A_DAY: u64 = 2;

    /// How many enabled accounts need to be counted to judge this many removals; more make no difference.
    pub fn accounts_to_count(&self, removals: u64) -> u64 {
        match self.max_removal_percent {
            0 => 1,
            percent => removals.saturating_mul(100).div_ceil(percent),
        }
    }

    fn exceeded(&self, removals: u64, enabled_accounts: u64) -> bool {
        let share_exceeded =
            u128::from(removals) * 100 > u128::from(self.max_removal_percent) * u128::from(enabled_accounts);
        removals > self.max_removals || (removals >= Self::PERCENT_FROM && share_exceeded)
    }

    fn day_exceeded(&self, removals: u64, removed_today: u64, enabled_accounts: u64) -> bool {
        let total = removals.saturating_add(removed_today);
        let accounts = u128::from(enabled_accounts) + u128::from(removed_today);
        let percent = u128::from(self.max_removal_percent) * u128::from(Self::SCANS_A_DAY);
        // The same user can come back and leave again within a day, so even twice everybody would be a limit.
        let has_share = self.max_removal_percent < 100;
        let share_exceeded = has_share && u128::from(total) * 100 > percent * accounts;
        total > self.max_removals_per_day
            || (total >= Self::PERCENT_FROM * Self::SCANS_A_DAY && share_exceeded)
    }
}

/// Somebody who has an active account and should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalCandidate {
    /// The entry.
    pub anchor: Anchor,
    /// Where the entry is, if it still is somewhere.
    pub dn: Option<DnKey>,
    /// The name to show.
    pub user_name: Option<UserName>,
    /// Why.
    pub reason: DeprovisionReason,
    /// What the user's record will say once the removal is released.
    pub desired: Desired,
}

/// A removal that the safety check has let through. Nothing else can be written as one.
///
/// ```compile_fail
/// fn forge(candidate: plan::RemovalCandidate) -> plan::ReleasedRemoval {
///     plan::ReleasedRemoval { candidate }
/// }
/// ```
#[derive(Debug)]
pub struct ReleasedRemoval {
    candidate: RemovalCandidate,
}

impl ReleasedRemoval {
    /// Who is removed, and why.
    pub fn candidate(&self) -> &RemovalCandidate {
        &self.candidate
    }
}

/// The verdict on all removals of a scan.
#[derive(Debug)]
pub enum RemovalVerdict {
    /// They go.
    Released(Vec<ReleasedRemoval>),
    /// They are more than the limits allow, and wait for a person.
    Held(Vec<RemovalCandidate>),
    /// Some of them go; the rest waits for a person, who has approved of others.
    PartlyReleased {
        /// They go.
        released: Vec<ReleasedRemoval>,
        /// They wait.
        held: Vec<RemovalCandidate>,
    },
    /// Deprovisioning is off.
    Skipped(Vec<RemovalCandidate>),
}

/// What the removals of a scan are judged by, beside the limits.
#[derive(Clone, Debug, Default)]
pub struct SafeguardInputs {
    /// Linked accounts that can be signed in to, counted as far as [`SafetyLimits::accounts_to_count`] asks.
    pub enabled_accounts: u64,
    /// Removals that were released within the last day.
    pub removed_today: u64,
    /// What a person has let through, while that holds and somebody of it is left. It is a ceiling: nobody else goes
    /// meanwhile.
    pub approved: Option<ApprovedRemovals>,
    /// Whom that ceiling has held. They wait for a word of their own, also when nobody is left whom the approval was about
    /// and the limits count again.
    pub held_back: BTreeSet<AnchorHash>,
    /// Whether the directory looks like the one that was read before.
    pub directory_match: DirectoryMatch,
}

/// Whom a person has let go.
#[derive(Clone, Debug, Default)]
pub struct ApprovedRemovals {
    /// They.
    pub users: BTreeSet<AnchorHash>,
    /// And never more than so many.
    pub ceiling: u64,
}

/// Whether a read shows the directory that was read before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryMatch {
    /// Somebody was there before, or there is too little to tell by.
    #[default]
    Same,
    /// There are people, and nobody of those who were known is among them: another directory, or another anchor.
    Mismatch,
}

/// Judges the removals of one scan together. It takes the proof that the read was complete: without it there is
/// no judging, and so no removal. Nor is there for those for whom it does not account; they stay as they are.
pub fn check_removals(
    mut candidates: Vec<RemovalCandidate>,
    proof: &CompleteRead,
    limits: &SafetyLimits,
    circumstances: &SafeguardInputs,
    deprovision: Deprovision,
) -> RemovalVerdict {
    let SafeguardInputs { enabled_accounts, removed_today, approved, held_back, directory_match } =
        circumstances;
    candidates.retain(|candidate| proof.accounts_for(&candidate.anchor.hash()));
    if deprovision == Deprovision::Off {
        return RemovalVerdict::Skipped(candidates);
    }
    if let Some(ApprovedRemovals { users, ceiling }) = approved {
        let (going, held): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| users.contains(&candidate.anchor.hash()));
        return match (going.len() as u64 <= *ceiling, held.is_empty()) {
            (true, true) => RemovalVerdict::Released(release(going)),
            (true, false) => RemovalVerdict::PartlyReleased { released: release(going), held },
            (false, _) => RemovalVerdict::Held(going.into_iter().chain(held).collect()),
        };
    }
    let count = candidates.len() as u64;
    let is_too_much = count > 0
        && (*directory_match == DirectoryMatch::Mismatch
            || limits.exceeded(count, *enabled_accounts)
            || limits.day_exceeded(count, *removed_today, *enabled_accounts));
    if is_too_much {
        return RemovalVerdict::Held(candidates);
    }
    let (held, going): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| held_back.contains(&candidate.anchor.hash()));
    let released = release(going);
    if held.is_empty() {
        RemovalVerdict::Released(released)
    } else {
        RemovalVerdict::PartlyReleased { released, held }
    }
}

fn release(candidates: Vec<RemovalCandidate>) -> Vec<ReleasedRemoval> {
    candidates.into_iter().map(|candidate| ReleasedRemoval { candidate }).collect()
}

/// Whether the administrator lets us deprovision at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deprovision {
    /// Yes.
    On,
    /// No: removals are shown and nothing is done.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_the_handbook() {
        let limits = SafetyLimits::default();
        for (removals, accounts, exceeded) in [
            (0, 0, false),
            (1, 10, false), // one leaver in a team of ten
            (2, 10, false),
            (3, 10, true),  // a share that matters
            (10, 10, true), // a wiped team of ten
            (3, 60, false), // exactly five percent
            (4, 79, true),
            (25, 1_000, false),
            (26, 100_000, true),
        ] {
            assert_eq!(limits.exceeded(removals, accounts), exceeded, "{removals} of {accounts}");
        }
    }

    #[test]
    fn counting_may_stop_where_more_accounts_change_nothing() {
        for percent in [0, 1, 5, 100] {
            let limits =
                SafetyLimits { max_removals: 1_000, max_removal_percent: percent, ..SafetyLimits::default() };
            for removals in 0..50 {
                let enough = limits.accounts_to_count(removals);
                for more in [0, 1, 10_000] {
                    let (a, b) =
                        (limits.exceeded(removals, enough), limits.exceeded(removals, enough + more));
                    assert_eq!(a, b, "{removals} at {percent} %");
                }
            }
        }
    }

    #[test]
    fn a_day_has_limits_of_its_own() {
        let limits = SafetyLimits::default();
        for (removals, today, accounts, exceeded) in [
            (1, 4, 10, false), // a small team loses five one by one
            (1, 5, 10, true),  // and not a sixth
            (5, 45, 970, false),
            (6, 45, 970, true), // each scan within its limits
            (2, 8, 90, true),   // a tenth of 98
            (1, 8, 90, false),
        ] {
            let found = limits.day_exceeded(removals, today, accounts);
            assert_eq!(found, exceeded, "{removals} after {today} of {accounts}");
        }
        let all = SafetyLimits { max_removal_percent: 100, max_removals_per_day: 1_000, ..limits };
        assert!(!all.day_exceeded(10, 90, 10), "a share of everybody is no limit");
        assert!(all.day_exceeded(10, 991, 10));
    }
}
