//! A scan that does not get to its end in one invocation.

use std::{thread, time::Duration};

use end_to_end::Group;
use serde_json::json;

use crate::cloud::{Cloud, PATIENCE, Setup, names};

/// Small pages from a state that is slow make a scan of some seconds.
fn slow(people: usize) -> Setup {
    Setup {
        people,
        members: people,
        scanners: 2,
        configure: |configuration| configuration.directory.push_str("\npage_size = 10\n"),
        ..Setup::default()
    }
}

fn wait_for_all(cloud: &Cloud) {
    let pending = cloud.people.len() as u64;
    let start = std::time::Instant::now();
    while cloud.statuses() != [("pending".to_owned(), pending)].into() {
        assert!(start.elapsed() < PATIENCE, "{:?}\n{}", cloud.statuses(), cloud.functions.log("scan"));
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn near_its_deadline_a_scan_goes_on_in_a_fresh_invocation() {
    let cloud = Cloud::start(Setup { scan_timeout: Duration::from_secs(3), ..slow(1_500) });
    let answer = cloud.scan(json!({ "connection": "corp" }));
    assert_eq!((&answer["out_of_time"], &answer["complete"]), (&json!(true), &json!(false)), "{answer}");
    assert!(answer["read"].as_u64().unwrap() < 1_500, "{answer}");
    wait_for_all(&cloud);
    // The last of the invocations ends as a complete scan.
    let start = std::time::Instant::now();
    loop {
        let state = cloud.runtime.block_on(cloud.store().fetch_connection()).unwrap();
        if state.last_scan.is_some_and(|scan| scan["complete"] == true) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "no scan was complete\n{}", cloud.functions.log("scan"));
        thread::sleep(Duration::from_millis(100));
    }
    let depth = crate::cloud::aws().queue_depth(&cloud.queue.url).unwrap().total();
    assert_eq!(depth, 1_500, "nobody is announced twice");
}

#[test]
fn a_scan_that_is_cut_off_hard_is_simply_resumed() {
    let cloud = Cloud::start(slow(300));
    let killed = thread::scope(|scope| {
        let scan = scope.spawn(|| cloud.functions.invoke("scan", &json!({ "connection": "corp" })));
        while cloud.statuses().is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(cloud.functions.kill_one_at_work("scan"));
        scan.join().unwrap().unwrap_err().to_string()
    });
    assert!(killed.contains("signal: 9"), "{killed}");
    // Somebody who was written already leaves before the next scan.
    let leaver = &cloud.people[0];
    cloud.slapd.admin().remove_member(&Group::of("workplace", []).dn(), &leaver.dn()).unwrap();
    // The dead scan's lease has to run out: until then others say so and leave.
    let start = std::time::Instant::now();
    let answer = loop {
        let answer = cloud.scan(json!({ "connection": "corp" }));
        if answer["note"].is_null() {
            break answer;
        }
        assert!(start.elapsed() < Duration::from_secs(150), "{answer}");
        thread::sleep(Duration::from_secs(2));
    };
    assert_eq!((&answer["read"], &answer["complete"]), (&json!(299), &json!(true)), "{answer}");
    cloud.drain();
    let active = cloud.active();
    let expected = names(&cloud.people[1..]);
    // Whoever left was written by the scan that died, or was not; either way nobody else is missing.
    let without_leaver: Vec<_> =
        active.into_iter().filter(|name| *name != leaver.mail.to_lowercase()).collect();
    assert_eq!(without_leaver, expected);
    cloud.scan(json!({ "connection": "corp" }));
    cloud.drain();
    assert_eq!(cloud.active(), expected);
}
