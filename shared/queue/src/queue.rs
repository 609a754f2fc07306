//! The queue of provision requests.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::QueueError;
use crate::errors::classify;

/// A queue of provision requests. Clones share the client.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// SQS hides a message for at most twelve hours after it was received. The 15 minutes less are the time that a function
/// may have had the message before it delays it.
const LONGEST_DELAY_SECONDS: i64 = 12 * 60 * 60 - 15 * 60;

impl Queue {
    /// The queue at this URL, through this client.
    pub fn new(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }

    /// URL of the queue.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a received message visible again after this many seconds. A past time means at once; a time beyond the
    /// limit of SQS is cut to it, and the receiver then finds that the user is not due.
    pub async fn delay(&self, receipt_handle: &str, seconds: i64) -> Result<(), QueueError> {
        const ACTION: &str = "sqs:ChangeMessageVisibility";
        let seconds = i32::try_from(seconds.clamp(0, LONGEST_DELAY_SECONDS)).unwrap_or_default();
        let changed = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds)
            .send()
            .await;
        changed.map(|_| ()).map_err(|error| classify(ACTION, &self.url, &error))
    }

    /// Approximate number of messages: visible, in flight or delayed.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        const ACTION: &str = "sqs:GetQueueAttributes";
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let described = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| classify(ACTION, &self.url, &error))?;
        let attributes = described.attributes.unwrap_or_default();
        let counts = names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok());
        Ok(counts.sum())
    }
}
