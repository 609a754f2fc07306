//! The safeguard, one line per case.

use model::UserName;

use super::*;
use crate::test_values::complete;

#[test]
fn scan_limits() {
    let limits = SafetyLimits::default();
    for (removals, accounts, exceeded) in [
        (0, 0, false),
        (1, 10, false), // one leaver in a team of ten
        (2, 10, false),
        (3, 10, true),  // the share counts from three on
        (10, 10, true), // an emptied team of ten
        (3, 60, false), // exactly five percent
        (4, 79, true),
        (25, 1_000, false),
        (26, 100_000, true),
    ] {
        assert_eq!(limits.exceeded(removals, accounts).is_some(), exceeded, "{removals} of {accounts}");
    }
}

#[test]
fn more_accounts_than_accounts_to_count_change_nothing() {
    for percent in [0, 1, 5, 100] {
        let limits =
            SafetyLimits { max_removals: 1_000, max_removal_percent: percent, ..SafetyLimits::default() };
        for removals in 0..50 {
            let enough = limits.accounts_to_count(removals);
            for more in [0, 1, 10_000] {
                let exceeded = |accounts| limits.exceeded(removals, accounts).is_some();
                assert_eq!(exceeded(enough), exceeded(enough + more), "{removals} at {percent} %");
            }
        }
    }
    let limits = SafetyLimits::default();
    assert_eq!([0, 1, 3].map(|removals| limits.accounts_to_count(removals)), [0, 20, 60]);
    assert_eq!(SafetyLimits { max_removal_percent: 0, ..limits }.accounts_to_count(7), 1);
}

#[test]
fn day_limits() {
    let limits = SafetyLimits::default();
    for (removals, today, accounts, exceeded) in [
        (1, 4, 10, false), // a small team loses five, one in each scan
        (1, 5, 10, true),  // and not a sixth
        (5, 45, 970, false),
        (6, 45, 970, true), // each scan is within its limits
        (2, 8, 90, true),   // a tenth of 98
        (1, 8, 90, false),
        (1, 8, 82, false), // exactly a tenth
    ] {
        let found = limits.day_exceeded(removals, today, accounts);
        assert_eq!(found.is_some(), exceeded, "{removals} after {today} of {accounts}");
    }
    let all = SafetyLimits { max_removal_percent: 100, max_removals_per_day: 1_000, ..limits };
    assert_eq!(all.day_exceeded(10, 90, 10), None, "100 % is no limit");
    assert_eq!(all.day_exceeded(10, 991, 10), Some(HoldCause::Day { released: 991, limit: 1_000 }));
}

#[test]
fn held_removals_name_the_limit_that_they_exceed() {
    let inputs = || SafeguardInputs { enabled_accounts: 10, ..SafeguardInputs::default() };
    let many = || SafeguardInputs { enabled_accounts: 10_000, ..inputs() };
    let users: Vec<String> = (0..26).map(|number| format!("user-{number}")).collect();
    let all = users.join(" ");
    for (names, inputs, cause) in [
        ("a b", inputs(), None),
        ("a b c", inputs(), Some(HoldCause::ScanShare { accounts: 10, limit: 5 })),
        (all.as_str(), many(), Some(HoldCause::Scan { limit: 25 })),
        (
            "a",
            SafeguardInputs { removed_today: 50, ..many() },
            Some(HoldCause::Day { released: 50, limit: 50 }),
        ),
        (
            "a",
            SafeguardInputs { removed_today: 5, ..inputs() },
            Some(HoldCause::DayShare { released: 5, accounts: 15, limit: 10 }),
        ),
        (
            "a",
            SafeguardInputs { directory_match: DirectoryMatch::Mismatch, ..inputs() },
            Some(HoldCause::OtherDirectory),
        ),
        ("root", inputs(), Some(HoldCause::NeverWritten)),
        ("a", SafeguardInputs { held_back: hashes("a"), ..inputs() }, Some(HoldCause::OutsideApproval)),
    ] {
        let candidates = names.split_whitespace().map(candidate).collect();
        let verdict = check_removals(candidates, &complete(None), &SafetyLimits::default(), &inputs);
        assert_eq!(verdict.cause, cause, "{names}");
    }
}

