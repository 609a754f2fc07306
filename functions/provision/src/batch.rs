//! Batches of SQS messages: provision requests, and dead letters.

use std::collections::BTreeMap;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use model::UnixSeconds;
use provision::{MessageDisposition, handle_dead_letter, work};
use queue::{ProvisionRequest, QueueError};
use runtime::metrics::{Counter, Gauge, count, sample};
use runtime::{FunctionError, Invocation, now};
use tracing::Instrument;

use crate::function::{OpenConnection, ProvisionFunction, STATE_UNAVAILABLE};
use crate::measure::{count_outcome, measure_age, measure_target};

/// Delay of a message that can't be processed at all.
const UNUSABLE_SECONDS: i64 = 300;

/// Delay of a message while the table can't be read.
const STATE_SECONDS: i64 = 30;

/// A message with its content.
type ParsedMessage<'m> = (&'m SqsMessage, ProvisionRequest);

/// Messages by the name of their connection.
type ByConnection<'m> = BTreeMap<String, Vec<ParsedMessage<'m>>>;

/// Messages of one connection, with the result of each.
type Dispositions<'m> = Vec<(&'m SqsMessage, MessageDisposition)>;

impl ProvisionFunction {
    /// Handles a batch of messages and answers with the ids of those that SQS delivers again.
    pub(crate) async fn handle_batch(
        &self,
        messages: &[SqsMessage],
        invocation: &Invocation,
    ) -> SqsBatchResponse {
        let (by_connection, mut retried) = self.parse(messages);
        for (name, messages) in by_connection {
            let span = tracing::info_span!("connection", connection = %name);
            let dispositions = self.handle_connection(&name, messages, invocation).instrument(span).await;
            for (message, disposition) in dispositions {
                if let MessageDisposition::Retry(at) = disposition {
                    self.delay(&name, message, at).await;
                    retried.push(message);
                }
            }
        }
        let mut response = SqsBatchResponse::default();
        for message in retried {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        response
    }

    /// The messages by connection, and the malformed ones to retry. The alarm on dead letters has reported a malformed dead
    /// letter, and a repeat changes nothing.
    fn parse<'m>(&self, messages: &'m [SqsMessage]) -> (ByConnection<'m>, Vec<&'m SqsMessage>) {
        let (mut by_connection, mut retried) = (ByConnection::new(), Vec::new());
        for message in messages {
            match ProvisionRequest::parse(message.body.as_deref().unwrap_or_default()) {
                Ok(request) => {
                    by_connection.entry(request.connection.clone()).or_default().push((message, request));
                }
                Err(malformed) => {
                    let id = message.message_id.as_deref().unwrap_or("?");
                    tracing::error!(message.id = id, "{malformed}");
                    retried.extend((!self.is_dead(message)).then_some(message));
                }
            }
        }
        (by_connection, retried)
    }

    fn is_dead(&self, message: &SqsMessage) -> bool {
        message.event_source_arn.as_deref().is_some_and(|arn| arn.starts_with(&self.dead_letter_arn_prefix))
    }

    async fn handle_connection<'m>(
        &self,
        name: &str,
        messages: Vec<ParsedMessage<'m>>,
        invocation: &Invocation,
    ) -> Dispositions<'m> {
        let open = match self.open(Some(name), invocation).await {
            Ok(open) => open,
            Err(FunctionError { kind, message }) => {
                tracing::error!(kind, "{message}");
                let seconds = if kind == STATE_UNAVAILABLE { STATE_SECONDS } else { UNUSABLE_SECONDS };
                let retry = MessageDisposition::Retry(now().plus(seconds));
                return messages.into_iter().map(|(message, _)| (message, retry)).collect();
            }
        };
        let (dead, alive): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|(message, _)| self.is_dead(message));
        let mut dispositions = handle_dead_letters(&open, dead).await;
        if !alive.is_empty() {
            dispositions.extend(handle_requests(&open, &alive, invocation).await);
        }
        dispositions
    }

    /// Delays the next delivery of a message. Without the delay SQS delivers it after the queue's visibility timeout.
    async fn delay(&self, connection: &str, message: &SqsMessage, at: UnixSeconds) {
        let connection = self.deployed.connection(Some(connection));
        let (Some(receipt), Ok(connection)) = (&message.receipt_handle, connection) else { return };
        if self.is_dead(message) {
            return;
        }
        match self.deployed.queue(connection).delay(receipt, at.0.saturating_sub(now().0)).await {
            // A refusal means that SQS has delivered the message again already.
            Ok(()) | Err(QueueError::Refused { .. }) => {}
            Err(error) => {
                tracing::warn!(
                    "the message is delivered again after the queue's visibility timeout: {error}"
                );
            }
        }
    }
}

async fn handle_dead_letters<'m>(
    open: &OpenConnection<'_>,
    dead: Vec<ParsedMessage<'m>>,
) -> Dispositions<'m> {
    let provisioner = open.provisioner();
    let mut dispositions = Vec::new();
    for (message, letter) in dead {
        count(open.name(), Counter::DeadLetters, 1);
        let disposition = handle_dead_letter(&provisioner, &letter).await.unwrap_or_else(|error| {
            tracing::error!(user.anchor = %letter.anchor, "the dead letter was not handled: {error}");
            MessageDisposition::Retry(now().plus(UNUSABLE_SECONDS))
        });
        dispositions.push((message, disposition));
    }
    dispositions
}

async fn handle_requests<'m>(
    open: &OpenConnection<'_>,
    alive: &[ParsedMessage<'m>],
    invocation: &Invocation,
) -> Dispositions<'m> {
    let name = open.name();
    alive.iter().for_each(|(message, _)| measure_age(name, message));
    let requests: Vec<ProvisionRequest> = alive.iter().map(|(_, request)| request.clone()).collect();
    let stop_at = stop_at(invocation.deadline);
    let worked = work(&open.provisioner(), &requests, stop_at, |outcome| count_outcome(name, outcome)).await;
    measure_target(name, &open.target);
    if let Ok(breaker) = open.store.fetch_breaker().await {
        sample(name, Gauge::BreakerOpen, u64::from(breaker.is_some()));
    }
    alive.iter().map(|(message, _)| *message).zip(worked).collect()
}

/// Time after which no further user is begun: half of the invocation is kept for the user in progress.
fn stop_at(deadline: UnixSeconds) -> UnixSeconds {
    let now = now();
    now.plus((deadline.0 - now.0) / 2)
}
