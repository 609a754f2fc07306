use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, SimulatorOptions, TargetFault};

use crate::client::{Client, ada, person, send};

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_says() {
    let client = Client::default().await;
    client.simulator.inject(TargetFault::times(2, FaultEffect::status(503)));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.post(ada()).await.status);
    }
    assert_eq!(statuses, [503, 503, 201]);
    let log = client.simulator.requests();
    assert_eq!(log.iter().map(|r| r.status).collect::<Vec<_>>(), statuses);
    assert_eq!(log.iter().map(|r| r.changed).collect::<Vec<_>>(), [false, false, true]);
}

#[tokio::test]
async fn a_fault_strikes_what_it_matches() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    let bob = client.simulator.seed(person("bob@acme.test"));
    let always = || TargetFault::always(FaultEffect::status(500));

    client.simulator.inject(always().method("put"));
    assert_eq!(client.get("/Users").await.status, 200);
    assert_eq!(client.put(id, json!({})).await.status, 500);
    client.simulator.clear_faults();
    assert_eq!(client.put(id, json!({})).await.status, 200);

    client.simulator.inject(always().path("/Schemas"));
    assert_eq!(client.get("/Users").await.status, 200);
    assert_eq!(client.get("/Schemas/Users").await.status, 500);
    client.simulator.clear_faults();

    client.simulator.inject(always().user("Ada@acme.test"));
    assert_eq!(client.put(id, json!({})).await.status, 500);
    assert_eq!(client.post(ada()).await.status, 500);
    assert_eq!(client.find(r#"userName eq "ada@acme.test""#).await.status, 500);
    assert_eq!(client.put(bob, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_fault_may_end_by_itself() {
    let client = Client::default().await;
    client.get("/Users").await;
    let fault = TargetFault::always(FaultEffect::status(503));
    client.simulator.inject_for(Duration::from_secs(1), fault);
    assert_eq!(client.get("/Users").await.status, 503);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(client.get("/Users").await.status, 200);
}

#[tokio::test]
async fn throttling_has_many_forms() {
    let client = Client::default().await;
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
async fn bodies_may_be_anything() {
    let client = Client::default().await;
    let answered = |reply| {
        client.simulator.inject(TargetFault::once(FaultEffect::Answer(reply)));
        client.get("/Users")
    };
    let html = answered(SimulatedReply::status(502).content(ReplyBody::Html)).await;
    assert_eq!(html.headers["content-type"], "text/html");
    assert!(html.text.starts_with("<html>"));
    let empty = answered(SimulatedReply::status(200).content(ReplyBody::Empty)).await;
    assert_eq!((empty.status, empty.text.as_str()), (200, ""));
    let malformed = answered(SimulatedReply::status(200).content(ReplyBody::MalformedJson)).await;
    assert!(serde_json::from_str::<serde_json::Value>(&malformed.text).is_err());
    let own = answered(SimulatedReply::json(418, json!({"a": 1})).retry_after(3)).await;
    assert_eq!((own.status, own.json()), (418, json!({"a": 1})));
    assert_eq!(own.headers["retry-after"], "3");
    assert_eq!(answered(SimulatedReply::status(100)).await.status, 500);
    assert_eq!(answered(SimulatedReply::status(0)).await.status, 500);
}

#[tokio::test]
async fn a_dropped_request_did_nothing() {
    let client = Client::default().await;
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
async fn a_lost_answer_leaves_its_effect() {
    let client = Client::default().await;
    client.simulator.inject(TargetFault::once(FaultEffect::EffectThenDrop).method("POST"));
    let request = client.request(Method::POST, "/Users").json(&ada());
    assert!(request.send().await.is_err());
    assert_eq!(client.simulator.accounts().len(), 1);
    let log = client.simulator.writes();
    assert_eq!((log[0].status, log[0].changed), (0, true));
    assert_eq!(log[0].to_string(), "POST /Users → no answer");
    assert_eq!(client.post(ada()).await.status, 409);
}

#[tokio::test]
async fn something_in_between_may_answer_for_the_server() {
    let client = Client::default().await;
    let gateway = SimulatedReply::status(504).content(ReplyBody::Html);
    client.simulator.inject(TargetFault::once(FaultEffect::EffectThenAnswer(gateway)));
    assert_eq!(client.post(ada()).await.status, 504);
    assert_eq!(client.simulator.accounts().len(), 1);
}

#[tokio::test]
async fn a_late_answer_leaves_its_effect() {
    let client = Client::default().await;
    client.simulator.inject(TargetFault::once(FaultEffect::EffectThenDelay { ms: 60_000 }));
    let request = client.request(Method::POST, "/Users").json(&ada());
    let impatient = request.timeout(Duration::from_secs(1));
    assert!(impatient.send().await.unwrap_err().is_timeout());
    assert_eq!(client.simulator.accounts().len(), 1);
}

#[tokio::test]
async fn a_delayed_request_takes_effect_although_its_caller_has_left() {
    let client = Client::default().await;
    client.simulator.inject(TargetFault::once(FaultEffect::Delay { ms: 1_500 }));
    let request = client.request(Method::POST, "/Users").json(&ada());
    let impatient = request.timeout(Duration::from_millis(500));
    assert!(impatient.send().await.unwrap_err().is_timeout());
    let arrived = async {
        while client.simulator.accounts().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, arrived).await.unwrap();
}

#[tokio::test]
async fn latency_slows_everything() {
    let client = Client::default().await;
    client.simulator.set_latency(Duration::from_millis(50));
    let started = Instant::now();
    send(client.request(Method::GET, "/Users")).await;
    assert!(started.elapsed() >= Duration::from_millis(50));
}
