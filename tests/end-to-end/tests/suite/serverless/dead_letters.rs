//! Users for whom trying again does not help.

use std::{thread, time::Duration};

use end_to_end::aws;
use serde_json::json;
use simulator::{FaultEffect, TargetFault};

use super::deployment::{Deployment, DeploymentOptions, TIMEOUT, names};

#[test]
fn a_user_whom_the_target_refuses_is_parked_with_the_reason_and_stops_nobody() {
    let deployment = Deployment::start(DeploymentOptions::default());
    let refused = &deployment.people[5].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("POST").user(refused));
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active().len(), 19);
    assert_eq!(deployment.statuses(), [("failed".to_owned(), 1)].into());
    let failed = deployment.runtime.block_on(deployment.store().fetch_by_status("failed", None, 10)).unwrap();
    assert!(failed.items[0].status.detail().unwrap().contains("target rejects"), "{failed:?}");

    // The next scan leaves the user alone, a change brings them back.
    deployment.workplace.clear_faults();
    assert_eq!(deployment.scan(json!({}))["redriven"], 0);
    deployment.slapd.admin().set(&deployment.people[5].dn(), "title", &["Corrected"]).unwrap();
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn a_user_at_whom_the_target_fails_again_and_again_is_parked_after_the_configured_tries() {
    let deployment = Deployment::start(DeploymentOptions {
        configure: |configuration| configuration.target.push_str("\nmax_attempts = 2\n"),
        ..DeploymentOptions::default()
    });
    let unlucky = &deployment.people[5].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(500)).method("POST").user(unlucky));
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active().len(), 19, "the others are served, and no breaker is open");
    assert_eq!(deployment.statuses(), [("failed".to_owned(), 1)].into());
    let breaker = deployment.runtime.block_on(deployment.store().fetch_breaker()).unwrap();
    assert_eq!(breaker, None);
}

/// A worker that is stopped in mid-call each time never says what is wrong; the queue gives up, and the record tells.
#[test]
fn a_message_that_is_never_answered_ends_as_a_failed_user() {
    let deployment = Deployment::start(DeploymentOptions {
        members: 2,
        workers: 1,
        visibility_seconds: 3,
        max_receives: 2,
        provision_timeout: Duration::from_secs(2),
        ..DeploymentOptions::default()
    });
    // The other one is found at once, this one's answer never comes.
    let unlucky = &deployment.people[1].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::Delay { ms: 600_000 }).user(unlucky));
    deployment.scan(json!({}));
    let delivery = deployment.delivery(|options| {
        options.batch_size = 1;
        options.concurrency = 1;
        options.visibility_timeout_seconds = 3;
    });
    let dead = || aws().queue_depth(&deployment.queue.dead_letters).unwrap().total();
    let start = std::time::Instant::now();
    while dead() == 0 {
        assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.statuses(), [("pending".to_owned(), 1)].into());

    let buried = deployment.deliver_from(&deployment.queue.dead_letters, |_| {});
    buried.drain(TIMEOUT).unwrap();
    assert_eq!(
        deployment.statuses(),
        [("failed".to_owned(), 1)].into(),
        "{}",
        deployment.functions.log("provision")
    );
    let failed = deployment.runtime.block_on(deployment.store().fetch_by_status("failed", None, 10)).unwrap();
    assert!(failed.items[0].status.detail().unwrap().contains("given up"), "{failed:?}");
    assert_eq!(deployment.active(), names(&deployment.people[..1]));
    assert!(deployment.functions.log("provision").contains("\"DeadLetters\":1"));
}

#[test]
fn a_dead_letter_of_an_outage_parks_nobody() {
    let deployment =
        Deployment::start(DeploymentOptions { members: 6, max_receives: 1, ..DeploymentOptions::default() });
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    deployment.scan(json!({}));
    let delivery = deployment.delivery(|_| {});
    let start = std::time::Instant::now();
    while aws().queue_depth(&deployment.queue.dead_letters).unwrap().total() < 6 {
        assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    let buried = deployment.deliver_from(&deployment.queue.dead_letters, |_| {});
    buried.drain(TIMEOUT).unwrap();
    buried.stop().unwrap();
    let statuses = deployment.statuses();
    assert_eq!(statuses.get("failed"), None, "{statuses:?}");

    // The target is back, and there is no message left, not even one for a probe: the next scans find who is due.
    deployment.workplace.clear_faults();
    let start = std::time::Instant::now();
    while deployment.active() != names(&deployment.people[..6]) {
        assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log("provision"));
        deployment.scan(json!({}));
        thread::sleep(Duration::from_secs(3));
    }
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..6]));
}

#[test]
fn what_is_no_wake_up_is_said_and_does_no_harm() {
    let deployment = Deployment::start(DeploymentOptions { members: 2, ..DeploymentOptions::default() });
    let function = deployment.functions.function("provision").unwrap();
    let record = |id: &str, body: &str, queue: &str| json!({ "messageId": id, "receiptHandle": "none", "body": body, "eventSourceARN": super::deployment::arn(queue) });
    let unknown = r#"{"connection":"nowhere","anchor":"a","version":1}"#;
    let nobody = r#"{"connection":"corp","anchor":"not-there","version":1}"#;
    let event = json!({ "Records": [
        record("malformed", "hello", &deployment.queue.url),
        record("unknown", unknown, &deployment.queue.url),
        record("nobody", nobody, &deployment.queue.url),
        record("dead-and-malformed", "{}", &deployment.queue.dead_letters),
        record("dead-and-nobody", nobody, &deployment.queue.dead_letters),
    ] });
    let answer = deployment.runtime.block_on(function.invoke(event)).unwrap();
    let failed: Vec<&str> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["malformed", "nobody", "unknown"], "{answer}");
    let log = deployment.functions.log("provision");
    assert!(log.contains("the message is not a wake-up"), "{log}");
    assert!(log.contains("there are: corp"), "{log}");
}
