use queue::{ProvisionRequest, QueueError, SendResult};
use serde_json::json;

use crate::endpoint::{EntryResponse, SqsEndpoint, queue_at, requests};

const THROTTLED: EntryResponse = EntryResponse::Failed { code: "RequestThrottled", sender_fault: false };

#[tokio::test]
async fn batches_of_ten() {
    let endpoint = SqsEndpoint::of(|_, _| EntryResponse::Taken).await;
    let sent = endpoint.queue().send(&requests(25)).await.unwrap();
    assert_eq!(sent, SendResult { sent: 25, unsent: vec![], problem: None });
    let mut sizes: Vec<_> =
        endpoint.requests().iter().map(|request| request["Entries"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 10, 10]);
    let mut bodies: Vec<ProvisionRequest> = Vec::new();
    for request in endpoint.requests() {
        let bodies_of = request["Entries"].as_array().unwrap().clone();
        bodies.extend(
            bodies_of.iter().map(|e| ProvisionRequest::parse(e["MessageBody"].as_str().unwrap()).unwrap()),
        );
    }
    bodies.sort_unstable();
    let mut expect = requests(25);
    expect.sort_unstable();
    assert_eq!(bodies, expect);
}

#[tokio::test]
async fn empty_send_makes_no_request() {
    let endpoint = SqsEndpoint::of(|_, _| EntryResponse::Taken).await;
    assert_eq!(endpoint.queue().send(&[]).await, Ok(SendResult::default()));
    assert!(endpoint.requests().is_empty());
}

#[tokio::test]
async fn refused_messages_are_retried() {
    let half = |request, place| if request == 0 && place % 2 == 1 { THROTTLED } else { EntryResponse::Taken };
    let endpoint = SqsEndpoint::of(half).await;
    let sent = endpoint.queue().send(&requests(10)).await.unwrap();
    assert_eq!(sent, SendResult { sent: 10, unsent: vec![], problem: None });
    let requests = endpoint.requests();
    let bodies = |request: usize| {
        let entries = requests[request]["Entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["MessageBody"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(requests.len(), 2);
    let refused: Vec<_> = bodies(0).into_iter().skip(1).step_by(2).collect();
    assert_eq!(bodies(1), refused);
}

#[tokio::test]
async fn lasting_refusal_is_unsent_and_no_error() {
    let endpoint =
        SqsEndpoint::of(|_, place| if place == 0 { EntryResponse::Taken } else { THROTTLED }).await;
    let sent = endpoint.queue().send(&requests(8)).await.unwrap();
    // One is taken each time: at first, and in four retries.
    assert_eq!(sent.sent, 5);
    assert_eq!(sent.unsent, requests(8)[5..]);
    assert_eq!(sent.problem, Some(QueueError::Throttled));
    assert_eq!(endpoint.requests().len(), 5);
}

#[tokio::test]
async fn sender_fault_is_not_retried() {
    let bad = |_, place| match place {
        3 => EntryResponse::Failed { code: "InvalidMessageContents", sender_fault: true },
        _ => EntryResponse::Taken,
    };
    let endpoint = SqsEndpoint::of(bad).await;
    let sent = endpoint.queue().send(&requests(6)).await.unwrap();
    let refused =
        QueueError::Refused { action: "sqs:SendMessage", code: "InvalidMessageContents".to_owned() };
    assert_eq!(sent, SendResult { sent: 5, unsent: requests(6)[3..4].to_vec(), problem: Some(refused) });
    assert_eq!(endpoint.requests().len(), 1);
}

#[tokio::test]
async fn unmentioned_message_is_retried() {
    let forgetful = |request, place| {
        if request == 0 && place == 2 { EntryResponse::Forgotten } else { EntryResponse::Taken }
    };
    let endpoint = SqsEndpoint::of(forgetful).await;
    assert_eq!(endpoint.queue().send(&requests(3)).await.unwrap().sent, 3);
    assert_eq!(endpoint.requests().len(), 2);
}

#[tokio::test]
async fn outage_stops_further_batches() {
    let endpoint = SqsEndpoint::failing(503, json!({ "__type": "ServiceUnavailable" })).await;
    let sent = endpoint.queue().send(&requests(500)).await.unwrap();
    assert_eq!((sent.sent, sent.unsent.len()), (0, 500));
    assert!(matches!(sent.problem, Some(QueueError::Unavailable { .. })), "{:?}", sent.problem);
    assert_eq!(endpoint.requests().len(), 4 * 2, "four batches at once, tried twice by the client");

    let unreachable = queue_at("http://127.0.0.1:9").send(&requests(500)).await.unwrap();
    assert_eq!((unreachable.sent, unreachable.unsent.len()), (0, 500));
    assert!(matches!(unreachable.problem, Some(QueueError::Unavailable { .. })), "{:?}", unreachable.problem);
}

#[tokio::test]
async fn missing_permission_is_named() {
    for code in ["com.amazonaws.sqs#AccessDeniedException", "AccessDenied"] {
        let endpoint = SqsEndpoint::failing(403, json!({ "__type": code, "message": "no" })).await;
        let error = endpoint.queue().send(&requests(100)).await.unwrap_err();
        assert_eq!(error, QueueError::AccessDenied { action: "sqs:SendMessage" });
        assert!(error.to_string().contains("sqs:SendMessage"), "{error}");
    }
}

#[tokio::test]
async fn failures_by_meaning() {
    for (status, code, expect) in [
        (
            400,
            "com.amazonaws.sqs#QueueDoesNotExist",
            "there is no queue http://127.0.0.1:PORT/000000000000/provision-requests; deploy it or correct its URL",
        ),
        (
            400,
            "com.amazonaws.sqs#BatchRequestTooLong",
            "the queue refused sqs:SendMessage (BatchRequestTooLong)",
        ),
        (
            400,
            "KMS.AccessDeniedException",
            "access to the queue was denied; the role needs the right kms:GenerateDataKey on the queue's key",
        ),
    ] {
        let endpoint = SqsEndpoint::failing(status, json!({ "__type": code })).await;
        let error = endpoint.queue().send(&requests(1)).await.unwrap_err().to_string();
        let port = endpoint.queue().url().split(':').nth(2).unwrap().split('/').next().unwrap().to_owned();
        assert_eq!(error, expect.replace("PORT", &port));
    }
    for (status, code, expect) in [
        (400, "com.amazonaws.sqs#RequestThrottled", QueueError::Throttled),
        (500, "InternalFailure", unavailable("it failed inside (InternalFailure)")),
    ] {
        let endpoint = SqsEndpoint::failing(status, json!({ "__type": code })).await;
        let sent = endpoint.queue().send(&requests(1)).await.unwrap();
        assert_eq!((sent.unsent.len(), sent.problem), (1, Some(expect)), "{code}");
    }
    let gateway = SqsEndpoint::failing(502, json!({})).await;
    let sent = gateway.queue().send(&requests(1)).await.unwrap();
    assert_eq!(sent.problem, Some(unavailable("it answered with status 502")));
}

fn unavailable(detail: &str) -> QueueError {
    QueueError::Unavailable { action: "sqs:SendMessage", detail: detail.to_owned() }
}
