//! Whatever happens to the directory, in whatever order the work comes, however often it is lost: the accounts end as
//! the directory says, once everything has come to rest.
//!
//! The handlers are the real ones; directory, state and target run in this process. A failing history is printed,
//! shortened as far as it goes on failing, and the seed with it.

mod fencing;
mod history;
mod once;
mod property_fixture;
mod truth;

use anyhow::Result;
use end_to_end::seed;
use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};

use history::{ChangeHistory, HistoryRound, Scan, calm, disorderly, stormy};
use property_fixture::PropertyFixture;

/// More steps than a scan or a worker has, where a step is a moment at which it waits for somebody else's answer.
const STEPS: usize = 60;

/// Checks a property for so many histories, or for as many as `PROPTEST_CASES` asks for.
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

/// Lives through a history, then lets everything come to rest.
async fn live(history: ChangeHistory) -> Result<PropertyFixture> {
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
fn planning_after_applying_is_empty() {
    check("planning after applying", 16, calm(), async |history| {
        let fixture = live(history).await?;
        fixture.check_truth().await?;
        fixture.check_rest().await
    });
}

#[test]
fn any_order_repetition_or_loss_ends_as_the_directory_says() {
    check("any order", 16, disorderly(), async |history| {
        let fixture = live(history).await?;
        fixture.check_truth().await?;
        fixture.check_rest().await
    });
}

#[test]
fn a_target_that_fails_ends_as_the_directory_says() {
    check("a failing target", 16, stormy(), async |history| {
        let fixture = live(history).await?;
        fixture.check_truth().await?;
        fixture.check_rest().await
    });
}

/// Lives through a history and checks what must be true then.
#[track_caller]
fn expect_well(histories: impl IntoIterator<Item = (String, ChangeHistory)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (what, history) in histories {
        let shown = format!("{history:?}");
        let ended = runtime.block_on(async {
            let fixture = live(history).await?;
            fixture.check_truth().await?;
            fixture.check_rest().await
        });
        if let Err(error) = ended {
            panic!("{what}: {error:#}\n{shown}");
        }
    }
}

#[test]
fn what_once_ended_badly_ends_well() {
    expect_well(once::histories().into_iter().map(|(what, history)| (what.to_owned(), history)));
}

#[test]
fn a_scan_may_die_at_any_step() {
    expect_well((0..STEPS).step_by(2).map(|steps| (format!("{steps} steps"), once::scan_dies_after(steps))));
}

#[test]
fn a_scan_may_die_at_any_step_and_what_it_saw_be_taken_back() {
    let histories = (0..STEPS).step_by(2);
    expect_well(
        histories.map(|steps| (format!("{steps} steps"), once::scan_dies_before_all_is_taken_back(steps))),
    );
}

#[test]
fn a_scan_that_is_overtaken_writes_nothing_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut endings = Vec::new();
    for steps in 0..STEPS {
        let ended = runtime.block_on(fencing::overtaken_after(steps));
        endings.push(ended.unwrap_or_else(|error| panic!("after {steps} steps: {error:#}")));
    }
    assert!(endings.contains(&fencing::OvertakenScan::Overtaken), "{endings:?}");
}

#[test]
fn a_worker_may_die_at_any_step() {
    expect_well(
        (0..STEPS).step_by(3).map(|steps| (format!("{steps} steps"), once::workers_die_after(steps))),
    );
}

#[test]
fn whoever_waits_for_somebody_whose_worker_died_does_not_wait_for_ever() {
    expect_well((0..STEPS).map(|steps| (format!("{steps} steps"), once::managers_die_after(steps))));
}
