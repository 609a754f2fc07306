//! Duplicated and reordered messages, concurrent workers, and killed workers.

use std::{num::NonZeroU64, thread, time::Duration};

use end_to_end::{GroupEntry, QueueFaults};
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT, names};

const PEOPLE: usize = 120;

/// Kills busy workers during delivery, and returns the number of kills.
fn kill_workers(deployment: &DeploymentFixture, times: usize) -> usize {
    let mut killed = 0;
    for _ in 0..times {
        thread::sleep(Duration::from_millis(400));
        killed += usize::from(deployment.functions.kill_one_busy("provision"));
    }
    killed
}

#[test]
fn accounts_converge_despite_reordering_and_crashes() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people: PEOPLE + 20,
        members: PEOPLE,
        workers: 8,
        // The message of a killed worker returns after this time.
        visibility_seconds: 5,
        provision_timeout: Duration::from_secs(10),
        ..DeploymentOptions::default()
    });
    deployment.workplace.set_latency(Duration::from_millis(20));
    deployment.scan(json!({ "connection": "corp" }));
    let faults =
        QueueFaults { deliver_twice: true, reverse_order: true, drop_every_nth_answer: NonZeroU64::new(9) };
    let delivery = deployment.delivery(|options| {
        options.batch_size = 10;
        options.faults = faults;
        options.concurrency = 8;
        options.visibility_timeout_seconds = 5;
    });
    let mut killed = kill_workers(&deployment, 6);
    delivery.drain(TIMEOUT).unwrap();

    // Changes: some users leave, some join, some get another title.
    let (members, others) = deployment.people.split_at(PEOPLE);
    let admin = deployment.slapd.admin();
    let group = GroupEntry::of("workplace", []).dn();
    for person in &members[..10] {
        admin.remove_member(&group, &person.dn()).unwrap();
    }
    for person in others {
        admin.add_member(&group, &person.dn()).unwrap();
    }
    for person in &members[20..40] {
        admin.set(&person.dn(), "title", &["Promoted"]).unwrap();
    }
    let answer = deployment.scan(json!({ "connection": "corp" }));
    // Ten removals of 120 exceed five percent.
    assert_eq!(answer["held"], 10, "{answer}");
    killed += kill_workers(&deployment, 4);
    delivery.drain(TIMEOUT).unwrap();
    // A worker that is killed after it marks a user due and before it sends the request leaves the user to the next
    // scan.
    let redriven = deployment.scan(json!({ "connection": "corp" }))["redriven"].as_u64().unwrap();
    assert!(redriven as usize <= killed, "{redriven} users redriven after {killed} kills");
    delivery.drain(TIMEOUT).unwrap();
    let counters = delivery.stop().unwrap();

    assert_eq!(deployment.active(), names(&deployment.people), "held users keep their accounts");
    let promoted = members[20..40].iter().filter(|person| {
        deployment.workplace.account(&person.mail).is_some_and(|account| account["title"] == "Promoted")
    });
    assert_eq!(promoted.count(), 20);
    let accounts = deployment.workplace.accounts();
    assert_eq!(accounts.len(), deployment.people.len(), "no user has two accounts");
    let creates = deployment.creates();
    println!(
        "{killed} workers killed, {creates} creates for {} users, {counters:?}",
        deployment.people.len()
    );
    assert!(killed > 0, "no busy worker was killed");
    assert!(
        (deployment.people.len()..=deployment.people.len() + killed).contains(&creates),
        "{creates} creates"
    );
    let left = deployment.statuses();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["held"], "{left:?}");
}

#[test]
fn lease_of_a_killed_worker_expires() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        members: 1,
        workers: 1,
        visibility_seconds: 2,
        provision_timeout: Duration::from_secs(6),
        ..DeploymentOptions::default()
    });
    deployment.scan(json!({}));
    deployment.workplace.set_latency(Duration::from_secs(3));
    let delivery = deployment.delivery(|options| {
        options.batch_size = 10;
        options.visibility_timeout_seconds = 2;
    });
    while !deployment.functions.kill_one_busy("provision") {
        thread::sleep(Duration::from_millis(20));
    }
    deployment.workplace.set_latency(Duration::ZERO);
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..1]));
    assert_eq!(deployment.statuses(), [].into());
}
