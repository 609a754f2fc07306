//! Depth of a queue.

use anyhow::Context as _;
use aws_sdk_sqs::{Client, types::QueueAttributeName};

/// Number of messages in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received and not deleted, or delayed by the receiver.
    pub in_flight: u64,
    /// Sent with a delay.
    pub delayed: u64,
}

impl QueueDepth {
    /// All messages.
    pub fn total(self) -> u64 {
        let Self { visible, in_flight, delayed } = self;
        visible + in_flight + delayed
    }
}

pub async fn queue_depth(client: &Client, url: &str) -> anyhow::Result<QueueDepth> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let described = client
        .get_queue_attributes()
        .queue_url(url)
        .set_attribute_names(Some(names.to_vec()))
        .send()
        .await
        .with_context(|| format!("the queue {url} can't be described"))?;
    let attributes = described.attributes.unwrap_or_default();
    let [visible, in_flight, delayed] =
        names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()));
    let missing = "the queue does not report its number of messages";
    Ok(QueueDepth {
        visible: visible.context(missing)?,
        in_flight: in_flight.context(missing)?,
        delayed: delayed.context(missing)?,
    })
}
