use queue::QueueError;
use serde_json::json;

use crate::endpoint::{Endpoint, Entry};

#[tokio::test]
async fn a_delay_is_cut_to_what_sqs_can_wait() {
    let endpoint = Endpoint::of(|_, _| Entry::Taken).await;
    let queue = endpoint.queue();
    for (seconds, expect) in [(-5, 0), (0, 0), (90, 90), (43_200, 42_300), (i64::MAX, 42_300)] {
        queue.delay("receipt", seconds).await.unwrap();
        let request = endpoint.requests().pop().unwrap();
        assert_eq!(request["VisibilityTimeout"], expect);
        assert_eq!(request["ReceiptHandle"], "receipt");
        assert_eq!(request["QueueUrl"], queue.url());
    }
}

#[tokio::test]
async fn failures_by_meaning() {
    let denied = Endpoint::failing(403, json!({ "__type": "AccessDeniedException" })).await;
    let error = denied.queue().delay("receipt", 1).await.unwrap_err();
    assert_eq!(error, QueueError::AccessDenied { action: "sqs:ChangeMessageVisibility" });

    let late = Endpoint::failing(400, json!({ "__type": "com.amazonaws.sqs#ReceiptHandleIsInvalid" })).await;
    let error = late.queue().delay("receipt", 1).await.unwrap_err();
    let action = "sqs:ChangeMessageVisibility";
    assert_eq!(error, QueueError::Refused { action, code: "ReceiptHandleIsInvalid".to_owned() });
}
