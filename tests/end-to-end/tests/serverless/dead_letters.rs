//! Users for whom trying again does not help.

use std::{thread, time::Duration};

use serde_json::json;
use simulator::{Effect, Fault};

use crate::cloud::{Cloud, PATIENCE, Setup, aws, names};

#[test]
fn a_user_whom_the_target_refuses_is_parked_with_the_reason_and_stops_nobody() {
    let cloud = Cloud::start(Setup::default());
    let refused = &cloud.people[5].mail;
    cloud.workplace.inject(Fault::always(Effect::status(400)).method("POST").user(refused));
    cloud.scan(json!({}));
    cloud.drain();
    assert_eq!(cloud.active().len(), 19);
    assert_eq!(cloud.statuses(), [("failed".to_owned(), 1)].into());
    let failed = cloud.runtime.block_on(cloud.store().fetch_by_status("failed", None, 10)).unwrap();
    assert!(failed.items[0].status.detail().unwrap().contains("the target refuses"), "{failed:?}");

    // The next scan leaves the user alone, a change brings them back.
    cloud.workplace.clear_faults();
    assert_eq!(cloud.scan(json!({}))["redriven"], 0);
    cloud.slapd.admin().set(&cloud.people[5].dn(), "title", &["Corrected"]).unwrap();
    cloud.scan(json!({}));
    cloud.drain();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
}

#[test]
fn a_user_at_whom_the_target_fails_again_and_again_is_parked_after_the_configured_tries() {
    let cloud = Cloud::start(Setup {
        configure: |configuration| configuration.target.push_str("\nmax_attempts = 2\n"),
        ..Setup::default()
    });
    let unlucky = &cloud.people[5].mail;
    cloud.workplace.inject(Fault::always(Effect::status(500)).method("POST").user(unlucky));
    cloud.scan(json!({}));
    cloud.drain();
    assert_eq!(cloud.active().len(), 19, "the others are served, and no breaker is open");
    assert_eq!(cloud.statuses(), [("failed".to_owned(), 1)].into());
    let breaker = cloud.runtime.block_on(cloud.store().fetch_breaker()).unwrap();
    assert_eq!(breaker, None);
}

/// A worker that is stopped in mid-call each time never says what is wrong; the queue gives up, and the record tells.
#[test]
fn a_message_that_is_never_answered_ends_as_a_failed_user() {
    let cloud = Cloud::start(Setup {
        members: 2,
        workers: 1,
        visibility_seconds: 3,
        max_receives: 2,
        provision_timeout: Duration::from_secs(2),
        ..Setup::default()
    });
    // The other one is found at once, this one's answer never comes.
    let unlucky = &cloud.people[1].mail;
    cloud.workplace.inject(Fault::always(Effect::Delay { ms: 600_000 }).user(unlucky));
    cloud.scan(json!({}));
    let bridge = cloud.bridge(|options| {
        options.batch_size = 1;
        options.concurrency = 1;
        options.visibility_timeout_seconds = 3;
    });
    let dead = || aws().queue_depth(&cloud.queue.dead_letters).unwrap().total();
    let start = std::time::Instant::now();
    while dead() == 0 {
        assert!(start.elapsed() < PATIENCE, "{}", cloud.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(cloud.statuses(), [("pending".to_owned(), 1)].into());

    let buried = cloud.bridge_from(&cloud.queue.dead_letters, |_| {});
    buried.drain(PATIENCE).unwrap();
    assert_eq!(cloud.statuses(), [("failed".to_owned(), 1)].into(), "{}", cloud.functions.log("provision"));
    let failed = cloud.runtime.block_on(cloud.store().fetch_by_status("failed", None, 10)).unwrap();
    assert!(failed.items[0].status.detail().unwrap().contains("given up"), "{failed:?}");
    assert_eq!(cloud.active(), names(&cloud.people[..1]));
    assert!(cloud.functions.log("provision").contains("\"DeadLetters\":1"));
}

#[test]
fn a_dead_letter_of_an_outage_parks_nobody() {
    let cloud = Cloud::start(Setup { members: 6, max_receives: 1, ..Setup::default() });
    cloud.workplace.inject(Fault::always(Effect::status(503)));
    cloud.scan(json!({}));
    let bridge = cloud.bridge(|_| {});
    let start = std::time::Instant::now();
    while aws().queue_depth(&cloud.queue.dead_letters).unwrap().total() < 6 {
        assert!(start.elapsed() < PATIENCE, "{}", cloud.functions.log("provision"));
        thread::sleep(Duration::from_millis(200));
    }
    let buried = cloud.bridge_from(&cloud.queue.dead_letters, |_| {});
    buried.drain(PATIENCE).unwrap();
    buried.stop().unwrap();
    let statuses = cloud.statuses();
    assert_eq!(statuses.get("failed"), None, "{statuses:?}");

    // The target is back, and there is no message left, not even one for a probe: the next scans find who is due.
    cloud.workplace.clear_faults();
    let start = std::time::Instant::now();
    while cloud.active() != names(&cloud.people[..6]) {
        assert!(start.elapsed() < PATIENCE, "{}", cloud.functions.log("provision"));
        cloud.scan(json!({}));
        thread::sleep(Duration::from_secs(3));
    }
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(cloud.active(), names(&cloud.people[..6]));
}

#[test]
fn what_is_no_wake_up_is_said_and_does_no_harm() {
    let cloud = Cloud::start(Setup { members: 2, ..Setup::default() });
    let function = cloud.functions.function("provision").unwrap();
    let record = |id: &str, body: &str, queue: &str| json!({ "messageId": id, "receiptHandle": "none", "body": body, "eventSourceARN": crate::cloud::arn(queue) });
    let unknown = r#"{"connection":"nowhere","anchor":"a","version":1}"#;
    let nobody = r#"{"connection":"corp","anchor":"not-there","version":1}"#;
    let event = json!({ "Records": [
        record("malformed", "hello", &cloud.queue.url),
        record("unknown", unknown, &cloud.queue.url),
        record("nobody", nobody, &cloud.queue.url),
        record("dead-and-malformed", "{}", &cloud.queue.dead_letters),
        record("dead-and-nobody", nobody, &cloud.queue.dead_letters),
    ] });
    let answer = cloud.runtime.block_on(function.invoke(event)).unwrap();
    let failed: Vec<&str> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["malformed", "nobody", "unknown"], "{answer}");
    let log = cloud.functions.log("provision");
    assert!(log.contains("the message is not a wake-up"), "{log}");
    assert!(log.contains("there are: corp"), "{log}");
}
