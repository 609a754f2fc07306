//! Properties of the harness that no other test would notice missing.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    num::NonZeroU64,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use aws_sdk_sqs::Client;
use end_to_end::{
    LambdaFunction, QueueFaults, Slapd, SlapdOptions, SqsDelivery, SqsDeliveryOptions, TestDir, aws,
    failed_messages,
};
use queue::Queue;
use serde_json::{Value, json};

use crate::aws::queue::requests;

const TIMEOUT: Duration = Duration::from_secs(300);

/// Tells the child process of the test below to start a server.
const START_AND_WAIT: &str = "END_TO_END_START_AND_WAIT";

#[test]
fn servers_end_when_the_test_process_is_killed() {
    // A killed process leaves its temporary files behind, so they go below this test's own directory.
    let dir = TestDir::new().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "harness::child_starts_a_server_and_waits"])
        .env(START_AND_WAIT, "yes")
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = test.stdout.take().unwrap();
    let mut output = String::new();
    let id = loop {
        let mut chunk = [0; 256];
        let count = stdout.read(&mut chunk).unwrap();
        assert!(count > 0, "the child process ended early: {output}");
        output.push_str(&String::from_utf8_lossy(&chunk[..count]));
        if let Some((id, _)) = output.split_once("slapd ").and_then(|(_, rest)| rest.split_once('\n')) {
            break id.to_owned();
        }
    };
    test.kill().unwrap();
    test.wait().unwrap();

    // Without a parent that waits for it, an ended process may stay as a zombie.
    let runs =
        || fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|text| !text.contains("State:\tZ"));
    let started = Instant::now();
    while runs() {
        assert!(started.elapsed() < TIMEOUT, "slapd {id} runs longer than its test");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Second half of the test above. Without the variable it does nothing.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a variable is the only way to reach the test of a child process"
)]
fn child_starts_a_server_and_waits() {
    if std::env::var_os(START_AND_WAIT).is_some() {
        let slapd = Slapd::start(SlapdOptions::default()).unwrap();
        println!("slapd {}", slapd.process_id().unwrap());
        thread::sleep(TIMEOUT);
    }
}

#[test]
fn partial_batch_answers_follow_lambdas_rules() {
    let sent: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
    let item = |id: Value| json!({ "batchItemFailures": [{ "itemIdentifier": id }] });
    for (answer, expect) in [
        (Value::Null, ""),
        (json!({}), ""),
        (json!({ "batchItemFailures": null }), ""),
        (json!({ "batchItemFailures": [] }), ""),
        (item(json!("b")), "b"),
        (item(json!("")), "ab"),
        (item(json!(null)), "ab"),
        (item(json!("c")), "ab"),
        (json!({ "batchItemFailures": [{ "id": "a" }] }), "ab"),
        (json!({ "batchItemFailures": "a" }), "ab"),
        (json!("done"), "ab"),
    ] {
        let failed: String = failed_messages(&answer, &sent).into_iter().collect();
        assert_eq!(failed, expect, "{answer}");
    }
}

#[tokio::test]
async fn queue_faults_deliver_twice_in_reverse_and_lose_answers() {
    let urls = aws().create_queue("faulty", 30, 50).unwrap();
    let queue = Queue::new(Client::new(&aws().sdk_config()), &urls.url);
    // One batch after the other, so that the order of sending is known.
    for batch in requests(60).chunks(10) {
        assert_eq!(queue.send(batch).await.unwrap().unsent, []);
    }
    let bodies = Arc::new(Mutex::new(Vec::<String>::new()));
    let received = Arc::clone(&bodies);
    let function = LambdaFunction::in_process(move |event| {
        let records = event["Records"].as_array().unwrap().iter();
        received.lock().unwrap().extend(records.map(|record| record["body"].as_str().unwrap().to_owned()));
        async { Ok(Value::Null) }
    });
    let faults =
        QueueFaults { deliver_twice: true, reverse_order: true, drop_every_nth_answer: NonZeroU64::new(3) };
    let delivery = SqsDelivery::start(SqsDeliveryOptions {
        batch_size: 10,
        concurrency: 1,
        faults,
        visibility_timeout_seconds: 1,
        ..SqsDeliveryOptions::new(&urls.url, aws().sdk_config(), function)
    })
    .unwrap();
    delivery.drain(TIMEOUT).unwrap();
    let counts = delivery.stop().unwrap();

    let bodies = bodies.lock().unwrap();
    let times = |body: &String| bodies.iter().filter(|received| *received == body).count();
    let sent: Vec<String> = requests(60).iter().map(|request| request.body()).collect();
    assert!(sent.iter().all(|body| times(body) >= 2), "{bodies:?}");
    assert_eq!(counts.dropped, counts.invocations / 3, "{counts:?}");
    let first: BTreeSet<&String> = bodies.iter().take(10).collect();
    assert_eq!(first, sent[50..].iter().collect::<BTreeSet<_>>(), "the last messages come first");
}
