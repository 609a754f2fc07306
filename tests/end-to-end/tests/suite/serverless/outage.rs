//! A target that refuses every request for a while.

use std::time::Duration;

use serde_json::json;
use simulator::{FaultEffect, TargetFault};

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

const PEOPLE: usize = 60;
const OUTAGE: Duration = Duration::from_secs(20);
/// The breaker waits 15 and 30 seconds before a probe, and the last wait may start just before the end of the outage.
/// Delayed messages return up to five seconds later each time. So the first request succeeds within 50 seconds. The rest
/// is a margin for a busy machine.
const NOTICED: Duration = Duration::from_secs(150);
const RECOVERED: Duration = Duration::from_secs(180);

fn outage(what: &str, effect: FaultEffect) {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people: PEOPLE,
        members: PEOPLE,
        workers: 4,
        ..DeploymentOptions::default()
    });
    deployment.scan(json!({ "connection": "corp" }));
    deployment.workplace.inject_for(OUTAGE, TargetFault::always(effect));
    let delivery = deployment.delivery(|options| options.concurrency = 4);
    delivery.drain(RECOVERED).unwrap();
    let counters = delivery.stop().unwrap();

    assert_eq!(deployment.active(), names(&deployment.people), "every user has an account");
    assert_eq!(deployment.statuses(), [].into(), "no user has failed");

    let requests = deployment.workplace.requests();
    let first = requests.first().unwrap().at;
    let served = requests.iter().filter(|request| request.status < 400).map(|request| request.at).min();
    let noticed = served.unwrap() - first;
    assert!(noticed <= NOTICED, "the end was noticed after {noticed:?}");
    let calls: Vec<_> =
        requests.iter().filter(|request| request.at < first + OUTAGE && request.status >= 400).collect();
    let busiest = (0..OUTAGE.as_secs()).map(|second| {
        let from = first + Duration::from_secs(second);
        calls.iter().filter(|call| (from..from + Duration::from_secs(1)).contains(&call.at)).count()
    });
    let busiest = busiest.max().unwrap_or_default();
    println!(
        "{what}: {} calls in {} s of outage ({:.2} a second, at most {busiest} in one), its end noticed after {noticed:?}, {counters:?}",
        calls.len(),
        OUTAGE.as_secs(),
        calls.len() as f64 / OUTAGE.as_secs_f64()
    );
    // Each of four workers may detect the outage itself, with three users and two attempts each; after that only
    // probes are sent.
    assert!(calls.len() <= 40, "{} calls during the outage", calls.len());
    assert!(busiest <= 30, "{busiest} calls in one second");
    // Each user is created once.
    assert_eq!(deployment.workplace.accounts().len(), PEOPLE);
    let log = deployment.functions.log("provision");
    assert!(log.contains("\"BreakerOpen\":[1"), "the breaker's metric is logged");
    assert!(log.contains("the target serves again"), "the end of the outage is logged");
}

#[test]
fn unavailable_target_opens_the_breaker_and_recovers() {
    outage("503", FaultEffect::status(503));
}

#[test]
fn throttling_target_opens_the_breaker_and_recovers() {
    outage("429", FaultEffect::TooManyRequests { retry_after: None });
}
