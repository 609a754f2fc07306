//! The safeguard, for every number of removals.

use std::collections::BTreeSet;

use plan::{
    ApprovedRemovals, Deprovision, DirectoryMatch, RemovalCandidate, RemovalVerdict, SafeguardInputs,
    SafetyLimits, check_removals,
};
use proptest::prelude::*;

use crate::arbitrary::{candidate, complete};

proptest! {
    #[test]
    fn releases_stay_within_the_limits(
        count in 0..120_usize, enabled in 0..3_000_u64, max_removals in 0..60_u64, percent in 0..=100_u64,
    ) {
        let limits = SafetyLimits {
            max_removals,
            max_removal_percent: percent,
            max_removals_per_day: u64::MAX,
            ..SafetyLimits::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let inputs = SafeguardInputs { enabled_accounts: enabled, ..SafeguardInputs::default() };
        let RemovalVerdict { released, held, skipped, .. } =
            check_removals(candidates.clone(), &complete(), &limits, &inputs);
        let released: Vec<_> = released.iter().map(|removal| removal.candidate().clone()).collect();
        let few = (count as u64) < SafetyLimits::PERCENT_FROM;
        let share_exceeded = !few && count as u64 * 100 > percent * enabled;
        let is_over_limit = count as u64 > max_removals || share_exceeded;
        let expected = if is_over_limit { (vec![], candidates) } else { (candidates, vec![]) };
        prop_assert_eq!((released, held), expected);
        prop_assert_eq!(skipped, []);
    }

    #[test]
    fn removals_are_skipped_while_deprovisioning_is_off(count in 0..120_usize, enabled in 0..3_000_u64) {
        let limits =
            SafetyLimits { max_removals: u64::MAX, max_removal_percent: 100, ..SafetyLimits::default() };
        let inputs = SafeguardInputs {
            enabled_accounts: enabled,
            deprovision: Deprovision::Off,
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let RemovalVerdict { released, held, skipped, .. } =
            check_removals(candidates.clone(), &complete(), &limits, &inputs);
        prop_assert_eq!(skipped, candidates);
        prop_assert_eq!((released.len(), held.len()), (0, 0));
    }

    #[test]
    fn approval_covers_its_own_users_only(
        count in 0..60_usize, approved in 0..60_usize, ceiling in 0..60_u64, max_removals in 0..60_u64,
    ) {
        let limits = SafetyLimits { max_removals, max_removal_percent: 100, ..SafetyLimits::default() };
        let users: BTreeSet<_> = (0..approved).map(|n| candidate(n).anchor.hash()).collect();
        let inputs = SafeguardInputs {
            enabled_accounts: 1_000,
            approved: Some(ApprovedRemovals { users: users.clone(), ceiling }),
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let RemovalVerdict { released, held, .. } =
            check_removals(candidates, &complete(), &limits, &inputs);
        prop_assert!(released.len() as u64 <= ceiling);
        prop_assert_eq!(released.len() + held.len(), count);
        for removal in &released {
            prop_assert!(users.contains(&removal.candidate().anchor.hash()));
        }
        // The remaining users of a smaller set are released.
        if approved as u64 <= ceiling {
            prop_assert_eq!(released.len(), count.min(approved));
        }
    }

    /// After thirty approved removals the limits apply again, and a removal that the approval held back still waits.
    #[test]
    fn held_back_removal_waits_after_the_approval_is_used_up(
        held in 1..10_usize, others in 0..40_usize, max_removals in 0..60_u64, enabled in 0..3_000_u64,
    ) {
        let limits = SafetyLimits { max_removals, ..SafetyLimits::default() };
        let held_back: BTreeSet<_> = (0..held).map(|n| candidate(n).anchor.hash()).collect();
        let inputs = SafeguardInputs {
            enabled_accounts: enabled,
            removed_today: 30,
            held_back: held_back.clone(),
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..held + others).map(candidate).collect();
        let plain = SafeguardInputs { held_back: BTreeSet::new(), ..inputs.clone() };
        let without = check_removals(candidates.clone(), &complete(), &limits, &plain);
        let RemovalVerdict { released, held: waiting, .. } =
            check_removals(candidates, &complete(), &limits, &inputs);
        let expected = if without.held.is_empty() { (others, held) } else { (0, held + others) };
        prop_assert_eq!((released.len(), waiting.len()), expected);
        for removal in &released {
            prop_assert!(!held_back.contains(&removal.candidate().anchor.hash()));
        }
    }

    /// Without an approval no limit releases an account that the provisioner only linked, and it holds no other removal.
    #[test]
    fn account_that_was_never_written_is_removed_with_an_approval_alone(
        written in 0..60_usize, linked in 1..20_usize, enabled in 0..3_000_u64, max_removals in 0..60_u64,
    ) {
        let limits = SafetyLimits { max_removals, ..SafetyLimits::default() };
        let inputs = SafeguardInputs { enabled_accounts: enabled, ..SafeguardInputs::default() };
        let candidates: Vec<_> = (0..written).map(candidate).collect();
        let unwritten = (written..written + linked).map(candidate);
        let unwritten = unwritten.map(|candidate| RemovalCandidate { never_written: true, ..candidate });
        let all: Vec<_> = candidates.iter().cloned().chain(unwritten).collect();
        let without = check_removals(candidates, &complete(), &limits, &inputs);
        let verdict = check_removals(all.clone(), &complete(), &limits, &inputs);
        prop_assert_eq!(verdict.released.len(), without.released.len());
        prop_assert_eq!(verdict.held.len(), without.held.len() + linked);
        prop_assert!(verdict.released.iter().all(|removal| !removal.candidate().never_written));

        let users = all.iter().map(|candidate| candidate.anchor.hash()).collect();
        let approved = Some(ApprovedRemovals { users, ceiling: all.len() as u64 });
        let verdict = check_removals(all, &complete(), &limits, &SafeguardInputs { approved, ..inputs });
        prop_assert_eq!((verdict.released.len(), verdict.held.len()), (written + linked, 0));
    }

    #[test]
    fn directory_mismatch_holds_every_removal(count in 1..60_usize) {
        let limits = SafetyLimits {
            max_removals: u64::MAX,
            max_removal_percent: 100,
            max_removals_per_day: u64::MAX,
            ..SafetyLimits::default()
        };
        let inputs = SafeguardInputs {
            enabled_accounts: 1_000,
            directory_match: DirectoryMatch::Mismatch,
            ..SafeguardInputs::default()
        };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let RemovalVerdict { released, held, .. } =
            check_removals(candidates.clone(), &complete(), &limits, &inputs);
        prop_assert_eq!(held, candidates);
        prop_assert_eq!(released.len(), 0);
    }

    #[test]
    fn daily_limit_bounds_a_slow_loss(
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
            let inputs = SafeguardInputs {
                enabled_accounts: 100_000,
                removed_today: gone,
                ..SafeguardInputs::default()
            };
            gone += check_removals(candidates, &complete(), &limits, &inputs).released.len() as u64;
        }
        prop_assert!(gone <= daily);
        prop_assert!(gone + a_scan as u64 > daily || gone == (a_scan * scans) as u64);
    }
}
