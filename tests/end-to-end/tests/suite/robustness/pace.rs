//! A call budget divided among workers, measured at the target. A busy machine makes fewer calls, so only upper bounds are
//! expected; the unit tests of the pace expect both, with a clock that the test sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{DesiredUser, Managed, UnixSeconds, UserName, Value};
use scim::{CallBudget, Dialect, RetryPolicy, Target, TargetCredentials, TargetOptions};
use simulator::{FaultEffect, Simulator, SimulatorOptions, TargetFault};
use tokio::task::JoinSet;
use tokio::time::Instant;

const WORKERS: usize = 8;
/// 50 calls a second.
const BUDGET: CallBudget = CallBudget::Shared(3_000);

/// A client without a budget.
fn client(dialect: &str, simulator: &Simulator) -> Target {
    let options = TargetOptions {
        url: simulator.url(),
        timeout: Duration::from_secs(10),
        retry: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
        max_concurrent_calls: 2,
        now: || UnixSeconds(0),
    };
    let credentials = TargetCredentials { access_token: simulator.token().into(), app_secret: None };
    Target::new(Dialect::named(dialect).unwrap(), options, credentials).unwrap()
}

/// Workers that call as fast as they may, each with a client of its own and two tasks.
fn work(workplace: &Simulator, until: Instant) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let target = Arc::new(client("workplace", workplace).with_call_budget(BUDGET, WORKERS));
        for _ in 0..2 {
            let target = Arc::clone(&target);
            workers.spawn(async move {
                let name = UserName::new("ada@acme.test").unwrap();
                while Instant::now() < until {
                    let _ = target.find_by_user_name(&name).await;
                }
            });
        }
    }
    workers
}

/// Arrival time of each call, in milliseconds.
fn arrivals(workplace: &Simulator) -> Vec<u128> {
    workplace.requests().iter().map(|request| request.at.as_millis()).collect()
}

/// Highest number of calls within one second, wherever that second starts.
fn most_in_a_second(arrivals: &[u128]) -> usize {
    let from =
        |(first, at): (usize, &u128)| arrivals[first..].iter().take_while(|it| **it < at + 1_000).count();
    arrivals.iter().enumerate().map(from).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_together_stay_within_the_call_budget() {
    let workplace = Simulator::start(SimulatorOptions::default()).await.unwrap();
    workplace.set_latency(Duration::from_millis(20));
    let seconds = 5;
    let mut workers = work(&workplace, Instant::now() + Duration::from_secs(seconds));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let seen = arrivals(&workplace);
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    let (rate, most) = (seen.len() as f64 / seconds as f64, most_in_a_second(&seen));
    println!("{} calls in {seconds} s: {rate:.1} a second, at most {most} in one", seen.len());
    assert!(rate <= 55.0, "{rate} a second");
    assert!(most <= 60, "{most} in a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_workers_halve_their_rate_within_a_second() {
    let workplace = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let mut workers = work(&workplace, Instant::now() + Duration::from_secs(5));
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Calls are spread evenly, so each worker makes two of these.
    let throttled = TargetFault::times(2 * WORKERS, FaultEffect::TooManyRequests { retry_after: None });
    workplace.inject(throttled);
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    let requests = workplace.requests();
    let throttled = requests.iter().find(|request| request.status == 429).unwrap().at.as_millis();
    let seen = arrivals(&workplace);
    let within = |from: u128, to: u128| seen.iter().filter(|at| (from..to).contains(*at)).count();
    let before = within(throttled - 1_000, throttled);
    let after = within(throttled + 1_000, throttled + 2_000);
    println!("{before} calls in the second before the first 429, {after} in the second after the next");
    // Half of the budget, and what the rate has grown by then.
    assert!(after <= 33, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_of_reads_and_writes_are_kept_apart() {
    let slack = Simulator::start(SimulatorOptions::slack()).await.unwrap();
    let dialect = Dialect::named("slack").unwrap();
    let target = client(dialect.name, &slack).with_call_budget(dialect.budget, 1);
    let end = Instant::now() + Duration::from_secs(6);
    let read = async {
        let name = UserName::new("ada@acme.test").unwrap();
        while Instant::now() < end {
            target.find_by_user_name(&name).await.unwrap();
        }
    };
    let write = async {
        for number in 0.. {
            if Instant::now() >= end {
                break;
            }
            let name = format!("user-{number}@acme.test");
            let email = Managed::Set(Value::Text(name.clone()));
            let user = DesiredUser {
                user_name: UserName::new(&name).unwrap(),
                active: true,
                attributes: [("emails.work".into(), email)].into(),
                create_only: BTreeMap::new(),
            };
            target.create(&user).await.unwrap();
        }
    };
    tokio::join!(read, write);
    let (writes, reads): (Vec<_>, Vec<_>) = slack.requests().into_iter().partition(|request| request.write);
    // Five reads and three writes a second.
    assert!((28..=31).contains(&reads.len()), "{} reads", reads.len());
    assert!((16..=19).contains(&writes.len()), "{} writes", writes.len());
}
