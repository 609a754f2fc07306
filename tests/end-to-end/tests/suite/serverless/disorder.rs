//! Messages twice, in the wrong order, to many workers at once, some of whom are killed.

use std::{num::NonZeroU64, thread, time::Duration};

use end_to_end::{GroupEntry, QueueFaults};
use serde_json::json;

use super::deployment::{Deployment, DeploymentOptions, TIMEOUT, names};

const PEOPLE: usize = 120;

/// Kills workers while the delivery delivers, and says how many.
fn kill_workers(deployment: &Deployment, times: usize) -> usize {
    let mut killed = 0;
    for _ in 0..times {
        thread::sleep(Duration::from_millis(400));
        killed += usize::from(deployment.functions.kill_one_busy("provision"));
    }
    killed
}

#[test]
fn whatever_order_and_whoever_dies_the_accounts_are_what_the_directory_says() {
    let deployment = Deployment::start(DeploymentOptions {
        people: PEOPLE + 20,
        members: PEOPLE,
        workers: 8,
        // A message whose worker was killed comes back after this.
        visibility_seconds: 5,
        provision_timeout: Duration::from_secs(10),
        ..DeploymentOptions::default()
    });
    deployment.workplace.set_latency(Duration::from_millis(20));
    deployment.scan(json!({ "connection": "corp" }));
    let faults =
        QueueFaults { deliver_twice: true, reverse_order: true, drop_every_nth_answer: NonZeroU64::new(9) };
    let delivery = deployment.delivery(|options| {
        options.faults = faults;
        options.concurrency = 8;
        options.visibility_timeout_seconds = 5;
    });
    let mut killed = kill_workers(&deployment, 6);
    delivery.drain(TIMEOUT).unwrap();

    // Then changes: some leave, some come, some get another title.
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
    // Ten of 120 are more than five percent.
    assert_eq!(answer["held"], 10, "{answer}");
    killed += kill_workers(&deployment, 4);
    delivery.drain(TIMEOUT).unwrap();
    // A worker that is killed between waking a user and announcing that leaves it to the next scan.
    let redriven = deployment.scan(json!({ "connection": "corp" }))["redriven"].as_u64().unwrap();
    assert!(redriven as usize <= killed, "{redriven} were announced by nobody, and {killed} workers killed");
    delivery.drain(TIMEOUT).unwrap();
    let counters = delivery.stop().unwrap();

    assert_eq!(deployment.active(), names(&deployment.people), "the held ones stay as well");
    let promoted = members[20..40].iter().filter(|person| {
        deployment.workplace.account(&person.mail).is_some_and(|account| account["title"] == "Promoted")
    });
    assert_eq!(promoted.count(), 20);
    let accounts = deployment.workplace.accounts();
    assert_eq!(accounts.len(), deployment.people.len(), "nobody has two accounts");
    let creates = deployment.creates();
    println!(
        "{killed} workers killed, {creates} creates for {} users, {counters:?}",
        deployment.people.len()
    );
    assert!(killed > 0, "no worker was caught at work");
    assert!(
        (deployment.people.len()..=deployment.people.len() + killed).contains(&creates),
        "{creates} creates"
    );
    let left = deployment.statuses();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["held"], "{left:?}");
}

#[test]
fn a_worker_that_died_keeps_nobody_waiting_for_longer_than_its_lease() {
    let deployment = Deployment::start(DeploymentOptions {
        members: 1,
        workers: 1,
        visibility_seconds: 2,
        provision_timeout: Duration::from_secs(6),
        ..DeploymentOptions::default()
    });
    deployment.scan(json!({}));
    deployment.workplace.set_latency(Duration::from_secs(3));
    let delivery = deployment.delivery(|options| options.visibility_timeout_seconds = 2);
    while !deployment.functions.kill_one_busy("provision") {
        thread::sleep(Duration::from_millis(20));
    }
    deployment.workplace.set_latency(Duration::ZERO);
    delivery.drain(TIMEOUT).unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..1]));
    assert_eq!(deployment.statuses(), [].into());
}
