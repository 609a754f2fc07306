use scim::{TargetCredentials, TargetError};
use serde_json::json;
use simulator::{ErrorShape, FaultEffect, ReplyBody, SimulatedReply, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn wrong_token_fails_the_first_call() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, _) = workplace(SimulatorOptions { error_shape, ..SimulatorOptions::default() }).await;
        let target = target_at(&workplace.url(), "wrong", QUICK).unwrap();
        assert!(matches!(target.check().await, Err(TargetError::Unauthorized { .. })));
        assert_eq!(workplace.request_count(), 1);
    }
}

#[tokio::test]
async fn error_shape_does_not_change_the_meaning() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, target, now) =
            with_ada(SimulatorOptions { error_shape, ..SimulatorOptions::default() }, json!({})).await;
        let error_of = async |status| {
            workplace.inject(TargetFault::always(FaultEffect::status(status)));
            let error = target.update(&owned(&now), &now, &ada([])).await.unwrap_err();
            workplace.clear_faults();
            error
        };
        assert!(matches!(error_of(400).await, TargetError::Rejected { .. }));
        assert!(matches!(error_of(401).await, TargetError::Unauthorized { .. }));
        assert!(matches!(error_of(403).await, TargetError::Rejected { .. }));
        assert!(matches!(error_of(404).await, TargetError::NotFound));
        assert!(matches!(error_of(409).await, TargetError::Conflict { .. }));
        assert!(matches!(error_of(429).await, TargetError::RateLimited { .. }));
        assert!(matches!(error_of(500).await, TargetError::Unavailable { .. }));
        assert!(matches!(error_of(503).await, TargetError::Unavailable { .. }));
    }
}

#[tokio::test]
async fn unexpected_bodies_are_malformed_or_unavailable() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    let error_of = async |status, content| {
        workplace.inject(TargetFault::always(FaultEffect::Answer(
            SimulatedReply::status(status).content(content),
        )));
        let error = target.fetch(&now.account.id).await.unwrap_err();
        workplace.clear_faults();
        error
    };
    for content in [
        ReplyBody::Html,
        ReplyBody::Empty,
        ReplyBody::MalformedJson,
        ReplyBody::Json(json!([])),
        ReplyBody::Json(json!({"id": 1})),
    ] {
        let error = error_of(200, content.clone()).await;
        assert!(matches!(error, TargetError::Malformed { .. }), "{content:?}: {error}");
    }
    for content in [ReplyBody::Html, ReplyBody::Empty, ReplyBody::MalformedJson] {
        let error = error_of(502, content.clone()).await;
        assert!(matches!(error, TargetError::Unavailable { .. }), "{content:?}: {error}");
    }
}

#[tokio::test]
async fn refused_connection_means_unavailable() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    drop(workplace);
    let closed = target_at("http://127.0.0.1:1", "t", QUICK).unwrap();
    let error = closed.find_by_user_name(&name(ADA)).await.unwrap_err();
    assert!(matches!(&error, TargetError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("ada"), "{error}");
    assert_eq!(closed.calls().reads, 3);
    drop(target);
}

#[tokio::test]
async fn timeout_means_unavailable() {
    let (workplace, _) = workplace(SimulatorOptions::default()).await;
    workplace.inject(TargetFault::always(FaultEffect::Delay { ms: 5_000 }));
    let once = scim::RetryPolicy { attempts: 1, ..QUICK };
    let target = with_short_timeout(&workplace, once);
    let error = target.check().await.unwrap_err();
    assert_eq!(error, TargetError::Unavailable { detail: "no response within 1 s".to_owned() });
}

#[test]
fn url_must_be_encrypted() {
    for (url, expect) in [
        (
            "http://scim.workplace.com",
            "target URL http://scim.workplace.com is not encrypted; use https (plain http is allowed for loopback addresses only)",
        ),
        ("workplace", "target URL can't be used: it must begin with https://"),
    ] {
        assert_eq!(target_at(url, "t", QUICK).unwrap_err().to_string(), expect);
    }
    assert!(target_at("https://scim.workplace.com/", "t", QUICK).is_ok());
}

#[test]
fn debug_output_hides_secrets() {
    let credentials =
        TargetCredentials { access_token: "the-token".into(), app_secret: Some("the-secret".into()) };
    let target = target_at("http://127.0.0.1:1", "the-token", QUICK).unwrap();
    let shown = format!("{credentials:?} {target:?}");
    assert!(!shown.contains("the-"), "{shown}");
}
