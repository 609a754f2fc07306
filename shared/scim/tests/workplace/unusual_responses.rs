use scim::TargetError;
use serde_json::json;

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
