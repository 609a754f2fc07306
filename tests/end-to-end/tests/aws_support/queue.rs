//! The provisioner's own client against a queue that somebody else wrote.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::Message};
use end_to_end::{Aws, QueueDepth};
use model::{Anchor, ScanVersion};
use queue::{ProvisionRequest, Queue, QueueError};

pub fn requests(count: u64) -> Vec<ProvisionRequest> {
    let of = |number| ProvisionRequest {
        connection: "corp".to_owned(),
        anchor: Anchor::from_text(&format!("anchor-{number}")).unwrap(),
        version: ScanVersion(7),
    };
    (0..count).map(of).collect()
}

async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let received = client.receive_message().queue_url(url).max_number_of_messages(10).send().await;
    received.unwrap().messages.unwrap_or_default()
}

#[tokio::test]
async fn wake_ups_arrive_as_they_were_sent() {
    let aws = Aws::start().unwrap();
    let url = aws.create_queue("wake-ups", 30, 3).unwrap().url;
    let client = Client::new(&aws.sdk_config());
    let sent = Queue::new(client.clone(), &url).send(&requests(57)).await.unwrap();
    assert_eq!((sent.sent, sent.unsent, sent.problem), (57, vec![], None));
    assert_eq!(aws.queue_depth(&url).unwrap(), QueueDepth { visible: 57, in_flight: 0, delayed: 0 });

    let mut arrived = Vec::new();
    while arrived.len() < 57 {
        let messages = receive(&client, &url).await;
        assert!(!messages.is_empty(), "{} arrived", arrived.len());
        arrived
            .extend(messages.iter().map(|message| ProvisionRequest::parse(message.body().unwrap()).unwrap()));
    }
    arrived.sort_unstable();
    let mut expect = requests(57);
    expect.sort_unstable();
    assert_eq!(arrived, expect);
}

#[tokio::test]
async fn a_delayed_message_returns_in_its_time() {
    let aws = Aws::start().unwrap();
    let url = aws.create_queue("wake-ups", 30, 10).unwrap().url;
    let client = Client::new(&aws.sdk_config());
    let queue = Queue::new(client.clone(), &url);
    queue.send(&requests(1)).await.unwrap();

    for (delay, returns) in [(0, true), (-3, true), (1, false), (i64::MAX, false)] {
        let received = receive(&client, &url).await;
        queue.delay(received[0].receipt_handle().unwrap(), delay).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(aws.queue_depth(&url).unwrap().visible == 1, returns, "delayed by {delay} s");
        if delay == 1 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
    }
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_named() {
    let aws = Aws::start().unwrap();
    let url = format!("{}/123456789012/nowhere", aws.endpoint());
    let queue = Queue::new(Client::new(&aws.sdk_config()), &url);
    let expect = QueueError::NoQueue { url };
    assert_eq!(queue.send(&requests(3)).await, Err(expect.clone()));
    assert_eq!(queue.delay("receipt", 1).await, Err(expect));
}
