//! The safety check, for every number of removals.

use std::collections::BTreeSet;

use plan::{
    ApprovedRemovals, Deprovision, DirectoryMatch, RemovalVerdict, SafeguardInputs, SafetyLimits,
    check_removals,
};
use proptest::prelude::*;

use crate::arbitrary::{candidate, complete};

proptest! {
    #[test]
    fn no_more_go_than_the_limits_allow(
        count in 0..120_usize, enabled in 0..3_000_u64, max_removals in 0..60_u64, percent in 0..=100_u64,
    ) {
        let limits = SafetyLimits {
            max_removals,
            max_removal_percent: percent,
            max_removals_per_day: u64::MAX,
            ..SafetyLimits::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let seen = SafeguardInputs { enabled_accounts: enabled, ..SafeguardInputs::default() };
        let removals = check_removals(candidates.clone(), &complete(), &limits, &seen, Deprovision::On);
        let few = (count as u64) < SafetyLimits::PERCENT_FROM;
        match removals {
            RemovalVerdict::Released(released) => {
                prop_assert!(count as u64 <= max_removals);
                prop_assert!(few || count as u64 * 100 <= percent * enabled);
                let released: Vec<_> = released.iter().map(|removal| removal.candidate().clone()).collect();
                prop_assert_eq!(released, candidates);
            }
            RemovalVerdict::Held(held) => {
                let share_exceeded = !few && count as u64 * 100 > percent * enabled;
                prop_assert!(count as u64 > max_removals || share_exceeded, "held without a reason");
                prop_assert_eq!(held, candidates);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn none_go_while_deprovisioning_is_off(count in 0..120_usize, enabled in 0..3_000_u64) {
        let limits =
            SafetyLimits { max_removals: u64::MAX, max_removal_percent: 100, ..SafetyLimits::default() };
        let seen = SafeguardInputs { enabled_accounts: enabled, ..SafeguardInputs::default() };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let removals = check_removals(candidates.clone(), &complete(), &limits, &seen, Deprovision::Off);
        prop_assert!(matches!(removals, RemovalVerdict::Skipped(skipped) if skipped == candidates));
    }

    #[test]
    fn an_approval_never_lets_anybody_else_go(
        count in 0..60_usize, approved in 0..60_usize, ceiling in 0..60_u64, max_removals in 0..60_u64,
    ) {
        let limits = SafetyLimits { max_removals, max_removal_percent: 100, ..SafetyLimits::default() };
        let users: BTreeSet<_> = (0..approved).map(|n| candidate(n).anchor.hash()).collect();
        let seen = SafeguardInputs {
            enabled_accounts: 1_000,
            approved: Some(ApprovedRemovals { users: users.clone(), ceiling }),
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let (released, held) = match check_removals(candidates, &complete(), &limits, &seen, Deprovision::On) {
            RemovalVerdict::Released(released) => (released, Vec::new()),
            RemovalVerdict::PartlyReleased { released, held } => (released, held),
            RemovalVerdict::Held(held) => (Vec::new(), held),
            RemovalVerdict::Skipped(_) => return Err(TestCaseError::fail("deprovisioning is on")),
        };
        prop_assert!(released.len() as u64 <= ceiling);
        prop_assert_eq!(released.len() + held.len(), count);
        for removal in &released {
            prop_assert!(users.contains(&removal.candidate().anchor.hash()));
        }
        // A set that has shrunk goes as far as it is still there.
        if approved as u64 <= ceiling {
            prop_assert_eq!(released.len(), count.min(approved));
        }
    }

    /// Thirty are approved, and a thirty-first was held: with the thirty gone, others may leave, and the thirty-first
    /// still waits.
    #[test]
    fn whom_an_approval_has_held_does_not_go_when_it_is_used_up(
        held in 1..10_usize, others in 0..40_usize, max_removals in 0..60_u64, enabled in 0..3_000_u64,
    ) {
        let limits = SafetyLimits { max_removals, ..SafetyLimits::default() };
        let held_back: BTreeSet<_> = (0..held).map(|n| candidate(n).anchor.hash()).collect();
        let seen = SafeguardInputs {
            enabled_accounts: enabled,
            removed_today: 30,
            held_back: held_back.clone(),
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..held + others).map(candidate).collect();
        let plain = SafeguardInputs { held_back: BTreeSet::new(), ..seen.clone() };
        let without = check_removals(candidates.clone(), &complete(), &limits, &plain, Deprovision::On);
        match check_removals(candidates, &complete(), &limits, &seen, Deprovision::On) {
            RemovalVerdict::PartlyReleased { released, held: waiting } => {
                prop_assert!(matches!(without, RemovalVerdict::Released(_)), "the limits count as ever");
                prop_assert_eq!((released.len(), waiting.len()), (others, held));
                for removal in &released {
                    prop_assert!(!held_back.contains(&removal.candidate().anchor.hash()));
                }
            }
            RemovalVerdict::Held(waiting) => {
                prop_assert!(matches!(without, RemovalVerdict::Held(_)), "the limits count as ever");
                prop_assert_eq!(waiting.len(), held + others);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_directory_that_knows_nobody_removes_nobody_whatever_the_limits(count in 1..60_usize) {
        let limits = SafetyLimits {
            max_removals: u64::MAX,
            max_removal_percent: 100,
            max_removals_per_day: u64::MAX,
            ..SafetyLimits::default()
        };
        let seen = SafeguardInputs {
            enabled_accounts: 1_000,
            directory_match: DirectoryMatch::Mismatch,
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let removals = check_removals(candidates.clone(), &complete(), &limits, &seen, Deprovision::On);
        prop_assert!(matches!(removals, RemovalVerdict::Held(held) if held == candidates));
    }

    #[test]
    fn a_slow_leak_ends_within_the_days_limit(
        daily in 0..80_u64, a_scan in 1..10_usize, scans in 1..40_usize,
    ) {
        let limits = SafetyLimits {
            max_removals: 25,
            max_removal_percent: 100,
            max_removals_per_day: daily,
            ..SafetyLimits::default()
        };
        let mut gone = 0;
        for _ in 0..scans {
            let candidates = (0..a_scan).map(candidate).collect();
            let seen = SafeguardInputs {
                enabled_accounts: 100_000,
                removed_today: gone,
                ..SafeguardInputs::default()
            };
            if let RemovalVerdict::Released(released) =
                check_removals(candidates, &complete(), &limits, &seen, Deprovision::On)
            {
                gone += released.len() as u64;
            }
        }
        prop_assert!(gone <= daily);
        prop_assert!(gone + a_scan as u64 > daily || gone == (a_scan * scans) as u64);
    }
}
