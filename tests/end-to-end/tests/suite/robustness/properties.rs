//! Properties of random histories: whatever changes, and however messages are ordered, repeated or lost, the accounts
//! converge to the directory.
//!
//! The engines, the directory, the state and the target run in this process. A failing history is shrunk and printed
//! with its seed.

mod fencing;
mod history;
mod property_fixture;
mod regressions;
mod truth;

use anyhow::Result;
use end_to_end::seed;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};

use history::{ChangeHistory, HistoryRound, Scan, undisturbed, with_disorder, with_target_faults};
use property_fixture::PropertyFixture;

/// Steps at which a scan or a worker is cut short. A step is one wait for an answer; no scan or worker has more.
const STEPS: usize = 60;

/// Checks a property for this number of histories, or for `PROPTEST_CASES`.
#[expect(clippy::disallowed_methods, reason = "proptest's own variable, which a given number would override")]
#[track_caller]
fn check(
    what: &str,
    cases: u32,
    histories: impl Strategy<Value = ChangeHistory>,
    property: impl AsyncFn(ChangeHistory) -> Result<()>,
) {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(cases),
        rng_seed: RngSeed::Fixed(seed(what)),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = TestRunner::new(config).run(&histories, |history| {
        runtime.block_on(property(history)).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    if let Err(failure) = result {
        panic!("{what}: {failure}");
    }
}

/// Runs a history, then scans and provisions until nothing changes.
async fn run_history(history: ChangeHistory) -> Result<PropertyFixture> {
    let ChangeHistory { options, people, rounds } = history;
    let mut fixture = PropertyFixture::start(options, &people).await?;
    for round in rounds {
        let HistoryRound { changes, scan, delivery, faults } = round;
        for change in changes {
            fixture.change(change)?;
        }
        match scan {
            Scan::Whole => drop(fixture.scan().await?),
            Scan::CutShort(steps) => fixture.scan_cut_short(steps).await?,
        }
        faults.into_iter().for_each(|fault| fixture.engine.workplace.inject(fault));
        fixture.deliver(&delivery).await?;
    }
    fixture.engine.workplace.clear_faults();
    fixture.settle().await?;
    Ok(fixture)
}

#[test]
fn plan_after_apply_is_empty() {
    check("planning after applying", 16, undisturbed(), async |history| {
        let fixture = run_history(history).await?;
        fixture.check_accounts_match_directory().await?;
        fixture.check_nothing_is_left().await
    });
}

#[test]
fn accounts_converge_despite_reordering_repetition_and_loss() {
    check("any order", 16, with_disorder(), async |history| {
        let fixture = run_history(history).await?;
        fixture.check_accounts_match_directory().await?;
        fixture.check_nothing_is_left().await
    });
}

#[test]
fn accounts_converge_despite_target_faults() {
    check("a failing target", 16, with_target_faults(), async |history| {
        let fixture = run_history(history).await?;
        fixture.check_accounts_match_directory().await?;
        fixture.check_nothing_is_left().await
    });
}

/// Runs histories and checks the final state of each.
#[track_caller]
fn expect_convergence(histories: impl IntoIterator<Item = (String, ChangeHistory)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (what, history) in histories {
        let shown = format!("{history:?}");
        let ended = runtime.block_on(async {
            let fixture = run_history(history).await?;
            fixture.check_accounts_match_directory().await?;
            fixture.check_nothing_is_left().await
        });
        if let Err(error) = ended {
            panic!("{what}: {error:#}\n{shown}");
        }
    }
}

#[test]
fn past_failures_converge() {
    expect_convergence(
        regressions::histories().into_iter().map(|(what, history)| (what.to_owned(), history)),
    );
}

#[test]
fn accounts_converge_when_a_scan_dies_at_any_step() {
    expect_convergence(
        (0..STEPS).step_by(2).map(|steps| (format!("{steps} steps"), regressions::scan_dies_after(steps))),
    );
}

#[test]
fn accounts_converge_when_a_creation_dies_before_a_conflict() {
    let histories = (0..STEPS).step_by(2);
    expect_convergence(
        histories
            .map(|steps| (format!("{steps} steps"), regressions::creation_dies_before_a_conflict(steps))),
    );
}

#[test]
fn accounts_converge_when_a_scan_dies_and_its_changes_are_reverted() {
    let histories = (0..STEPS).step_by(2);
    expect_convergence(
        histories
            .map(|steps| (format!("{steps} steps"), regressions::scan_dies_before_all_is_taken_back(steps))),
    );
}

#[test]
fn overtaken_scan_writes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut endings = Vec::new();
    for steps in 0..STEPS {
        let ended = runtime.block_on(fencing::overtaken_after(steps));
        endings.push(ended.unwrap_or_else(|error| panic!("after {steps} steps: {error:#}")));
    }
    assert!(endings.contains(&fencing::OvertakenScan::Overtaken), "{endings:?}");
}

#[test]
fn accounts_converge_when_workers_die_at_any_step() {
    expect_convergence(
        (0..STEPS).step_by(3).map(|steps| (format!("{steps} steps"), regressions::workers_die_after(steps))),
    );
}

#[test]
fn references_converge_when_the_managers_worker_dies() {
    expect_convergence(
        (0..STEPS).map(|steps| (format!("{steps} steps"), regressions::managers_die_after(steps))),
    );
}
