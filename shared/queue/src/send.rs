//! Sending many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::errors::{by_code, meaning};
use crate::{ProvisionRequest, Queue, QueueError};

/// The right that sending takes, in batches too.
const ACTION: &str = "sqs:SendMessage";
/// As many as SQS takes in one request.
const BATCH: usize = 10;
/// Requests under way at the same time: enough to be quick, few enough to be no burst.
const AT_ONCE: usize = 4;
/// How often what was refused of a batch is tried again.
const RETRIES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What became of the wake-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many are in the queue now.
    pub sent: u64,
    /// Those that the queue did not take. That is no error: their records stay pending, and the next scan sends again.
    pub unsent: Vec<ProvisionRequest>,
    /// Why it did not take the last of those.
    pub problem: Option<QueueError>,
}

/// What became of one batch.
struct Batch {
    outcome: Sent,
    /// Whether the queue answered at all.
    reached: bool,
}

impl Queue {
    /// Sends these, one for each user: where there are several, the one of the latest version.
    ///
    /// Single messages that the queue refuses through no fault of ours are tried again, a few times and ever more slowly.
    /// A request that fails as a whole was tried again by the client already, so it isn't here; and what has not been begun
    /// by then stays [unsent](Sent::unsent), because an outage is not worked through batch by batch. An error is
    /// what all of them would meet: no queue, no right, a request that makes no sense.
    pub async fn send(&self, requests: &[ProvisionRequest]) -> Result<Sent, QueueError> {
        let requests = one_for_each_user(requests);
        let mut waiting = requests.chunks(BATCH);
        let mut under_way: FuturesUnordered<_> =
            waiting.by_ref().take(AT_ONCE).map(|batch| self.send_batch(batch.to_vec())).collect();
        let mut total = Sent::default();
        while let Some(batch) = under_way.next().await {
            let Batch { outcome, reached } = batch?;
            total.add(outcome);
            // A batch that did not get through has no successor.
            if reached && let Some(batch) = waiting.next() {
                under_way.push(self.send_batch(batch.to_vec()));
            }
        }
        total.unsent.extend(waiting.flatten().cloned());
        Ok(total)
    }

    /// Sends up to ten, until each is in the queue or out of tries.
    async fn send_batch(&self, mut left: Vec<ProvisionRequest>) -> Result<Batch, QueueError> {
        let mut total = Sent::default();
        let mut pauses =
            ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES).build();
        loop {
            let answer = match self.send_once(&left).await {
                Ok(answer) => answer,
                Err(problem @ (QueueError::Throttled | QueueError::Unavailable { .. })) => {
                    total.add(Sent { sent: 0, unsent: left, problem: Some(problem) });
                    return Ok(Batch { outcome: total, reached: false });
                }
                Err(error) => return Err(error),
            };
            let Answer { sent, again, refused } = self.read(left, &answer);
            total.add(Sent { sent, ..refused });
            if again.unsent.is_empty() {
                return Ok(Batch { outcome: total, reached: true });
            }
            let Some(pause) = pauses.next() else {
                total.add(again);
                return Ok(Batch { outcome: total, reached: true });
            };
            tokio::time::sleep(pause).await;
            left = again.unsent;
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
        sent.map_err(|error| meaning(ACTION, &self.url, &error))
    }

    /// Sorts a batch by what the queue said of each.
    fn read(&self, batch: Vec<ProvisionRequest>, answer: &SendMessageBatchOutput) -> Answer {
        let taken: BTreeSet<&str> = answer.successful.iter().map(|entry| entry.id.as_str()).collect();
        let failed: BTreeMap<&str, _> =
            answer.failed.iter().map(|entry| (entry.id.as_str(), entry)).collect();
        let mut read = Answer { sent: 0, again: Sent::default(), refused: Sent::default() };
        for (index, request) in batch.into_iter().enumerate() {
            let id = index.to_string();
            if taken.contains(id.as_str()) {
                read.sent += 1;
                continue;
            }
            // One that is not mentioned was not taken as far as anybody knows; sent twice, it does no harm.
            let failure = failed.get(id.as_str());
            let sort = if failure.is_some_and(|failure| failure.sender_fault) {
                &mut read.refused
            } else {
                &mut read.again
            };
            sort.unsent.push(request);
            sort.problem = failure.map(|failure| by_code(ACTION, &self.url, &failure.code));
        }
        read
    }
}

/// A batch, sorted by what the queue said of each message.
struct Answer {
    sent: u64,
    /// Not taken this time.
    again: Sent,
    /// Not taken, nor would they be the next time.
    refused: Sent,
}

impl Sent {
    fn add(&mut self, other: Self) {
        let Self { sent, unsent, problem } = other;
        self.sent += sent;
        self.unsent.extend(unsent);
        self.problem = problem.or(self.problem.take());
    }
}

/// The latest for each user, in the order in which the users first appear.
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
    fn a_user_gets_one_message_with_the_latest_version() {
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
