//! Failures of AWS's services.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use end_to_end::{ProxyVerdict, ServiceProxy, aws};
use serde_json::{Value, json};

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

/// SQS accepts every second message of a batch, and reports an internal error for the others.
fn refuse_half(operation: &str, body: &Value) -> ProxyVerdict {
    if operation != "SendMessageBatch" {
        return ProxyVerdict::Pass;
    }
    let mut body = body.clone();
    let entries = body["Entries"].as_array().unwrap().clone();
    let (accepted, refused): (Vec<_>, Vec<_>) =
        entries.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
    body["Entries"] = accepted.into_iter().map(|(_, entry)| entry).collect();
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
fn partly_accepted_batch_is_sent_again() {
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    queue.rule(refuse_half);
    let deployment = DeploymentFixture::start(DeploymentOptions {
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
fn unsent_requests_are_redriven_by_the_next_scan() {
    let queue = ServiceProxy::start(aws().endpoint()).unwrap();
    queue.rule(|operation, _| match operation {
        "SendMessageBatch" => ProxyVerdict::Fail(500, "InternalFailure"),
        _ => ProxyVerdict::Pass,
    });
    let deployment = DeploymentFixture::start(DeploymentOptions {
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
    // The requests are in the queue, so another scan does not send them again.
    assert_eq!(deployment.scan(json!({}))["redriven"], 0);
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn throttled_table_loses_no_user() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { state_proxy: true, ..DeploymentOptions::default() });
    let requests = AtomicUsize::new(0);
    // Two of three requests are throttled at first, then one of four.
    deployment.state_proxy.as_ref().unwrap().rule(move |_, _| {
        let number = requests.fetch_add(1, Ordering::Relaxed);
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
fn scan_of_a_throttled_table_saves_and_continues() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { state_proxy: true, ..DeploymentOptions::default() });
    let state = deployment.state_proxy.as_ref().unwrap();
    let records = AtomicUsize::new(0);
    state.rule(move |operation, body| {
        let is_record = operation == "TransactWriteItems" && body.to_string().contains("desired");
        match is_record && records.fetch_add(1, Ordering::Relaxed) >= 5 {
            true => ProxyVerdict::Fail(400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"),
            false => ProxyVerdict::Pass,
        }
    });
    let answer = deployment.scan(json!({}));
    assert_eq!((&answer["out_of_time"], &answer["complete"]), (&json!(true), &json!(false)), "{answer}");
    assert!(answer["incomplete"].as_str().unwrap().contains("throttled"), "{answer}");
    state.behave();
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
    assert_eq!((deployment.statuses(), deployment.creates()), ([].into(), 20));
}

#[test]
fn unavailable_table_loses_no_user() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
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
    assert_eq!(deployment.workplace.request_count(), 0, "no user is provisioned without the state");
    state.behave();
    delivery.drain(super::deployment::TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}
