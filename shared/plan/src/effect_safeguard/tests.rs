//! The safeguard on effects, one line per case.

use super::*;

const CONFIGURATION: Fingerprint = Fingerprint([1; 16]);

fn limits(users: u64, approved: Option<HeldChanges>) -> EffectLimits {
    let safety = SafetyLimits { max_changes: 3, max_renames: 2, max_transfers: 2, ..SafetyLimits::default() };
    EffectLimits { safety, configuration: CONFIGURATION, users, approved }
}

fn changes(users: u64, effects: &[(LimitedEffect, u64, u64)]) -> Option<HeldChanges> {
    let held = effects.iter().map(|(effect, count, limit)| HeldEffect {
        effect: effect.clone(),
        count: *count,
        limit: *limit,
    });
    HeldChanges::of(CONFIGURATION, users, held.collect())
}

/// The number of plans that are released in order, at the end, and held.
fn judge(
    limits: EffectLimits,
    plans: Vec<Vec<LimitedEffect>>,
    counts: EffectCounts,
) -> ((usize, usize, usize), Option<HeldChanges>) {
    let mut safeguard = EffectSafeguard::new(limits);
    let (mut at_once, mut held) = (0, 0);
    for effects in plans {
        let verdict = safeguard.judge((), effects);
        at_once += verdict.released.len();
        held += verdict.held.len();
    }
    let (verdict, changes) = safeguard.finish(counts);
    ((at_once, verdict.released.len(), held + verdict.held.len()), changes)
}

fn plans(of: &[(usize, &[LimitedEffect])]) -> Vec<Vec<LimitedEffect>> {
    of.iter().flat_map(|(count, effects)| vec![effects.to_vec(); *count]).collect()
}

#[test]
fn effect_above_its_limit_holds_all_plans_with_it() {
    use LimitedEffect::{ConfiguredCreate, ConfiguredUpdate, Reactivation, Rename};
    let all = EffectCounts::All;
    for (of, expected, held) in [
        (plans(&[(5, &[])]), (5, 0, 0), None),
        (plans(&[(2, &[Rename]), (1, &[])]), (1, 2, 0), None),
        (plans(&[(3, &[Rename]), (1, &[])]), (1, 0, 3), changes(60, &[(Rename, 3, 2)])),
        // One effect above its limit holds the plan. Its other effects are counted too.
        (
            plans(&[(2, &[Rename]), (1, &[Rename, ConfiguredUpdate]), (2, &[ConfiguredUpdate])]),
            (0, 2, 3),
            changes(60, &[(Rename, 3, 2)]),
        ),
        (
            plans(&[(4, &[ConfiguredUpdate]), (1, &[ConfiguredCreate])]),
            (0, 1, 4),
            changes(60, &[(ConfiguredUpdate, 4, 3)]),
        ),
        (plans(&[(25, &[Reactivation])]), (0, 25, 0), None),
        (plans(&[(26, &[Reactivation])]), (0, 0, 26), changes(60, &[(Reactivation, 26, 25)])),
    ] {
        assert_eq!(judge(limits(60, None), of.clone(), all), (expected, held), "{of:?}");
    }
}

#[test]
fn share_of_an_attribute_counts_from_25_users_on() {
    let clear = || LimitedEffect::Clear("title".into());
    let change = || LimitedEffect::Change("title".into());
    for (users, count, limit, is_held) in
        [(24, 24, 24, false), (25, 25, 24, true), (200, 40, 40, false), (200, 41, 40, true)]
    {
        for effect in [clear(), change()] {
            let of = plans(&[(count, std::slice::from_ref(&effect))]);
            let held = changes(users, &[(effect, count as u64, limit)]).filter(|_| is_held);
            assert_eq!(judge(limits(users, None), of, EffectCounts::All).1, held, "{count} of {users}");
        }
    }
    // Clearing and changing are counted apart, and so are two attributes.
    let of = plans(&[(20, &[clear()]), (20, &[change()]), (20, &[LimitedEffect::Clear("locale".into())])]);
    assert_eq!(judge(limits(60, None), of, EffectCounts::All), ((0, 60, 0), None));
}

#[test]
fn approval_is_a_ceiling_for_each_effect() {
    use LimitedEffect::{Reactivation, Rename};
    let approved = || limits(60, changes(60, &[(Rename, 5, 2)]));
    for (count, expected, held) in
        [(5, (5, 0, 0), None), (4, (4, 0, 0), None), (6, (5, 0, 1), changes(60, &[(Rename, 6, 2)]))]
    {
        let of = plans(&[(count, &[Rename])]);
        assert_eq!(judge(approved(), of, EffectCounts::All), (expected, held), "{count}");
    }
    // A plan with another effect waits for the end of the read, and for a limit of that effect.
    let of = plans(&[(2, &[Rename, Reactivation])]);
    assert_eq!(judge(approved(), of, EffectCounts::All), ((0, 2, 0), None));
    let of = plans(&[(1, &[Rename, Reactivation]), (25, &[Reactivation])]);
    let (numbers, held) = judge(approved(), of, EffectCounts::All);
    assert_eq!((numbers, held), ((0, 0, 26), changes(60, &[(Reactivation, 26, 25)])));
}

#[test]
fn updates_under_a_changed_configuration_are_held_after_an_incomplete_read() {
    use LimitedEffect::{ConfiguredCreate, ConfiguredUpdate, Rename};
    let of = plans(&[(2, &[ConfiguredUpdate]), (1, &[ConfiguredCreate]), (2, &[Rename])]);
    assert_eq!(judge(limits(60, None), of, EffectCounts::AtLeast), ((0, 3, 2), None));
    // What was counted is above the limit, whatever the read missed.
    let of = plans(&[(3, &[Rename])]);
    let held = changes(60, &[(Rename, 3, 2)]);
    assert_eq!(judge(limits(60, None), of, EffectCounts::AtLeast), ((0, 0, 3), held));
    let of = plans(&[(4, &[ConfiguredUpdate])]);
    let approved = limits(60, changes(60, &[(ConfiguredUpdate, 4, 3)]));
    assert_eq!(judge(approved, of, EffectCounts::AtLeast), ((4, 0, 0), None));
}

#[test]
fn plans_that_are_judged_together_count_together() {
    use LimitedEffect::{Transfer, TransferFromDisabled};
    let held_by = |approved, plans: &[Vec<LimitedEffect>]| -> Vec<usize> {
        let mut safeguard = EffectSafeguard::<()>::new(limits(60, approved));
        safeguard.judge_together(plans).iter().map(Vec::len).collect()
    };
    assert_eq!(held_by(None, &plans(&[(2, &[Transfer]), (1, &[TransferFromDisabled])])), [0, 0, 1]);
    assert_eq!(held_by(None, &plans(&[(3, &[Transfer])])), [1, 1, 1]);
    let approved = changes(60, &[(TransferFromDisabled, 1, 0)]);
    assert_eq!(held_by(approved, &plans(&[(2, &[TransferFromDisabled])])), [0, 1]);
}

#[test]
fn withdrawn_plan_is_neither_released_nor_counted() {
    let mut safeguard = EffectSafeguard::new(limits(60, None));
    for plan in 0..2 {
        assert!(safeguard.judge(plan, vec![LimitedEffect::Rename]).released.is_empty());
    }
    safeguard.withdraw(|plan| *plan == 0);
    assert!(safeguard.judge(2, vec![LimitedEffect::Rename]).held.is_empty());
    let (verdict, changes) = safeguard.finish(EffectCounts::All);
    assert_eq!((verdict.released, changes), (vec![1, 2], None));
}
