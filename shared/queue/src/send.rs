//! Sending of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::errors::{by_code, classify};
use crate::{ProvisionRequest, Queue, QueueError};

/// IAM action that sending needs, in batches too.
const ACTION: &str = "sqs:SendMessage";
/// Messages per request: the maximum of SQS.
const BATCH: usize = 10;
/// Concurrent requests.
const AT_ONCE: usize = 4;
/// Retries of refused messages of a batch.
const RETRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Result of sending requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendResult {
    /// Number of requests in the queue.
    pub sent: u64,
    /// Requests that the queue did not take. That is no error: their records stay pending, and the next scan sends them
    /// again.
    pub unsent: Vec<ProvisionRequest>,
    /// Cause of the last refusal.
    pub problem: Option<QueueError>,
}

/// Result of one batch.
struct BatchResult {
    outcome: SendResult,
    /// Whether the queue responded.
    reached: bool,
}

impl Queue {
    /// Sends one request for each user: of several, the one with the latest version.
    ///
    /// Messages that the queue refuses through no fault of the sender are retried with growing pauses. A request that
    /// fails as a whole was retried by the SDK already; batches not yet begun then stay [unsent](SendResult::unsent),
    /// because an outage is not worked through batch by batch. An error is what all requests would meet: no queue, no
    /// permission, an invalid request.
    pub async fn send(&self, requests: &[ProvisionRequest]) -> Result<SendResult, QueueError> {
        let requests = one_for_each_user(requests);
        let mut waiting = requests.chunks(BATCH);
        let mut under_way: FuturesUnordered<_> =
            waiting.by_ref().take(AT_ONCE).map(|batch| self.send_batch(batch.to_vec())).collect();
        let mut total = SendResult::default();
        while let Some(batch) = under_way.next().await {
            let BatchResult { outcome, reached } = batch?;
            total.add(outcome);
            // After a batch that did not get through, no further one is begun.
            if reached && let Some(batch) = waiting.next() {
                under_way.push(self.send_batch(batch.to_vec()));
            }
        }
        total.unsent.extend(waiting.flatten().cloned());
        Ok(total)
    }

    /// Sends up to ten requests until each is in the queue or out of retries.
    async fn send_batch(&self, mut left: Vec<ProvisionRequest>) -> Result<BatchResult, QueueError> {
        let mut total = SendResult::default();
        let mut pauses =
            ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES).build();
        loop {
            let answer = match self.send_once(&left).await {
                Ok(answer) => answer,
                Err(problem @ (QueueError::Throttled | QueueError::Unavailable { .. })) => {
                    total.add(SendResult { sent: 0, unsent: left, problem: Some(problem) });
                    return Ok(BatchResult { outcome: total, reached: false });
                }
                Err(error) => return Err(error),
            };
            let BatchResponse { sent, retryable, refused } = self.read(left, &answer);
            total.add(SendResult { sent, ..refused });
            if retryable.unsent.is_empty() {
                return Ok(BatchResult { outcome: total, reached: true });
            }
            let Some(pause) = pauses.next() else {
                total.add(retryable);
                return Ok(BatchResult { outcome: total, reached: true });
            };
            tokio::time::sleep(pause).await;
            left = retryable.unsent;
        }
    }

    async fn send_once(&self, batch: &[ProvisionRequest]) -> Result<SendMessageBatchOutput, QueueError> {
        let entries = batch.iter().enumerate().map(|(index, request)| {
            let entry =
                SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(request.body());
            entry.build().map_err(|_| QueueError::Refused { action: ACTION, code: "incomplete".to_owned() })
        });
        let entries = entries.collect::<Result<_, _>>()?;
        let sent =
            self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
        sent.map_err(|error| classify(ACTION, &self.url, &error))
    }

    /// Sorts a batch by the queue's response to each message.
    fn read(&self, batch: Vec<ProvisionRequest>, answer: &SendMessageBatchOutput) -> BatchResponse {
        let taken: BTreeSet<&str> = answer.successful.iter().map(|entry| entry.id.as_str()).collect();
        let failed: BTreeMap<&str, _> =
            answer.failed.iter().map(|entry| (entry.id.as_str(), entry)).collect();
        let mut read =
            BatchResponse { sent: 0, retryable: SendResult::default(), refused: SendResult::default() };
        for (index, request) in batch.into_iter().enumerate() {
            let id = index.to_string();
            if taken.contains(id.as_str()) {
                read.sent += 1;
                continue;
            }
            // A message that is not mentioned may have been taken; sending it twice is harmless.
            let failure = failed.get(id.as_str());
            let sort = if failure.is_some_and(|failure| failure.sender_fault) {
                &mut read.refused
            } else {
                &mut read.retryable
            };
            sort.unsent.push(request);
            sort.problem = failure.map(|failure| by_code(ACTION, &self.url, &failure.code));
        }
        read
    }
}

/// A batch, sorted by the queue's response to each message.
struct BatchResponse {
    sent: u64,
    /// Not taken now; can be retried.
    retryable: SendResult,
    /// Not taken, and a retry would not help.
    refused: SendResult,
}

impl SendResult {
    fn add(&mut self, other: Self) {
        let Self { sent, unsent, problem } = other;
        self.sent += sent;
        self.unsent.extend(unsent);
        self.problem = problem.or(self.problem.take());
    }
}

/// The latest request of each user, in order of first appearance.
fn one_for_each_user(requests: &[ProvisionRequest]) -> Vec<ProvisionRequest> {
    let mut places = BTreeMap::new();
    let mut kept: Vec<ProvisionRequest> = Vec::with_capacity(requests.len());
    for request in requests {
        let place = *places.entry((&request.connection, &request.anchor)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => earlier.version = earlier.version.max(request.version),
            None => kept.push(request.clone()),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use model::{Anchor, ScanVersion};

    use super::*;

    #[test]
    fn user_gets_one_message_with_the_latest_version() {
        let request = |connection: &str, anchor, version| ProvisionRequest {
            connection: connection.to_owned(),
            anchor: Anchor::from_text(anchor).unwrap(),
            version: ScanVersion(version),
        };
        let many = [
            request("corp", "b", 2),
            request("corp", "a", 1),
            request("corp", "b", 3),
            request("labs", "b", 1),
            request("corp", "b", 1),
        ];
        let expect = [request("corp", "b", 3), request("corp", "a", 1), request("labs", "b", 1)];
        assert_eq!(one_for_each_user(&many), expect);
    }
}
