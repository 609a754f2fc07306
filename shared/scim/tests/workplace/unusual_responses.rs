use scim::TargetError;
use serde_json::json;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn each_call_sends_user_agent_and_token() {
    let mock = Mock::json(json!({"totalResults": 0})).await;
    mock.target().check().await.unwrap();
    let headers = mock.headers();
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("user-agent"), format!("workplace-provisioner/{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("authorization"), "Bearer the-token");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Mock::json(json!({"totalResults": 0})).await;
    let mock = Mock::responding(307, &[("location", &elsewhere.url)], "").await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn overlong_response_is_refused() {
    let long = format!("{{\"totalResults\":0,\"x\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let mock = Mock::responding(200, &[], long.clone()).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    let mock = Mock::responding(401, &[], long).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Unauthorized { .. })));
}

#[tokio::test]
async fn error_body_with_success_status_is_an_error() {
    let mock = Mock::json(json!({"error": {"message": "slow down", "code": 17}})).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::RateLimited { .. })));
    let mock = Mock::json(json!({"error": {"message": "expired", "code": 190}})).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Unauthorized { .. })));
}

#[tokio::test]
async fn missing_user_list_is_an_error_of_the_url() {
    let mock = Mock::responding(404, &[], "").await;
    for error in [
        mock.target().check().await.unwrap_err(),
        mock.target().list(1).await.unwrap_err(),
        mock.target().create(&ada([])).await.unwrap_err(),
    ] {
        assert_eq!(error, TargetError::Malformed { detail: "there is no /Users at this URL".to_owned() });
    }
}

#[tokio::test]
async fn response_about_another_account_is_refused() {
    let mock = Mock::json(json!({"id": 2, "active": false})).await;
    let account = claim(model::AccountId::new("1").unwrap());
    assert!(matches!(mock.target().fetch(account.id()).await, Err(TargetError::Malformed { .. })));
    assert!(matches!(mock.target().deactivate(&account).await, Err(TargetError::Malformed { .. })));
}

#[tokio::test]
async fn account_is_read_after_a_change_without_response_body() {
    let mock = Mock::responding(204, &[], "").await;
    assert!(mock.target().deactivate(&unknown_account()).await.is_err());
    let id = unknown_account();
    assert_eq!(mock.requests(), [format!("PUT /Users/{}", id.id()), format!("GET /Users/{}", id.id())]);
}

#[tokio::test]
async fn account_is_read_after_a_change_with_an_unexpected_response_body() {
    for content in [
        ReplyBody::Json(json!({})),
        ReplyBody::Json(json!(null)),
        ReplyBody::Json(json!({"message": "ok"})),
        ReplyBody::Json(json!({"totalResults": 0, "Resources": []})),
        ReplyBody::Text("done".to_owned()),
        ReplyBody::Html,
        ReplyBody::MalformedJson,
    ] {
        let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
        let reply = SimulatedReply::status(200).content(content.clone());
        workplace.inject(TargetFault::always(FaultEffect::EffectThenAnswer(reply)).method("PUT"));
        let poet = target.update(&owned(&now), &now, &ada([("title", text("Poet"))])).await.unwrap();
        assert_eq!(shown(&poet, "title"), "Poet", "{content:?}");
        let off = target.deactivate(&owned(&now)).await.unwrap();
        assert_eq!(shown(off.resource(), "title"), "Poet", "{content:?}");
        let asked: Vec<_> = workplace.requests().iter().map(|request| request.method.clone()).collect();
        assert_eq!(asked, ["PUT", "GET", "PUT", "GET"], "{content:?}");
    }
}

/// Content as a server sends it that packs all its answers.
fn packed(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, content.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn packed_response_is_read_though_it_was_not_asked_for() {
    let headers = [("content-encoding", "gzip")];
    let mock = Mock::responding(200, &headers, packed("{\"totalResults\":0}")).await;
    assert_eq!(mock.target().check().await, Ok(()));
    assert_eq!(mock.headers().get("accept-encoding"), None);
    let long = format!("{{\"totalResults\":0,\"x\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let mock = Mock::responding(200, &headers, packed(&long)).await;
    let error = mock.target().check().await.unwrap_err().to_string();
    assert!(error.contains("a body that is too long"), "{error}");
    let mock = Mock::responding(200, &headers, &b"\x1f\x8bno gzip"[..]).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
}

/// A server that answers a filter without a match with 404, and the list with this status.
async fn filter_not_found(list: u16) -> Result<Option<scim::Resource>, TargetError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let handler = move |uri: axum::http::Uri| {
        let is_filter = uri.query().is_some_and(|query| query.contains("filter"));
        let status = if is_filter { 404 } else { list };
        let body = match status {
            200 => json!({"totalResults": 1, "Resources": [{"id": "1", "userName": "boss@acme.test"}]}),
            _ => json!({"status": status.to_string(), "detail": "no users"}),
        };
        let response = axum::http::Response::builder().status(status).body(body.to_string());
        async move { response.expect("a response") }
    };
    tokio::spawn(axum::serve(listener, axum::Router::new().fallback(handler)).into_future());
    let target = target_at(&url, "the-token", QUICK).expect("loopback");
    assert_eq!(target.probe().await.is_ok(), list == 200);
    target.find_by_user_name(&name(ADA)).await
}

#[tokio::test]
async fn filter_answered_with_404_finds_no_account_where_the_list_is_served() {
    assert_eq!(filter_not_found(200).await, Ok(None));
    for list in [404, 500] {
        assert!(filter_not_found(list).await.is_err(), "{list}");
    }
}

#[tokio::test]
async fn filter_is_sent_with_a_count() {
    let mock = Mock::json(json!({"totalResults": 0})).await;
    mock.target().find_by_user_name(&name(ADA)).await.unwrap();
    assert_eq!(mock.requests(), ["GET /Users?filter=userName%20eq%20%22ada%40acme.test%22&count=100"]);
}
