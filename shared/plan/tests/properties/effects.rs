//! The safeguard on mass changes, for all numbers of plans and effects.

use std::collections::BTreeMap;

use model::{Fingerprint, HeldChanges, HeldEffect, LimitedEffect};
use plan::{EffectCounts, EffectLimits, EffectSafeguard, EffectVerdict, SafetyLimits};
use proptest::{collection::vec, prelude::*, sample::subsequence};

const CONFIGURATION: Fingerprint = Fingerprint([1; 16]);

fn all_effects() -> Vec<LimitedEffect> {
    vec![
        LimitedEffect::ConfiguredCreate,
        LimitedEffect::ConfiguredUpdate,
        LimitedEffect::Rename,
        LimitedEffect::Reactivation,
        LimitedEffect::Transfer,
        LimitedEffect::TransferFromDisabled,
        LimitedEffect::Clear("title".into()),
        LimitedEffect::Change("title".into()),
    ]
}

/// Plans as their effects; many have the same ones.
fn plans() -> impl Strategy<Value = Vec<Vec<LimitedEffect>>> {
    vec(subsequence(all_effects(), 0..3), 0..120)
}

fn safety() -> impl Strategy<Value = SafetyLimits> {
    (0..40_u64, 0..40_u64, 0..40_u64, 0..=100_u64).prop_map(|(changes, renames, transfers, percent)| {
        SafetyLimits {
            max_changes: changes,
            max_renames: renames,
            max_reactivations: renames,
            max_transfers: transfers,
            max_attribute_percent: percent,
            ..SafetyLimits::default()
        }
    })
}

fn approved() -> impl Strategy<Value = Option<HeldChanges>> {
    subsequence(all_effects(), 0..8).prop_flat_map(|effects| {
        vec(0..80_u64, effects.len()).prop_map(move |counts| {
            let held = effects.iter().cloned().zip(counts);
            let held = held.map(|(effect, count)| HeldEffect { effect, count, limit: 0 });
            HeldChanges::of(CONFIGURATION, 100, held.collect())
        })
    })
}

/// The released plans, the held ones, and what waits for an approval. A plan is its number.
type Judged = (Vec<usize>, Vec<usize>, Option<HeldChanges>);

fn judge(limits: &EffectLimits, plans: &[Vec<LimitedEffect>], counts: EffectCounts) -> Judged {
    let mut safeguard = EffectSafeguard::new(limits.clone());
    let (mut released, mut held) = (Vec::new(), Vec::new());
    let mut take = |verdict: EffectVerdict<usize>| {
        released.extend(verdict.released);
        held.extend(verdict.held.into_iter().map(|held| held.plan));
    };
    for (number, effects) in plans.iter().enumerate() {
        take(safeguard.judge(number, effects.clone()));
    }
    let (verdict, changes) = safeguard.finish(counts);
    take(verdict);
    released.sort_unstable();
    held.sort_unstable();
    (released, held, changes)
}

fn count(plans: &[Vec<LimitedEffect>], of: &[usize]) -> BTreeMap<LimitedEffect, u64> {
    let mut counts = BTreeMap::new();
    of.iter().flat_map(|number| &plans[*number]).for_each(|effect| {
        *counts.entry(effect.clone()).or_default() += 1;
    });
    counts
}

proptest! {
    #[test]
    fn released_effects_stay_within_limits_and_approvals(
        plans in plans(), safety in safety(), approved in approved(), users in 0..300_u64, complete: bool,
    ) {
        let limits = EffectLimits { safety, configuration: CONFIGURATION, users, approved: approved.clone() };
        let counts = if complete { EffectCounts::All } else { EffectCounts::AtLeast };
        let (released, held, changes) = judge(&limits, &plans, counts);
        let mut both: Vec<usize> = released.iter().chain(&held).copied().collect();
        both.sort_unstable();
        prop_assert_eq!(both, (0..plans.len()).collect::<Vec<_>>(), "each plan is released or held once");
        for (effect, count) in count(&plans, &released) {
            let ceiling = approved.as_ref().map_or(0, |approved| approved.count(&effect));
            prop_assert!(count <= safety.effect_limit(&effect, users).max(ceiling), "{:?}", effect);
        }
        // An additional user, and any other change without a limited effect, is never held.
        prop_assert!(held.iter().all(|number| !plans[*number].is_empty()));
        // Something to approve is shown exactly when an effect is above its limit.
        let all: Vec<usize> = (0..plans.len()).collect();
        for (effect, count) in count(&plans, &all) {
            let ceiling = approved.as_ref().map_or(0, |approved| approved.count(&effect));
            let is_above = count > safety.effect_limit(&effect, users).max(ceiling);
            let shown = changes.as_ref().map_or(0, |changes| changes.count(&effect));
            prop_assert_eq!(shown, if is_above { count } else { 0 }, "{:?}", effect);
        }
    }

    #[test]
    fn plans_within_all_limits_are_all_released(plans in plans(), users in 0..300_u64) {
        let safety = SafetyLimits {
            max_changes: 120, max_renames: 120, max_reactivations: 120, max_transfers: 120,
            max_attribute_percent: 100, ..SafetyLimits::default()
        };
        let users = users.max(plans.len() as u64);
        let limits = EffectLimits { safety, configuration: CONFIGURATION, users, approved: None };
        let with_approval = |effects: &Vec<LimitedEffect>| effects.contains(&LimitedEffect::TransferFromDisabled);
        let plans: Vec<_> = plans.into_iter().filter(|effects| !with_approval(effects)).collect();
        let (released, _, changes) = judge(&limits, &plans, EffectCounts::All);
        prop_assert_eq!((released.len(), changes), (plans.len(), None));
    }

    /// What is shown as held and then approved is released by the next scan, if that finds the same.
    #[test]
    fn approval_of_what_is_shown_releases_it(plans in plans(), safety in safety(), users in 0..300_u64) {
        let limits = EffectLimits { safety, configuration: CONFIGURATION, users, approved: None };
        let (_, _, changes) = judge(&limits, &plans, EffectCounts::All);
        let approved = EffectLimits { approved: changes, ..limits };
        let (released, held, changes) = judge(&approved, &plans, EffectCounts::All);
        prop_assert_eq!((released.len(), held, changes), (plans.len(), Vec::new(), None));
    }

    #[test]
    fn order_of_plans_does_not_change_the_verdict(
        plans in plans(), safety in safety(), users in 0..300_u64,
    ) {
        let limits = EffectLimits { safety, configuration: CONFIGURATION, users, approved: None };
        let (released, _, changes) = judge(&limits, &plans, EffectCounts::All);
        let reversed: Vec<_> = plans.iter().rev().cloned().collect();
        let (reversed, _, same) = judge(&limits, &reversed, EffectCounts::All);
        let mut reversed: Vec<usize> = reversed.into_iter().map(|number| plans.len() - 1 - number).collect();
        reversed.sort_unstable();
        prop_assert_eq!((released, changes), (reversed, same));
    }
}
