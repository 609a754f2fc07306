//! Lambda's event of SQS messages, and its rules for the answer.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::Message;
use serde_json::{Map, Value, json};

/// Queue of the messages, as the event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    region: String,
    arn: String,
}

impl EventSource {
    /// Source for the queue at `http://HOST/ACCOUNT/NAME`.
    pub fn of(region: &str, queue_url: &str) -> Self {
        let mut parts = queue_url.rsplit('/');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Self { region: region.to_owned(), arn: format!("arn:aws:sqs:{region}:{account}:{name}") }
    }
}

/// Event with these messages.
pub fn event(source: &EventSource, messages: &[Message]) -> Value {
    let records: Vec<_> = messages.iter().map(|message| record(source, message)).collect();
    json!({ "Records": records })
}

fn record(source: &EventSource, message: &Message) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": source.arn,
        "awsRegion": source.region,
    })
}

/// Ids of the failed messages by Lambda's rules for partial-batch answers. An empty answer, `null` or an empty list
/// means success; an invalid answer, or one with an unknown id, means that all failed.
pub fn failed_messages(answer: &Value, sent: &BTreeSet<String>) -> BTreeSet<String> {
    named(answer).filter(|named| named.is_subset(sent)).unwrap_or_else(|| sent.clone())
}

fn named(answer: &Value) -> Option<BTreeSet<String>> {
    let list = match answer {
        Value::Null => return Some(BTreeSet::new()),
        Value::Object(object) => object.get("batchItemFailures"),
        _ => None,
    };
    match list {
        None if answer.as_object().is_some_and(Map::is_empty) => Some(BTreeSet::new()),
        Some(Value::Null) => Some(BTreeSet::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.get("itemIdentifier")?.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}
