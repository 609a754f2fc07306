//! The queue client against moto's SQS.

use std::time::Duration;

use aws_sdk_sqs::{Client, types::Message};
use end_to_end::{QueueDepth, aws};
use model::{Anchor, ScanVersion};
use queue::{ProvisionRequest, Queue, QueueError};

/// Provision requests for this many users.
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
async fn provision_requests_arrive_as_sent() {
    let url = aws().create_queue("requests", 300, 3).unwrap().url;
    let client = Client::new(&aws().sdk_config());
    let sent = Queue::new(client.clone(), &url).send(&requests(57)).await.unwrap();
    assert_eq!((sent.sent, sent.unsent, sent.problem), (57, vec![], None));
    assert_eq!(aws().queue_depth(&url).unwrap(), QueueDepth { visible: 57, in_flight: 0, delayed: 0 });

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
async fn delayed_message_returns_after_its_delay() {
    let url = aws().create_queue("delays", 300, 10).unwrap().url;
    let client = Client::new(&aws().sdk_config());
    let queue = Queue::new(client.clone(), &url);
    queue.send(&requests(1)).await.unwrap();

    // The message is in flight until the queue is told to return it at once.
    for delay in [0, -3, 1] {
        let mut received = Vec::new();
        while received.is_empty() {
            received = receive(&client, &url).await;
        }
        queue.delay(received[0].receipt_handle().unwrap(), delay).await.unwrap();
        while aws().queue_depth(&url).unwrap().visible == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // SQS refuses more than twelve hours; the client asks for the longest delay.
    let received = receive(&client, &url).await;
    queue.delay(received[0].receipt_handle().unwrap(), i64::MAX).await.unwrap();
    assert_eq!(aws().queue_depth(&url).unwrap().visible, 0);
}

#[tokio::test]
async fn missing_queue_is_named() {
    let url = format!("{}/123456789012/nowhere", aws().endpoint());
    let queue = Queue::new(Client::new(&aws().sdk_config()), &url);
    let expect = QueueError::NoQueue { url };
    assert_eq!(queue.send(&requests(3)).await, Err(expect.clone()));
    assert_eq!(queue.delay("receipt", 1).await, Err(expect));
}
