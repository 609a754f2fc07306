use scim::{TargetCredentials, TargetError};
use serde_json::json;
use simulator::{Content, Effect, ErrorShape, Fault, Options, Reply};

use crate::support::*;

#[tokio::test]
async fn a_wrong_token_shows_at_once() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, _) = workplace(Options { error_shape, ..Options::default() }).await;
        let target = target_at(&workplace.url(), "wrong", QUICK).unwrap();
        assert!(matches!(target.check().await, Err(TargetError::Unauthorized { .. })));
        assert_eq!(workplace.request_count(), 1);
    }
}

#[tokio::test]
async fn meanings_do_not_depend_on_the_shape_of_an_error() {
    for error_shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let (workplace, target, now) =
            with_ada(Options { error_shape, ..Options::default() }, json!({})).await;
        let answer = async |status| {
            workplace.inject(Fault::always(Effect::status(status)));
            let error = target.update(&owned(&now), &now, &ada([])).await.unwrap_err();
            workplace.clear_faults();
            error
        };
        assert!(matches!(answer(400).await, TargetError::Rejected { .. }));
        assert!(matches!(answer(401).await, TargetError::Unauthorized { .. }));
        assert!(matches!(answer(403).await, TargetError::Rejected { .. }));
        assert!(matches!(answer(404).await, TargetError::NotFound));
        assert!(matches!(answer(409).await, TargetError::Conflict { .. }));
        assert!(matches!(answer(429).await, TargetError::RateLimited { .. }));
        assert!(matches!(answer(500).await, TargetError::Unavailable { .. }));
        assert!(matches!(answer(503).await, TargetError::Unavailable { .. }));
    }
}

#[tokio::test]
async fn bodies_that_are_no_answer() {
    let (workplace, target, now) = with_ada(Options::default(), json!({})).await;
    let answer = async |status, content| {
        workplace.inject(Fault::always(Effect::Answer(Reply::status(status).content(content))));
        let error = target.fetch(&now.account.id).await.unwrap_err();
        workplace.clear_faults();
        error
    };
    for content in [
        Content::Html,
        Content::Empty,
        Content::MalformedJson,
        Content::Json(json!([])),
        Content::Json(json!({"id": 1})),
    ] {
        let error = answer(200, content.clone()).await;
        assert!(matches!(error, TargetError::Malformed { .. }), "{content:?}: {error}");
    }
    for content in [Content::Html, Content::Empty, Content::MalformedJson] {
        let error = answer(502, content.clone()).await;
        assert!(matches!(error, TargetError::Unavailable { .. }), "{content:?}: {error}");
    }
}

#[tokio::test]
async fn nobody_there_is_not_available() {
    let (workplace, target) = workplace(Options::default()).await;
    drop(workplace);
    let closed = target_at("http://127.0.0.1:1", "t", QUICK).unwrap();
    let error = closed.find_by_user_name(&name(ADA)).await.unwrap_err();
    assert!(matches!(&error, TargetError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("ada"), "{error}");
    assert_eq!(closed.calls().reads, 3);
    drop(target);
}

#[tokio::test]
async fn a_target_that_is_too_slow_is_not_available() {
    let (workplace, _) = workplace(Options::default()).await;
    workplace.inject(Fault::always(Effect::Delay { ms: 5_000 }));
    let once = scim::RetryPolicy { attempts: 1, ..QUICK };
    let target = impatient(&workplace, once);
    let error = target.check().await.unwrap_err();
    assert_eq!(error, TargetError::Unavailable { detail: "no answer within 1 s".to_owned() });
}

#[test]
fn the_token_needs_an_encrypted_way() {
    for (url, expect) in [
        (
            "http://scim.workplace.com",
            "http://scim.workplace.com is not encrypted; give an https address (plain http is for loopback only)",
        ),
        ("workplace", "the target's URL can't be used: relative URL without a base"),
    ] {
        assert_eq!(target_at(url, "t", QUICK).unwrap_err().to_string(), expect);
    }
    assert!(target_at("https://scim.workplace.com/", "t", QUICK).is_ok());
}

#[test]
fn nothing_shows_the_secrets() {
    let credentials =
        TargetCredentials { access_token: "the-token".into(), app_secret: Some("the-secret".into()) };
    let target = target_at("http://127.0.0.1:1", "the-token", QUICK).unwrap();
    let shown = format!("{credentials:?} {target:?}");
    assert!(!shown.contains("the-"), "{shown}");
}
