//! A scan that needs more than one invocation.

use std::{thread, time::Duration};

use end_to_end::GroupEntry;
use model::UnixSeconds;
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT, names};

/// By then the lease of a killed scan has expired.
const YEAR_3000: UnixSeconds = UnixSeconds(32_503_680_000);

/// Small pages make a scan take some seconds.
fn slow(people: usize) -> DeploymentOptions {
    DeploymentOptions {
        people,
        members: people,
        scanners: 2,
        configure: |configuration| configuration.directory.push_str("\npage_size = 10\n"),
        ..DeploymentOptions::default()
    }
}

fn wait_for_all(deployment: &DeploymentFixture) {
    let pending = deployment.people.len() as u64;
    let start = std::time::Instant::now();
    while deployment.statuses() != [("pending".to_owned(), pending)].into() {
        assert!(
            start.elapsed() < TIMEOUT,
            "{:?}\n{}",
            deployment.statuses(),
            deployment.functions.log("scan")
        );
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn scan_continues_in_a_new_invocation_near_its_deadline() {
    let deployment =
        DeploymentFixture::start(DeploymentOptions { scan_timeout: Duration::from_secs(3), ..slow(1_500) });
    let answer = deployment.scan(json!({ "connection": "corp" }));
    assert_eq!((&answer["out_of_time"], &answer["complete"]), (&json!(true), &json!(false)), "{answer}");
    assert!(answer["read"].as_u64().unwrap() < 1_500, "{answer}");
    wait_for_all(&deployment);
    // The last invocation ends as a complete scan.
    let start = std::time::Instant::now();
    loop {
        let state = deployment.runtime.block_on(deployment.store().fetch_connection()).unwrap();
        if state.last_scan.is_some_and(|scan| scan["complete"] == true) {
            break;
        }
        assert!(start.elapsed() < TIMEOUT, "no scan was complete\n{}", deployment.functions.log("scan"));
        thread::sleep(Duration::from_millis(100));
    }
    let depth = end_to_end::aws().queue_depth(&deployment.queue.url).unwrap().total();
    assert_eq!(depth, 1_500, "one request is sent for each user");
}

#[test]
fn killed_scan_is_repeated_after_its_lease() {
    let deployment = DeploymentFixture::start(slow(300));
    let killed = thread::scope(|scope| {
        let scan = scope.spawn(|| deployment.functions.invoke("scan", &json!({ "connection": "corp" })));
        while deployment.statuses().is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(deployment.functions.kill_one_busy("scan"));
        scan.join().unwrap().unwrap_err().to_string()
    });
    assert!(killed.contains("signal: 9"), "{killed}");
    // A user with a record leaves before the next scan.
    let leaver = &deployment.people[0];
    deployment.slapd.admin().remove_member(&GroupEntry::of("workplace", []).dn(), &leaver.dn()).unwrap();
    // Other scans end with a note until the killed scan's lease expires.
    let answer = deployment.scan(json!({ "connection": "corp" }));
    assert!(answer["note"].is_string(), "{answer}");
    let store = deployment.store();
    deployment.runtime.block_on(async {
        let lease = store.take_lease("another scan", YEAR_3000, 1).await.unwrap().unwrap();
        assert!(store.release(lease, None, None).await.unwrap());
    });
    let answer = deployment.scan(json!({ "connection": "corp" }));
    assert_eq!((&answer["read"], &answer["complete"]), (&json!(299), &json!(true)), "{answer}");
    deployment.drain();
    let active = deployment.active();
    let expected = names(&deployment.people[1..]);
    // The leaver may have an account or not; every other user has one.
    let without_leaver: Vec<_> =
        active.into_iter().filter(|name| *name != leaver.mail.to_lowercase()).collect();
    assert_eq!(without_leaver, expected);
    deployment.scan(json!({ "connection": "corp" }));
    deployment.drain();
    assert_eq!(deployment.active(), expected);
}
