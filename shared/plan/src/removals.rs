//! Which removals may go now: the safety check that stands between a plan and anybody losing an account.

use model::{Anchor, CompleteRead, Departure, Desired, DnKey, UserName};

/// How many removals go unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyLimits {
    /// More than this many removals in one scan are held.
    pub max_removals: u64,
    /// So are more than this share of the enabled linked accounts, from three removals on.
    pub max_removal_percent: u64,
}

impl Default for SafetyLimits {
    fn default() -> Self {
        Self { max_removals: 25, max_removal_percent: 5 }
    }
}

impl SafetyLimits {
    /// Fewer removals than this are never a matter of percent: one leaver in a team of ten goes through.
    pub const PERCENT_FROM: u64 = 3;

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
    pub departure: Departure,
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
pub enum Removals {
    /// They go.
    Released(Vec<ReleasedRemoval>),
    /// They are more than the limits allow, and wait for a person.
    Held(Vec<RemovalCandidate>),
    /// Deprovisioning is off.
    Withheld(Vec<RemovalCandidate>),
}

/// Judges the removals of one scan together. It takes the proof that the read was complete: without it there is
/// no judging, and so no removal.
pub fn judge_removals(
    candidates: Vec<RemovalCandidate>,
    _proof: &CompleteRead,
    limits: &SafetyLimits,
    enabled_accounts: u64,
    deprovision: Deprovision,
) -> Removals {
    if deprovision == Deprovision::Off {
        return Removals::Withheld(candidates);
    }
    if limits.exceeded(candidates.len() as u64, enabled_accounts) {
        return Removals::Held(candidates);
    }
    Removals::Released(candidates.into_iter().map(|candidate| ReleasedRemoval { candidate }).collect())
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
            let limits = SafetyLimits { max_removals: 1_000, max_removal_percent: percent };
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
}
