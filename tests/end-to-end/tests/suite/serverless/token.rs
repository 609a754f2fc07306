//! Expired tokens and changed passwords.

use std::{thread, time::Duration};

use end_to_end::aws;
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT, names};

#[test]
fn expired_token_opens_the_breaker_until_the_secret_is_rotated() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { workers: 2, ..DeploymentOptions::default() });
    deployment.scan(json!({}));
    deployment.workplace.set_token("the-next-token");
    let delivery = deployment.delivery(|_| {});
    thread::sleep(Duration::from_secs(8));
    let refused = deployment.workplace.request_count();
    println!("{refused} calls with the expired token, for 20 users");
    assert!((1..=4).contains(&refused), "{refused} calls with an expired token");
    assert_eq!(deployment.active(), Vec::<String>::new());

    let rotated = json!({ "access_token": "the-next-token" });
    aws().rotate_secret(&format!("workplace-{}", deployment.number), &rotated).unwrap();
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
    assert_eq!(deployment.statuses(), [].into(), "no user has failed");
    let log = deployment.functions.log("provision");
    assert!(log.contains("\"reason\":\"unauthorized\""), "the breaker's reason is logged");
    assert!(log.contains("\"BreakerOpen\":[1"), "the breaker's metric is logged");
    assert!(!log.contains("the-next-token") && !log.contains("test-token"), "no token is logged");
}

#[test]
fn token_rotated_during_a_run_fails_no_user() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people: 60,
        members: 60,
        workers: 2,
        ..DeploymentOptions::default()
    });
    deployment.scan(json!({}));
    deployment.workplace.set_latency(Duration::from_millis(30));
    let delivery = deployment.delivery(|_| {});
    while deployment.creates() < 15 {
        thread::sleep(Duration::from_millis(10));
    }
    // The secret gets the new token first, then the target refuses the old one.
    let rotated = json!({ "access_token": "the-next-token" });
    aws().rotate_secret(&format!("workplace-{}", deployment.number), &rotated).unwrap();
    deployment.workplace.set_token("the-next-token");
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people));
    let log = deployment.functions.log("provision");
    assert!(!log.contains("the user was not provisioned"), "{log}");
    let refused = deployment.workplace.requests().iter().filter(|request| request.status == 401).count();
    assert!((1..=4).contains(&refused), "{refused} calls with the old token");
}

#[test]
fn changed_directory_password_is_fetched_again() {
    let deployment = DeploymentFixture::start(DeploymentOptions::default());
    deployment.scan(json!({}));
    deployment.slapd.admin().set_reader_password("another-password").unwrap();
    let error = deployment.failed_scan(json!({}));
    assert!(error.contains("DirectoryUnavailable") && !error.contains("another-password"), "{error}");
    let secret =
        json!({ "bind_dn": deployment.slapd.reader_secret()["bind_dn"], "password": "another-password" });
    aws().rotate_secret(&format!("directory-{}", deployment.number), &secret).unwrap();
    thread::sleep(Duration::from_secs(6));
    let answer = deployment.scan(json!({ "mode": "full" }));
    assert_eq!(answer["unchanged"], 20, "{answer}");
}
