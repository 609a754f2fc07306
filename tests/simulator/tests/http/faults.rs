use reqwest::Method;
use simulator::{FaultEffect, TargetFault};

use crate::client::{TestClient, ada};

#[tokio::test]
async fn throttling_has_several_forms() {
    let client = TestClient::default().await;
    let throttled = |effect| {
        client.simulator.inject(TargetFault::once(effect));
        client.get("/Users")
    };
    let plain = throttled(FaultEffect::TooManyRequests { retry_after: None }).await;
    assert_eq!(plain.status, 429);
    assert_eq!(plain.headers.get("retry-after"), None);
    let kind = throttled(FaultEffect::TooManyRequests { retry_after: Some(7) }).await;
    assert_eq!(kind.headers["retry-after"], "7");
    for status in [400, 403] {
        let graph = throttled(FaultEffect::GraphThrottle { status, code: 4 }).await;
        assert_eq!(graph.status, status);
        assert_eq!(graph.json()["error"]["code"], 4);
    }
    let expired = throttled(FaultEffect::TokenExpired).await;
    assert_eq!(expired.status, 401);
    assert_eq!(expired.json()["error"]["code"], 190);
    assert_eq!(client.get("/Users").await.status, 200);
}

#[tokio::test]
async fn dropped_request_has_no_effect() {
    let client = TestClient::default().await;
    client.simulator.inject(TargetFault::once(FaultEffect::Drop));
    let request = client.request(Method::POST, "/Users").json(&ada());
    assert!(request.send().await.is_err());
    assert!(client.simulator.accounts().is_empty());
    let log = client.simulator.requests();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].status, log[0].changed), (0, false));
    assert_eq!(client.post(ada()).await.status, 201);
}

#[tokio::test]
async fn lost_response_keeps_the_effect() {
    let client = TestClient::default().await;
    client.simulator.inject(TargetFault::once(FaultEffect::EffectThenDrop).method("POST"));
    let request = client.request(Method::POST, "/Users").json(&ada());
    assert!(request.send().await.is_err());
    assert_eq!(client.simulator.accounts().len(), 1);
    let log = client.simulator.writes();
    assert_eq!((log[0].status, log[0].changed), (0, true));
    assert_eq!(log[0].to_string(), "POST /Users → no response");
    assert_eq!(client.post(ada()).await.status, 409);
}