fn candidate(name: &str) -> RemovalCandidate {
    RemovalCandidate {
        anchor: Anchor::from_text(name).unwrap(),
        dn: None,
        user_name: UserName::new(name).ok(),
        reason: DeprovisionReason::Deleted,
        desired: Desired::Absent { user_name: None, reason: DeprovisionReason::Deleted },
        // In these tests, accounts with this name existed before.
        never_written: name.starts_with("root"),
    }
}

fn hashes(names: &str) -> BTreeSet<AnchorHash> {
    names.split_whitespace().map(|name| candidate(name).anchor.hash()).collect()
}

/// The verdict on these candidates, such as `released a; held b c`.
fn verdict_on(names: &str, proof: &CompleteRead, inputs: &SafeguardInputs) -> String {
    let candidates = names.split_whitespace().map(candidate).collect();
    let RemovalVerdict { released, held, skipped, cause: _ } =
        check_removals(candidates, proof, &SafetyLimits::default(), inputs);
    let released = released.iter().map(ReleasedRemoval::candidate).map(|candidate| ("released", candidate));
    let held = held.iter().map(|candidate| ("held", candidate));
    let skipped = skipped.iter().map(|candidate| ("skipped", candidate));
    let all: Vec<_> = released.chain(held).chain(skipped).collect();
    let parts = all.chunk_by(|(one, _), (other, _)| one == other).map(|part| {
        let names: Vec<&str> = part.iter().map(|(_, candidate)| candidate.anchor.as_str()).collect();
        format!("{} {}", part[0].0, names.join(" "))
    });
    parts.collect::<Vec<_>>().join("; ")
}

#[test]
fn limits_approvals_and_options_decide_about_removals() {
    let inputs = || SafeguardInputs { enabled_accounts: 10, ..SafeguardInputs::default() };
    let approving = |names: &str, ceiling| SafeguardInputs {
        approved: Some(ApprovedRemovals { users: hashes(names), ceiling }),
        ..inputs()
    };
    let holding = |names: &str| SafeguardInputs { held_back: hashes(names), ..inputs() };
    let mismatch = SafeguardInputs { directory_match: DirectoryMatch::Mismatch, ..inputs() };
    let off = SafeguardInputs { deprovision: Deprovision::Off, ..approving("a", 1) };
    for (candidates, inputs, expected) in [
        ("", inputs(), ""),
        ("a b", inputs(), "released a b"),
        ("a b c", inputs(), "held a b c"),
        ("a", SafeguardInputs { removed_today: 50, ..inputs() }, "held a"),
        ("a", mismatch.clone(), "held a"),
        ("", mismatch, ""),
        ("a b c", off, "skipped a b c"),
        ("a b c", approving("a b c", 3), "released a b c"),
        ("a b c", approving("a b", 2), "released a b; held c"),
        ("a b c", approving("a b", 1), "held a b c"),
        ("c", approving("a b", 2), "held c"),
        ("a b", holding("b"), "released a; held b"),
        ("a b c", holding("b"), "held a b c"),
        ("a", holding("b"), "released a"),
        ("root", inputs(), "held root"),
        ("a root b root2", inputs(), "released a b; held root root2"),
        ("a root", approving("root", 1), "released root; held a"),
        ("root", SafeguardInputs { deprovision: Deprovision::Off, ..inputs() }, "skipped root"),
    ] {
        assert_eq!(verdict_on(candidates, &complete(None), &inputs), expected, "{candidates} {inputs:?}");
    }
}

#[test]
fn removal_requires_a_read_that_accounts_for_the_user() {
    let proof = complete(Some(hashes("a").into_iter().collect()));
    assert_eq!(verdict_on("a b", &proof, &SafeguardInputs::default()), "released a");
    let off = SafeguardInputs { deprovision: Deprovision::Off, ..SafeguardInputs::default() };
    assert_eq!(verdict_on("a b", &proof, &off), "skipped a");
}
