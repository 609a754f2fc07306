//! AWS's services on a bad day.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use end_to_end::{ServiceProxy, Verdict};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Setup, aws, names};

/// SQS takes every second message of a batch, and says of the others what it says when it is at fault.
fn refuse_half(operation: &str, body: &Value) -> Verdict {
    if operation != "SendMessageBatch" {
        return Verdict::Pass;
    }
    let mut body = body.clone();
    let entries = body["Entries"].as_array().unwrap().clone();
    let (taken, refused): (Vec<_>, Vec<_>) = entries.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    body["Entries"] = taken.into_iter().map(|(_, entry)| entry).collect();
    let refused: Vec<Value> = refused
        .into_iter()
        .map(|(_, entry)| json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }))
        .collect();
    Verdict::Alter(
        body,
        Box::new(move |mut answer| {
            answer["Failed"] = json!(refused);
            answer
        }),
    )
}

#[test]
fn a_queue_that_takes_half_of_each_batch_gets_the_rest_with_the_next_try() {
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    queue.rule(refuse_half);
    let cloud = Cloud::start(Setup {
        environment: vec![("AWS_ENDPOINT_URL_SQS", queue.endpoint().to_owned())],
        ..Setup::default()
    });
    let answer = cloud.scan(json!({}));
    assert_eq!((&answer["created"], &answer["unsent"]), (&json!(20), &json!(0)), "{answer}");
    queue.behave();
    cloud.drain();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
}

#[test]
fn what_a_queue_never_took_the_next_scan_sends() {
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    queue.rule(|operation, _| match operation {
        "SendMessageBatch" => Verdict::Fail(500, "InternalFailure"),
        _ => Verdict::Pass,
    });
    let cloud = Cloud::start(Setup {
        environment: vec![("AWS_ENDPOINT_URL_SQS", queue.endpoint().to_owned())],
        ..Setup::default()
    });
    let answer = cloud.scan(json!({}));
    assert_eq!((&answer["created"], &answer["unsent"]), (&json!(20), &json!(20)), "{answer}");
    queue.behave();
    cloud.drain();
    assert_eq!(cloud.active(), Vec::<String>::new(), "nothing was sent");

    let answer = cloud.scan(json!({}));
    assert_eq!((&answer["changed"], &answer["redriven"]), (&json!(0), &json!(20)), "{answer}");
    // They are on their way now, so another scan leaves it at that.
    assert_eq!(cloud.scan(json!({}))["redriven"], 0);
    cloud.drain();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
}

#[test]
fn a_throttled_table_loses_nothing() {
    let cloud = Cloud::start(Setup { state_proxy: true, ..Setup::default() });
    let asked = AtomicUsize::new(0);
    // Two of three, for a while; then one of four.
    cloud.state_proxy.as_ref().unwrap().rule(move |_, _| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let throttled = if number < 60 { !number.is_multiple_of(3) } else { number.is_multiple_of(4) };
        match throttled {
            true => {
                Verdict::Fail(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            false => Verdict::Pass,
        }
    });
    let answer = cloud.scan(json!({}));
    assert_eq!((&answer["created"], &answer["complete"]), (&json!(20), &json!(true)), "{answer}");
    cloud.drain();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
    assert_eq!(cloud.statuses(), [].into());
    assert_eq!(cloud.creates(), 20);
}

#[test]
fn a_table_that_is_gone_for_a_while_loses_nothing() {
    let cloud = Cloud::start(Setup { state_proxy: true, visibility_seconds: 3, ..Setup::default() });
    cloud.scan(json!({}));
    let state = cloud.state_proxy.as_ref().unwrap();
    state.rule(|_, _| Verdict::Fail(500, "InternalServerError"));
    let error = cloud.failed_scan(json!({}));
    assert!(error.contains("StateUnavailable"), "{error}");
    let bridge = cloud.bridge(|options| options.visibility_timeout_seconds = 3);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(cloud.workplace.request_count(), 0, "without its state nobody is provisioned");
    state.behave();
    bridge.drain(crate::cloud::PATIENCE).unwrap();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
}
