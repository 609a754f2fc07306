//! A token that expires, and a password that is changed.

use std::{thread, time::Duration};

use serde_json::json;

use crate::cloud::{Cloud, PATIENCE, Setup, aws, names};

#[test]
fn an_expired_token_stops_the_work_until_the_secret_is_rotated() {
    let cloud = Cloud::start(Setup { workers: 2, ..Setup::default() });
    cloud.scan(json!({}));
    cloud.workplace.set_token("the-next-token");
    let bridge = cloud.bridge(|_| {});
    thread::sleep(Duration::from_secs(8));
    let refused = cloud.workplace.request_count();
    println!("{refused} calls with the expired token, for 20 users");
    assert!((1..=4).contains(&refused), "{refused} calls with an expired token");
    assert_eq!(cloud.active(), Vec::<String>::new());

    let rotated = json!({ "access_token": "the-next-token" });
    aws().rotate_secret(&format!("workplace-{}", cloud.number), &rotated).unwrap();
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(cloud.active(), names(&cloud.people[..20]));
    assert_eq!(cloud.statuses(), [].into(), "nobody is failed");
    let log = cloud.functions.log("provision");
    assert!(log.contains("\"reason\":\"unauthorized\""), "the breaker says why");
    assert!(log.contains("\"BreakerOpen\":[1"), "and there is a metric for an alarm");
    assert!(!log.contains("the-next-token") && !log.contains("test-token"), "no token is logged");
}

#[test]
fn a_token_that_is_rotated_in_mid_run_costs_no_failed_user() {
    let cloud = Cloud::start(Setup { people: 60, members: 60, workers: 2, ..Setup::default() });
    cloud.scan(json!({}));
    cloud.workplace.set_latency(Duration::from_millis(30));
    let bridge = cloud.bridge(|_| {});
    while cloud.creates() < 15 {
        thread::sleep(Duration::from_millis(10));
    }
    // An administrator makes the new token known first, then the old one stops working.
    let rotated = json!({ "access_token": "the-next-token" });
    aws().rotate_secret(&format!("workplace-{}", cloud.number), &rotated).unwrap();
    cloud.workplace.set_token("the-next-token");
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(cloud.active(), names(&cloud.people));
    let log = cloud.functions.log("provision");
    assert!(!log.contains("the user was not provisioned"), "{log}");
    let refused = cloud.workplace.requests().iter().filter(|request| request.status == 401).count();
    assert!((1..=4).contains(&refused), "{refused} calls with the old token");
}

#[test]
fn a_changed_directory_password_is_fetched_anew() {
    let cloud = Cloud::start(Setup::default());
    cloud.scan(json!({}));
    cloud.slapd.admin().set_reader_password("another-password").unwrap();
    let error = cloud.failed_scan(json!({}));
    assert!(error.contains("DirectoryUnavailable") && !error.contains("another-password"), "{error}");
    let secret = json!({ "bind_dn": cloud.slapd.reader_secret()["bind_dn"], "password": "another-password" });
    aws().rotate_secret(&format!("directory-{}", cloud.number), &secret).unwrap();
    thread::sleep(Duration::from_secs(6));
    let answer = cloud.scan(json!({ "mode": "full" }));
    assert_eq!(answer["unchanged"], 20, "{answer}");
}
