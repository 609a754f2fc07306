use reqwest::{Method, header};
use serde_json::json;
use simulator::{ErrorShape, SimulatorOptions};

use crate::client::{TestClient, ada, send};

#[tokio::test]
async fn refusals_have_each_error_shape() {
    let answer = |shape| async move {
        let client =
            TestClient::start(SimulatorOptions { error_shape: shape, ..SimulatorOptions::default() }).await;
        client.find("nonsense").await
    };
    let errors = answer(ErrorShape::Errors).await;
    assert_eq!(errors.status, 400);
    assert_eq!(errors.json()["Errors"][0]["code"], 400);
    assert!(errors.description().contains("nonsense"));

    let scim = answer(ErrorShape::Scim).await.json();
    assert_eq!(scim["status"], "400");
    assert_eq!(scim["scimType"], "invalidFilter");
    assert_eq!(scim["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));

    let graph = answer(ErrorShape::Graph).await.json();
    assert_eq!(graph["error"]["type"], "OAuthException");
    assert_eq!(graph["error"]["code"], 400);

    let empty = answer(ErrorShape::Empty).await;
    assert_eq!((empty.status, empty.text.as_str()), (400, ""));
}

#[tokio::test]
async fn user_agent_is_required() {
    let client = TestClient::default().await;
    let request = || client.bare(Method::GET, "/Users").bearer_auth(client.simulator.token());
    assert_eq!(send(request()).await.status, 403);
    let empty = request().header(header::USER_AGENT, "");
    assert_eq!(send(empty).await.status, 403);
    let named = request().header(header::USER_AGENT, "provisioner");
    assert_eq!(send(named).await.status, 200);
}

#[tokio::test]
async fn token_is_required() {
    let client = TestClient::default().await;
    let request = || client.bare(Method::GET, "/Users").header(header::USER_AGENT, "provisioner");
    for request in [
        request(),
        request().bearer_auth("wrong"),
        request().basic_auth("simulator-token", None::<&str>),
        request().header(header::AUTHORIZATION, "simulator-token"),
    ] {
        let answer = send(request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["code"], 190);
    }
    client.simulator.set_token("new");
    let old = send(request().bearer_auth("simulator-token")).await;
    assert_eq!(old.status, 401);
    assert_eq!(send(request().bearer_auth("new")).await.status, 200);
}

#[tokio::test]
async fn a_proof_in_the_query_is_no_hindrance() {
    let client = TestClient::default().await;
    let answer = client.get("/Users?appsecret_proof=00ff&appsecret_time=1700000000").await;
    assert_eq!(answer.status, 200);
    let request = &client.simulator.requests()[0];
    assert_eq!(request.query["appsecret_time"], "1700000000");
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let account = format!("/Users/{id}");
    for (method, path) in
        [(Method::POST, "/Users"), (Method::PUT, account.as_str()), (Method::PATCH, account.as_str())]
    {
        for body in ["", "{", "[]", "null", "\u{0}", "\"text\"", "{\"a\":"] {
            let answer = send(client.request(method.clone(), path).body(body)).await;
            assert_eq!(answer.status, 400, "{method} {body:?}");
        }
        let deep = "[".repeat(100_000);
        let answer = send(client.request(method.clone(), path).body(deep)).await;
        assert_eq!(answer.status, 400, "{method} deep");
    }
    assert_eq!(send(client.request(Method::DELETE, "/Users")).await.status, 405);
    assert_eq!(send(client.request(Method::POST, &account)).await.status, 405);
    assert_eq!(client.get("/Users?filter=%ff%fe&%zz=1").await.status, 400);
    assert_eq!(client.ada()["title"], ada()["title"]);
}

#[tokio::test]
async fn call_usage_is_announced() {
    let client =
        TestClient::start(SimulatorOptions { app_usage: Some(95), ..SimulatorOptions::default() }).await;
    let answer = client.get("/Users").await;
    let usage: serde_json::Value = serde_json::from_slice(answer.headers["x-app-usage"].as_bytes()).unwrap();
    assert_eq!(usage["call_count"], 95);
}
