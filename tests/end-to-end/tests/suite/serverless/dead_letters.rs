//! Users whose retries do not succeed, and dead letters.

use std::{thread, time::Duration};

use end_to_end::aws;
use serde_json::json;
use simulator::{FaultEffect, TargetFault};

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT, names};

#[test]
fn refused_user_fails_with_the_reason_alone() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    let refused = &deployment.people[5].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("POST").user(refused));
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active().len(), 19);
    assert_eq!(deployment.statuses(), [("failed".to_owned(), 1)].into());
    let failed = deployment.runtime.block_on(deployment.store().fetch_by_status("failed", None, 10)).unwrap();
    assert!(failed.items[0].status.detail().unwrap().contains("target rejects"), "{failed:?}");

    // The next scan skips the failed user; a change makes it due.
    deployment.workplace.clear_faults();
    assert_eq!(deployment.scan(json!({}))["redriven"], 0);
    deployment.slapd.admin().set(&deployment.people[5].dn(), "title", &["Corrected"]).unwrap();
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn user_fails_after_max_attempts() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        configure: |configuration| configuration.target.push_str("\nmax_attempts = 2\n"),
        ..DeploymentOptions::default()
    });
    let failing = &deployment.people[5].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(500)).method("POST").user(failing));
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active().len(), 19, "the other users are provisioned, and the breaker is closed");
    assert_eq!(deployment.statuses(), [("failed".to_owned(), 1)].into());
    let breaker = deployment.runtime.block_on(deployment.store().fetch_breaker()).unwrap();
    assert_eq!(breaker, None);
}

/// The target never answers for one user, so the queue moves the message to the dead-letter queue, and the record shows
/// the failure.
#[test]
fn dead_letter_marks_its_user_failed() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        members: 2,
        workers: 1,
        visibility_seconds: 3,
        max_receives: 2,
        provision_timeout: Duration::from_secs(2),
        ..DeploymentOptions::default()
    });
    // The first user is provisioned; the target never answers for the second.
    let failing = &deployment.people[1].mail;
    deployment.workplace.inject(TargetFault::always(FaultEffect::Delay { ms: 600_000 }).user(failing));
    deployment.scan(json!({}));
    let delivery = deployment.delivery(|options| {
        options.concurrency = 1;
        options.visibility_timeout_seconds = 3;
    });
    let dead_letter_count = || aws().queue_depth(&deployment.queue.dead_letters).unwrap().total();
    let start = std::time::Instant::now();
    while dead_letter_count() == 0 {
        assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.statuses(), [("retrying".to_owned(), 1)].into());

    let dead_letters = deployment.deliver_from(&deployment.queue.dead_letters, |_| {});
    dead_letters.drain(TIMEOUT).unwrap();
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
fn dead_letter_of_an_outage_fails_no_user() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        members: 6,
        max_receives: 1,
        ..DeploymentOptions::default()
    });
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    deployment.scan(json!({}));
    let delivery = deployment.delivery(|_| {});
    let start = std::time::Instant::now();
    while aws().queue_depth(&deployment.queue.dead_letters).unwrap().total() < 6 {
        assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    let dead_letters = deployment.deliver_from(&deployment.queue.dead_letters, |_| {});
    dead_letters.drain(TIMEOUT).unwrap();
    dead_letters.stop().unwrap();
    let statuses = deployment.statuses();
    assert_eq!(statuses.get("failed"), None, "{statuses:?}");

    // The target has recovered, and no message is left, not even for a probe: the next scans redrive the due users.
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
fn invalid_message_is_reported() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { members: 2, ..DeploymentOptions::default() });
    let function = deployment.functions.function("provision").unwrap();
    let record = |id: &str, body: &str, queue: &str| json!({ "messageId": id, "eventSource": "aws:sqs", "receiptHandle": "none", "body": body, "eventSourceARN": super::deployment::arn(queue) });
    let unknown = r#"{"connection":"nowhere","anchor":"a","version":1}"#;
    let missing = r#"{"connection":"corp","anchor":"not-there","version":1}"#;
    let event = json!({ "Records": [
        record("malformed", "hello", &deployment.queue.url),
        record("unknown", unknown, &deployment.queue.url),
        record("missing", missing, &deployment.queue.url),
        record("dead_letter_count-and-malformed", "{}", &deployment.queue.dead_letters),
        record("dead_letter_count-and-missing", missing, &deployment.queue.dead_letters),
    ] });
    let answer = deployment.runtime.block_on(function.invoke(event)).unwrap();
    let failed: Vec<&str> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    // A message for a user without a record ends.
    assert_eq!(failed, ["malformed", "unknown"], "{answer}");
    let log = deployment.functions.log("provision");
    assert!(log.contains("the message is not a provision request"), "{log}");
    assert!(log.contains("deployed connections: corp"), "{log}");
}
