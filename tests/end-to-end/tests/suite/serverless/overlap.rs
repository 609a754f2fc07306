//! Two scans of one connection at the same time.

use std::thread;

use end_to_end::PersonEntry;
use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

#[test]
fn second_concurrent_scan_ends_with_a_note() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people: 400,
        members: 400,
        scanners: 2,
        ..DeploymentOptions::default()
    });
    let event = json!({ "connection": "corp" });
    let answers: Vec<_> = thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| deployment.scan(event.clone()))).collect();
        both.into_iter().map(|scan| scan.join().unwrap()).collect()
    });
    let mut read: Vec<u64> = answers.iter().map(|answer| answer["read"].as_u64().unwrap()).collect();
    read.sort_unstable();
    assert_eq!(read, [0, 400], "{answers:?}");
    let note = answers.iter().find_map(|answer| answer["note"].as_str()).unwrap();
    assert!(note.contains("another scan of this connection is running"), "{note}");
    assert_eq!(deployment.statuses(), [("pending".to_owned(), 400)].into());
    assert_eq!(queue_depth(&deployment), 400, "one request is sent for each user");
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people as &[PersonEntry]));
}

fn queue_depth(deployment: &DeploymentFixture) -> u64 {
    end_to_end::aws().queue_depth(&deployment.queue.url).unwrap().total()
}
