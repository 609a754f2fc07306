//! The safety check, for every number of removals.

use plan::{Deprovision, Removals, SafetyLimits, judge_removals};
use proptest::prelude::*;

use crate::arbitrary::{candidate, complete};

proptest! {
    #[test]
    fn no_more_go_than_the_limits_allow(
        count in 0..120_usize, enabled in 0..3_000_u64, max_removals in 0..60_u64, percent in 0..=100_u64,
    ) {
        let limits = SafetyLimits { max_removals, max_removal_percent: percent };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let removals = judge_removals(candidates.clone(), &complete(), &limits, enabled, Deprovision::On);
        let few = (count as u64) < SafetyLimits::PERCENT_FROM;
        match removals {
            Removals::Released(released) => {
                prop_assert!(count as u64 <= max_removals);
                prop_assert!(few || count as u64 * 100 <= percent * enabled);
                let released: Vec<_> = released.iter().map(|removal| removal.candidate().clone()).collect();
                prop_assert_eq!(released, candidates);
            }
            Removals::Held(held) => {
                let share_exceeded = !few && count as u64 * 100 > percent * enabled;
                prop_assert!(count as u64 > max_removals || share_exceeded, "held without a reason");
                prop_assert_eq!(held, candidates);
            }
            Removals::Withheld(_) => prop_assert!(false, "deprovisioning is on"),
        }
    }

    #[test]
    fn none_go_while_deprovisioning_is_off(count in 0..120_usize, enabled in 0..3_000_u64) {
        let limits = SafetyLimits { max_removals: u64::MAX, max_removal_percent: 100 };
        let candidates: Vec<_> = (0..count).map(candidate).collect();
        let removals = judge_removals(candidates.clone(), &complete(), &limits, enabled, Deprovision::Off);
        prop_assert!(matches!(removals, Removals::Withheld(withheld) if withheld == candidates));
    }
}
