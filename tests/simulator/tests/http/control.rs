use reqwest::Method;
use serde_json::{Value, json};
use simulator::SimulatorOptions;

use crate::client::{Answer, Client, ada, send};

async fn control(client: &Client, method: Method, path: &str, body: Value) -> Answer {
    let path = format!("/_simulator/{path}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(client.bare(method, &path).body(body)).await
}

#[tokio::test]
async fn accounts_and_requests_can_be_seen() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    client.get("/Users").await;
    let accounts = control(&client, Method::GET, "accounts", json!(null)).await;
    assert_eq!(accounts.json()[0]["id"], id);
    let requests = control(&client, Method::GET, "requests", json!(null)).await;
    let requests = requests.json();
    assert_eq!(requests.as_array().unwrap().len(), 1);
    assert_eq!(requests[0]["path"], "/Users");
    assert!(requests[0]["at_ms"].is_u64());
}

#[tokio::test]
async fn faults_can_be_injected() {
    let client = Client::default().await;
    for (fault, status) in [
        (json!({"effect": {"kind": "answer", "status": 503}}), 503),
        (json!({"effect": {"kind": "answer", "status": 502, "content": "html", "retry_after": 3}}), 502),
        (json!({"effect": {"kind": "answer", "status": 418, "content": {"json": {"a": 1}}}}), 418),
        (json!({"effect": {"kind": "too-many-requests"}, "lasting_ms": 60_000}), 429),
        (
            json!({"effect": {"kind": "graph-throttle", "status": 400, "code": 4}, "matches": {"method": "GET"}}),
            400,
        ),
        (json!({"effect": {"kind": "token-expired"}, "times": 1}), 401),
        (json!({"effect": {"kind": "delay", "ms": 1}, "matches": {"path": "/Users"}}), 200),
        (json!({"effect": {"kind": "effect-then-answer", "status": 504}}), 504),
        (json!({"effect": {"kind": "effect-then-delay", "ms": 1}}), 200),
    ] {
        let injected = control(&client, Method::POST, "faults", fault.clone()).await;
        assert_eq!(injected.status, 204, "{fault} {injected:?}");
        assert_eq!(client.get("/Users").await.status, status, "{fault}");
        assert_eq!(client.get("/Users").await.status, 200, "{fault}");
    }
    for kind in ["drop", "effect-then-drop"] {
        let fault = json!({"effect": {"kind": kind}});
        control(&client, Method::POST, "faults", fault).await;
        let request = client.request(Method::GET, "/Users");
        assert!(request.send().await.is_err(), "{kind}");
    }
    for nonsense in [
        json!(null),
        json!(5),
        json!({}),
        json!({"effect": {"kind": "explode"}}),
        json!({"effect": {"kind": "drop"}, "matches": {"verb": "GET"}}),
    ] {
        let injected = control(&client, Method::POST, "faults", nonsense).await;
        assert_eq!(injected.status, 400);
    }
}

#[tokio::test]
async fn everything_can_be_forgotten() {
    let (client, _) = Client::with_ada(SimulatorOptions::default()).await;
    let fault = json!({"effect": {"kind": "drop"}});
    control(&client, Method::POST, "faults", fault.clone()).await;
    control(&client, Method::DELETE, "faults", json!(null)).await;
    assert_eq!(client.get("/Users").await.status, 200);
    control(&client, Method::POST, "faults", fault).await;
    let reset = control(&client, Method::POST, "reset", json!(null)).await;
    assert_eq!(reset.status, 204);
    assert_eq!(client.simulator.requests(), []);
    let first = client.post(ada()).await.json();
    assert_eq!(first["id"], json!(100_000_000_000_001_u64));
}
