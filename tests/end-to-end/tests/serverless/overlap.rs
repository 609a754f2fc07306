//! Two scans of one connection.

use std::thread;

use end_to_end::Person;
use serde_json::json;

use crate::cloud::{Cloud, Setup, names};

#[test]
fn of_two_scans_at_once_one_works_and_the_other_says_so_and_leaves() {
    let cloud = Cloud::start(Setup { people: 400, members: 400, scanners: 2, ..Setup::default() });
    let event = json!({ "connection": "corp" });
    let answers: Vec<_> = thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| cloud.scan(event.clone()))).collect();
        both.into_iter().map(|scan| scan.join().unwrap()).collect()
    });
    let mut read: Vec<u64> = answers.iter().map(|answer| answer["read"].as_u64().unwrap()).collect();
    read.sort_unstable();
    assert_eq!(read, [0, 400], "{answers:?}");
    let note = answers.iter().find_map(|answer| answer["note"].as_str()).unwrap();
    assert!(note.contains("another scan of this connection is running"), "{note}");
    assert_eq!(cloud.statuses(), [("pending".to_owned(), 400)].into());
    assert_eq!(aws_depth(&cloud), 400, "each user is announced once");
    cloud.drain();
    assert_eq!(cloud.active(), names(&cloud.people as &[Person]));
}

fn aws_depth(cloud: &Cloud) -> u64 {
    crate::cloud::aws().queue_depth(&cloud.queue.url).unwrap().total()
}
