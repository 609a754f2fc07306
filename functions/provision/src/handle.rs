//! Events and answers: batches of SQS messages, and direct invocations for one user.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use queue::DirectRequest;
use runtime::function::parse_event;
use runtime::{FunctionError, Invocation};
use serde::Serialize;
use serde_json::Value;
use tracing::Instrument;

use crate::direct::DirectAnswer;
use crate::function::ProvisionFunction;

/// Shape of an event, for error messages.
const SHAPE: &str = r#"{"connection": "corp", "anchor": "…"}, or be a batch of SQS messages"#;

/// Answer of the function.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ProvisionAnswer {
    /// Messages that SQS delivers again.
    Batch(SqsBatchResponse),
    /// One user.
    Direct(Box<DirectAnswer>),
}

/// Answers one event.
pub async fn handle(
    function: Arc<ProvisionFunction>,
    event: Value,
    invocation: Invocation,
) -> Result<ProvisionAnswer, FunctionError> {
    let span = tracing::info_span!(
        "provision",
        request.id = %invocation.request_id,
        xray.trace = invocation.trace.as_deref(),
    );
    async {
        if event.get("Records").is_some() {
            let event: SqsEvent = parse_event(event, SHAPE)?;
            check_source(&event)?;
            return Ok(ProvisionAnswer::Batch(function.handle_batch(&event.records, &invocation).await));
        }
        let request: DirectRequest = parse_event(event, SHAPE)?;
        let answer = function.handle_direct(&request, &invocation).await?;
        Ok(ProvisionAnswer::Direct(Box::new(answer)))
    }
    .instrument(span)
    .await
}

/// Refuses the records of another service. Without message ids no answer could name the failed ones.
fn check_source(event: &SqsEvent) -> Result<(), FunctionError> {
    let is_message = |message: &SqsMessage| {
        message.event_source.as_deref() == Some("aws:sqs")
            && message.message_id.as_ref().is_some_and(|id| !id.is_empty())
    };
    if event.records.iter().all(is_message) {
        return Ok(());
    }
    let message = format!("the event has records that are no SQS messages; expected {SHAPE}");
    Err(FunctionError { kind: "BadEvent", message })
}
