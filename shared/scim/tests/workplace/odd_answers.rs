use scim::TargetError;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn every_call_says_who_calls() {
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
    let mock = Mock::answering(307, &[("location", &elsewhere.url)], "").await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let long = format!("{{\"totalResults\":0,\"x\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let mock = Mock::answering(200, &[], long.clone()).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    let mock = Mock::answering(401, &[], long).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Unauthorized { .. })));
}

#[tokio::test]
async fn a_good_status_may_carry_a_complaint() {
    let mock = Mock::json(json!({"error": {"message": "slow down", "code": 17}})).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::RateLimited { .. })));
    let mock = Mock::json(json!({"error": {"message": "expired", "code": 190}})).await;
    assert!(matches!(mock.target().check().await, Err(TargetError::Unauthorized { .. })));
}

#[tokio::test]
async fn a_wrong_address_is_not_an_account_that_is_gone() {
    let mock = Mock::answering(404, &[], "").await;
    for error in [
        mock.target().check().await.unwrap_err(),
        mock.target().list(1).await.unwrap_err(),
        mock.target().create(&ada([])).await.unwrap_err(),
    ] {
        assert_eq!(error, TargetError::Malformed { detail: "there is no /Users at this address".to_owned() });
    }
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_not_taken() {
    let mock = Mock::json(json!({"id": 2, "active": false})).await;
    let somebody = claim(model::AccountId::new("1").unwrap());
    assert!(matches!(mock.target().fetch(somebody.id()).await, Err(TargetError::Malformed { .. })));
    assert!(matches!(mock.target().set_active(&somebody, false).await, Err(TargetError::Malformed { .. })));
}

#[tokio::test]
async fn a_change_without_an_answer_is_looked_at() {
    let mock = Mock::answering(204, &[], "").await;
    assert!(mock.target().set_active(&nobodys(), false).await.is_err());
    let id = nobodys();
    assert_eq!(mock.asked(), [format!("PUT /Users/{}", id.id()), format!("GET /Users/{}", id.id())]);
    assert_eq!(mock.target().delete(&id).await, Ok(scim::DeleteOutcome::Deleted));
}
