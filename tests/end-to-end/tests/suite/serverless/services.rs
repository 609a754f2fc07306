//! AWS's services on a bad day.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use end_to_end::{ProxyVerdict, ServiceProxy, aws};
use serde_json::{Value, json};

use super::deployment::{Deployment, DeploymentOptions, names};

/// SQS takes every second message of a batch, and says of the others what it says when it is at fault.
fn refuse_half(operation: &str, body: &Value) -> ProxyVerdict {
    if operation != "SendMessageBatch" {
        return ProxyVerdict::Pass;
    }
    let mut body = body.clone();
    let entries = body["Entries"].as_array().unwrap().clone();
    let (taken, refused): (Vec<_>, Vec<_>) = entries.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    body["Entries"] = taken.into_iter().map(|(_, entry)| entry).collect();
    let refused: Vec<Value> = refused
        .into_iter()
        .map(|(_, entry)| json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }))
        .collect();
    ProxyVerdict::Alter(
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
    let deployment = Deployment::start(DeploymentOptions {
        environment: vec![("AWS_ENDPOINT_URL_SQS", queue.endpoint().to_owned())],
        ..DeploymentOptions::default()
    });
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["created"], &answer["unsent"]), (&json!(20), &json!(0)), "{answer}");
    queue.behave();
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn what_a_queue_never_took_the_next_scan_sends() {
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    queue.rule(|operation, _| match operation {
        "SendMessageBatch" => ProxyVerdict::Fail(500, "InternalFailure"),
        _ => ProxyVerdict::Pass,
    });
    let deployment = Deployment::start(DeploymentOptions {
        environment: vec![("AWS_ENDPOINT_URL_SQS", queue.endpoint().to_owned())],
        ..DeploymentOptions::default()
    });
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["created"], &answer["unsent"]), (&json!(20), &json!(20)), "{answer}");
    queue.behave();
    deployment.drain();
    assert_eq!(deployment.active(), Vec::<String>::new(), "nothing was sent");

    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["changed"], &answer["redriven"]), (&json!(0), &json!(20)), "{answer}");
    // They are on their way now, so another scan leaves it at that.
    assert_eq!(deployment.scan(json!({}))["redriven"], 0);
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn a_throttled_table_loses_nothing() {
    let deployment =
        Deployment::start(DeploymentOptions { state_proxy: true, ..DeploymentOptions::default() });
    let asked = AtomicUsize::new(0);
    // Two of three, for a while; then one of four.
    deployment.state_proxy.as_ref().unwrap().rule(move |_, _| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let throttled = if number < 60 { !number.is_multiple_of(3) } else { number.is_multiple_of(4) };
        match throttled {
            true => ProxyVerdict::Fail(
                400,
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            ),
            false => ProxyVerdict::Pass,
        }
    });
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["created"], &answer["complete"]), (&json!(20), &json!(true)), "{answer}");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
    assert_eq!(deployment.statuses(), [].into());
    assert_eq!(deployment.creates(), 20);
}

#[test]
fn a_table_that_is_gone_for_a_while_loses_nothing() {
    let deployment = Deployment::start(DeploymentOptions {
        state_proxy: true,
        visibility_seconds: 3,
        ..DeploymentOptions::default()
    });
    deployment.scan(json!({}));
    let state = deployment.state_proxy.as_ref().unwrap();
    state.rule(|_, _| ProxyVerdict::Fail(500, "InternalServerError"));
    let error = deployment.failed_scan(json!({}));
    assert!(error.contains("StateUnavailable"), "{error}");
    let delivery = deployment.delivery(|options| options.visibility_timeout_seconds = 3);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(deployment.workplace.request_count(), 0, "without its state nobody is provisioned");
    state.behave();
    delivery.drain(super::deployment::TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}
