//! The queue itself.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::QueueError;
use crate::errors::meaning;

/// The queue of wake-ups. Clones share the client.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// A message may be out of sight for twelve hours, and those are counted from when it was received, not from when it is
/// delayed. A delay of all twelve would always be refused, so it leaves out the quarter of an hour that a function can
/// have had the message by then.
const LONGEST_DELAY_SECONDS: i64 = 12 * 60 * 60 - 15 * 60;

impl Queue {
    /// The queue at this URL, as this client reaches it.
    pub fn new(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }

    /// Where the queue is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets a message that was received, and that will be given back, return in so many seconds from now. A time in the
    /// past means at once; SQS can't wait for longer than about twelve hours, so a longer time is cut to that, and who gets
    /// the message then finds that it isn't due.
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
        changed.map(|_| ()).map_err(|error| meaning(ACTION, &self.url, &error))
    }

    /// About how many messages are on their way: waiting, delivered and not yet done, or delayed.
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
            .map_err(|error| meaning(ACTION, &self.url, &error))?;
        let attributes = described.attributes.unwrap_or_default();
        let counts = names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok());
        Ok(counts.sum())
    }
}
