//! Delivery as Lambda's, to a function in this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use aws_sdk_sqs::Client;
use end_to_end::{Aws, Bridge, BridgeOptions, Faults, Function, QueueUrls};
use queue::{ProvisionRequest, Queue};
use serde_json::{Value, json};

use crate::queue::requests;

const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps all records that it was given, and judges each.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Value>>>);

impl Recorder {
    /// A function that fails the records this says.
    fn function(&self, fails: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Function {
        let records = Arc::clone(&self.0);
        Function::in_process(move |event| {
            let batch = event["Records"].as_array().unwrap().clone();
            let failed: Vec<_> = batch.iter().filter(|record| fails(record)).collect();
            let failed: Vec<_> =
                failed.iter().map(|record| json!({ "itemIdentifier": record["messageId"] })).collect();
            records.lock().unwrap().extend(batch);
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                Ok(json!({ "batchItemFailures": failed }))
            }
        })
    }

    fn records(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    /// How often each user came.
    fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for record in self.records() {
            *times.entry(anchor(&record)).or_default() += 1;
        }
        times
    }
}

fn anchor(record: &Value) -> String {
    ProvisionRequest::parse(record["body"].as_str().unwrap()).unwrap().anchor.to_string()
}

fn receive_count(record: &Value) -> u32 {
    record["attributes"]["ApproximateReceiveCount"].as_str().unwrap().parse().unwrap()
}

async fn queue_with(aws: &Aws, max_receives: u32, count: u64) -> QueueUrls {
    let urls = aws.create_queue("wake-ups", 30, max_receives).unwrap();
    let queue = Queue::new(Client::new(&aws.sdk_config()), &urls.url);
    // One batch after the other, so that a test knows which came first.
    for batch in requests(count).chunks(10) {
        assert_eq!(queue.send(batch).await.unwrap().unsent, []);
    }
    urls
}

fn options(aws: &Aws, urls: &QueueUrls, function: Function) -> BridgeOptions {
    BridgeOptions {
        visibility_timeout_seconds: 1,
        ..BridgeOptions::new(&urls.url, aws.sdk_config(), function)
    }
}

#[tokio::test]
async fn every_message_arrives_once_in_lambdas_form() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 3, 200).await;
    let recorder = Recorder::default();
    let options = BridgeOptions {
        concurrency: 8,
        visibility_timeout_seconds: 30,
        ..options(&aws, &urls, recorder.function(|_| false))
    };
    let bridge = Bridge::start(options).unwrap();
    bridge.drain(PATIENCE).unwrap();
    let counters = bridge.stop().unwrap();

    assert_eq!((counters.delivered, counters.failed, counters.errors), (200, 0, 0), "{counters:?}");
    assert!(counters.invocations >= 20, "{counters:?}");
    let times = recorder.times();
    assert_eq!((times.len(), times.values().max()), (200, Some(&1)));
    let record = &recorder.records()[0];
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:eu-west-1:123456789012:wake-ups");
    assert_eq!(record["awsRegion"], "eu-west-1");
    assert_eq!(receive_count(record), 1);
    assert!(
        record["attributes"]["SentTimestamp"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000
    );
    for name in ["messageId", "receiptHandle", "md5OfBody"] {
        assert!(record[name].is_string(), "{name} of {record}");
    }
}

#[tokio::test]
async fn only_failed_messages_come_back() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 5, 20).await;
    let recorder = Recorder::default();
    let fails = |record: &Value| anchor(record).ends_with('3') && receive_count(record) < 3;
    let bridge = Bridge::start(options(&aws, &urls, recorder.function(fails))).unwrap();
    bridge.drain(PATIENCE).unwrap();
    for (anchor, times) in recorder.times() {
        assert_eq!(times, if anchor.ends_with('3') { 3 } else { 1 }, "{anchor}");
    }
    assert_eq!(bridge.counters().failed, 4);
}

#[tokio::test]
async fn what_always_fails_becomes_a_dead_letter() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 2, 10).await;
    let recorder = Recorder::default();
    let bridge =
        Bridge::start(options(&aws, &urls, recorder.function(|record| anchor(record) == "anchor-4")))
            .unwrap();
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(recorder.times()["anchor-4"], 2);
    let dead = aws.take_messages(&urls.dead_letters).unwrap();
    assert_eq!(dead, [requests(10)[4].body()]);
}

#[tokio::test]
async fn an_error_fails_the_whole_event() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 5, 10).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let function = Function::in_process(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { bail!("out of memory") } else { Ok(Value::Null) } }
    });
    let bridge = Bridge::start(BridgeOptions { concurrency: 1, ..options(&aws, &urls, function) }).unwrap();
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(bridge.last_error().as_deref(), Some("out of memory"));
    let counters = bridge.stop().unwrap();
    assert_eq!((counters.errors, counters.failed, counters.delivered), (1, 10, 20), "{counters:?}");
}

#[tokio::test]
async fn without_partial_answers_only_an_error_keeps_messages() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 5, 10).await;
    let recorder = Recorder::default();
    let options = BridgeOptions {
        report_batch_item_failures: false,
        ..options(&aws, &urls, recorder.function(|_| true))
    };
    let bridge = Bridge::start(options).unwrap();
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(recorder.times().values().max(), Some(&1));
}

#[tokio::test]
async fn the_function_says_when_a_message_comes_back() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 5, 1).await;
    let queue = Queue::new(Client::new(&aws.sdk_config()), &urls.url);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let function = Function::in_process(move |event| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let queue = queue.clone();
        async move {
            let record = &event["Records"][0];
            if first {
                queue.delay(record["receiptHandle"].as_str().unwrap(), 0).await?;
                return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": record["messageId"] }] }));
            }
            Ok(Value::Null)
        }
    });
    let options = BridgeOptions { visibility_timeout_seconds: 3_600, ..options(&aws, &urls, function) };
    let bridge = Bridge::start(options).unwrap();
    bridge.drain(PATIENCE).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn faults_deliver_twice_reverse_and_lose_answers() {
    let aws = Aws::start().unwrap();
    let urls = queue_with(&aws, 50, 60).await;
    let recorder = Recorder::default();
    let faults =
        Faults { deliver_twice: true, reverse_order: true, drop_every_nth_answer: NonZeroU64::new(3) };
    let options =
        BridgeOptions { concurrency: 1, faults, ..options(&aws, &urls, recorder.function(|_| false)) };
    let bridge = Bridge::start(options).unwrap();
    bridge.drain(PATIENCE).unwrap();
    let counters = bridge.stop().unwrap();

    let times = recorder.times();
    assert_eq!((times.len(), times.values().min()), (60, Some(&2)), "{times:?}");
    assert_eq!(counters.dropped, counters.invocations / 3, "{counters:?}");
    let first: BTreeSet<_> = recorder.records().iter().take(10).map(anchor).collect();
    let last_sent: BTreeSet<_> = (50..60).map(|number| format!("anchor-{number}")).collect();
    assert_eq!(first, last_sent, "the last come first");
}
