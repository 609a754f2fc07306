//! Messages twice, in the wrong order, to many workers at once, some of whom are killed.

use std::{num::NonZeroU64, thread, time::Duration};

use end_to_end::{Faults, Group};
use serde_json::json;

use crate::cloud::{Cloud, PATIENCE, Setup, names};

const PEOPLE: usize = 120;

/// Kills workers while the bridge delivers, and says how many.
fn kill_workers(cloud: &Cloud, times: usize) -> usize {
    let mut killed = 0;
    for _ in 0..times {
        thread::sleep(Duration::from_millis(400));
        killed += usize::from(cloud.functions.kill_one_at_work("provision"));
    }
    killed
}

#[test]
fn whatever_order_and_whoever_dies_the_accounts_are_what_the_directory_says() {
    let cloud = Cloud::start(Setup {
        people: PEOPLE + 20,
        members: PEOPLE,
        workers: 8,
        // A message whose worker was killed comes back after this.
        visibility_seconds: 5,
        provision_timeout: Duration::from_secs(10),
        ..Setup::default()
    });
    cloud.workplace.set_latency(Duration::from_millis(20));
    cloud.scan(json!({ "connection": "corp" }));
    let faults =
        Faults { deliver_twice: true, reverse_order: true, drop_every_nth_answer: NonZeroU64::new(9) };
    let bridge = cloud.bridge(|options| {
        options.faults = faults;
        options.concurrency = 8;
        options.visibility_timeout_seconds = 5;
    });
    let mut killed = kill_workers(&cloud, 6);
    bridge.drain(PATIENCE).unwrap();

    // Then changes: some leave, some come, some get another title.
    let (members, others) = cloud.people.split_at(PEOPLE);
    let admin = cloud.slapd.admin();
    let group = Group::of("workplace", []).dn();
    for person in &members[..10] {
        admin.remove_member(&group, &person.dn()).unwrap();
    }
    for person in others {
        admin.add_member(&group, &person.dn()).unwrap();
    }
    for person in &members[20..40] {
        admin.set(&person.dn(), "title", &["Promoted"]).unwrap();
    }
    let answer = cloud.scan(json!({ "connection": "corp" }));
    // Ten of 120 are more than five percent.
    assert_eq!(answer["held"], 10, "{answer}");
    killed += kill_workers(&cloud, 4);
    bridge.drain(PATIENCE).unwrap();
    // A worker that is killed between waking a user and announcing that leaves it to the next scan.
    let redriven = cloud.scan(json!({ "connection": "corp" }))["redriven"].as_u64().unwrap();
    assert!(redriven as usize <= killed, "{redriven} were announced by nobody, and {killed} workers killed");
    bridge.drain(PATIENCE).unwrap();
    let counters = bridge.stop().unwrap();

    assert_eq!(cloud.active(), names(&cloud.people), "the held ones stay as well");
    let promoted = members[20..40].iter().filter(|person| {
        cloud.workplace.account(&person.mail).is_some_and(|account| account["title"] == "Promoted")
    });
    assert_eq!(promoted.count(), 20);
    let accounts = cloud.workplace.accounts();
    assert_eq!(accounts.len(), cloud.people.len(), "nobody has two accounts");
    let creates = cloud.creates();
    println!("{killed} workers killed, {creates} creates for {} users, {counters:?}", cloud.people.len());
    assert!(killed > 0, "no worker was caught at work");
    assert!((cloud.people.len()..=cloud.people.len() + killed).contains(&creates), "{creates} creates");
    let left = cloud.statuses();
    assert_eq!(left.keys().collect::<Vec<_>>(), ["held"], "{left:?}");
}

#[test]
fn a_worker_that_died_keeps_nobody_waiting_for_longer_than_its_lease() {
    let cloud = Cloud::start(Setup {
        members: 1,
        workers: 1,
        visibility_seconds: 2,
        provision_timeout: Duration::from_secs(6),
        ..Setup::default()
    });
    cloud.scan(json!({}));
    cloud.workplace.set_latency(Duration::from_secs(3));
    let bridge = cloud.bridge(|options| options.visibility_timeout_seconds = 2);
    while !cloud.functions.kill_one_at_work("provision") {
        thread::sleep(Duration::from_millis(20));
    }
    cloud.workplace.set_latency(Duration::ZERO);
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(cloud.active(), names(&cloud.people[..1]));
    assert_eq!(cloud.statuses(), [].into());
}
