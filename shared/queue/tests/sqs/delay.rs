use queue::QueueError;
use serde_json::json;

use crate::endpoint::{EntryResponse, SqsEndpoint};

#[tokio::test]
async fn delay_is_cut_to_sqs_maximum() {
    let endpoint = SqsEndpoint::of(|_, _| EntryResponse::Taken).await;
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
    let denied = SqsEndpoint::failing(403, json!({ "__type": "AccessDeniedException" })).await;
    let error = denied.queue().delay("receipt", 1).await.unwrap_err();
    assert_eq!(error, QueueError::AccessDenied { action: "sqs:ChangeMessageVisibility" });

    let late =
        SqsEndpoint::failing(400, json!({ "__type": "com.amazonaws.sqs#ReceiptHandleIsInvalid" })).await;
    let error = late.queue().delay("receipt", 1).await.unwrap_err();
    let action = "sqs:ChangeMessageVisibility";
    assert_eq!(error, QueueError::Refused { action, code: "ReceiptHandleIsInvalid".to_owned() });
}
