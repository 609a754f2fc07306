//! Workplace's SCIM v1: its own names and path, no PATCH.

use reqwest::Method;
use serde_json::{Value, json};
use simulator::{Product, SimulatorOptions};

use crate::client::*;

const ENTERPRISE_V1: &str = "urn:scim:schemas:extension:enterprise:1.0";

#[tokio::test]
async fn resources_have_v1_names() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::v1()).await;
    let ada = client.get(&format!("/Users/{id}")).await.json();
    assert_eq!(ada["schemas"][0], "urn:scim:schemas:core:1.0");
    assert_eq!(ada[ENTERPRISE_V1]["department"], "Research");
    assert!(!ada.to_string().contains("urn:ietf:"), "{ada}");

    let auth = "urn:scim:schemas:extension:facebook:auth_method:1.0";
    let changed = client.put(id, json!({"schemas": [auth], (auth): {"auth_method": "sso"}})).await.json();
    assert_eq!(changed[auth], json!({"auth_method": "sso"}));
    assert_eq!(changed[ENTERPRISE_V1], ada[ENTERPRISE_V1]);
}

#[tokio::test]
async fn v2_names_are_refused() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::v1()).await;
    for body in [
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "active": false}),
        json!({"schemas": [], (ENTERPRISE): {"department": "Poetry"}}),
    ] {
        let answer = client.put(id, body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.description().starts_with("schemas: urn:ietf:"), "{}", answer.text);
    }
    assert_eq!(client.ada()["active"], Value::Bool(true));
}

#[tokio::test]
async fn v1_has_its_own_path_and_no_patch() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::v1()).await;
    assert!(client.simulator.url().ends_with("/scim/v1"));
    let patched = client.patch(id, json!([{"op": "remove", "path": "title"}])).await;
    assert_eq!(patched.status, 405);
    client.simulator.change_options(|options| options.product = Product::Workplace);
    let request = client.request(Method::GET, "/scim/v1/Users");
    assert_eq!(send(request).await.status, 404);
}
