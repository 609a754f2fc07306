//! What Lambda makes of SQS messages for a function, and of the function's answer for SQS.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::Message;
use serde_json::{Map, Value, json};

/// Where the messages come from, as the event names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    region: String,
    arn: String,
}

impl Source {
    /// Of a queue at `http://HOST/ACCOUNT/NAME`.
    pub fn of(region: &str, queue_url: &str) -> Self {
        let mut parts = queue_url.rsplit('/');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Self { region: region.to_owned(), arn: format!("arn:aws:sqs:{region}:{account}:{name}") }
    }
}

/// The event for these messages.
pub fn event(source: &Source, messages: &[Message]) -> Value {
    let records: Vec<_> = messages.iter().map(|message| record(source, message)).collect();
    json!({ "Records": records })
}

fn record(source: &Source, message: &Message) -> Value {
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

/// The ids of the messages that failed, by Lambda's rules for partial-batch answers: nothing, `null` or an empty list
/// means that all went well, and an answer that makes no sense, or names a message that was not in the batch, that
/// all of them failed.
pub fn failures(answer: &Value, sent: &BTreeSet<String>) -> BTreeSet<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_by_lambdas_rules() {
        let sent: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
        let item = |id: Value| json!({ "batchItemFailures": [{ "itemIdentifier": id }] });
        for (answer, expect) in [
            (Value::Null, ""),
            (json!({}), ""),
            (json!({ "batchItemFailures": null }), ""),
            (json!({ "batchItemFailures": [] }), ""),
            (item(json!("b")), "b"),
            (item(json!("")), "ab"),
            (item(json!(null)), "ab"),
            (item(json!("c")), "ab"),
            (json!({ "batchItemFailures": [{ "id": "a" }] }), "ab"),
            (json!({ "batchItemFailures": "a" }), "ab"),
            (json!("done"), "ab"),
        ] {
            let failed: String = failures(&answer, &sent).into_iter().collect();
            assert_eq!(failed, expect, "{answer}");
        }
    }

    #[test]
    fn a_queue_is_named_by_its_arn() {
        let source = Source::of("eu-west-1", "http://127.0.0.1:1/123456789012/wake-ups");
        assert_eq!(source.arn, "arn:aws:sqs:eu-west-1:123456789012:wake-ups");
    }
}
