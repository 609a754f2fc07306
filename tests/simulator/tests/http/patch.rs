use serde_json::{Value, json};
use simulator::{NoTargetRule, SimulatorOptions};

use crate::client::{ENTERPRISE, TestClient, new_user};

/// Checks an attribute after one operation.
async fn check(operation: Value, attribute: &str, expect: Value) {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let answer = client.patch(id, json!([operation])).await;
    assert_eq!(answer.status, 200, "{operation} {answer:?}");
    let found = answer.json().get(attribute).cloned().unwrap_or(Value::Null);
    assert_eq!(found, expect, "{operation}");
    assert_eq!(client.ada(), answer.json());
}

async fn refused(operation: Value) {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let before = client.ada();
    let first = json!({"op": "replace", "path": "title", "value": "Countess"});
    let answer = client.patch(id, json!([first, operation])).await;
    assert_eq!(answer.status, 400, "{operation}");
    assert_eq!(client.ada(), before, "all operations, or none");
}

fn name(given: &str) -> Value {
    json!({"formatted": "Ada Lovelace", "givenName": given, "familyName": "Lovelace"})
}

#[tokio::test]
async fn simple_attributes_are_patched() {
    for op in ["add", "replace", "Replace"] {
        let operation = json!({"op": op, "path": "title", "value": "Countess"});
        check(operation, "title", json!("Countess")).await;
    }
    check(json!({"op": "replace", "path": "active", "value": false}), "active", json!(false)).await;
    check(json!({"op": "remove", "path": "title"}), "title", json!(null)).await;
    check(json!({"op": "remove", "path": "nickName"}), "nickName", json!(null)).await;
    check(json!({"op": "replace", "path": "title", "value": ""}), "title", json!(null)).await;
}

#[tokio::test]
async fn sub_attributes_are_patched() {
    check(json!({"op": "replace", "path": "name.givenName", "value": "Augusta"}), "name", name("Augusta"))
        .await;
    check(
        json!({"op": "remove", "path": "name.givenName"}),
        "name",
        json!({"formatted": "Ada Lovelace", "familyName": "Lovelace"}),
    )
    .await;
}

#[tokio::test]
async fn extension_attributes_are_patched() {
    let department = format!("{ENTERPRISE}:department");
    check(
        json!({"op": "replace", "path": department, "value": "Engines"}),
        ENTERPRISE,
        json!({"department": "Engines", "costCenter": "98765"}),
    )
    .await;
    check(json!({"op": "remove", "path": department}), ENTERPRISE, json!({"costCenter": "98765"})).await;
    check(json!({"op": "remove", "path": ENTERPRISE}), ENTERPRISE, json!(null)).await;
    let auth = "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User";
    check(
        json!({"op": "replace", "path": format!("{auth}:authMethod"), "value": "sso"}),
        auth,
        json!({"authMethod": "sso"}),
    )
    .await;
}

#[tokio::test]
async fn manager_is_patched() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let bob = client.simulator.seed(new_user("bob@acme.test"));
    let path = format!("{ENTERPRISE}:manager.managerId");
    let set = |value: u64| json!([{"op": "replace", "path": path, "value": value}]);
    assert_eq!(client.patch(id, set(bob)).await.status, 200);
    assert_eq!(client.ada()[ENTERPRISE]["manager"]["managerId"], bob);
    assert_eq!(client.ada()[ENTERPRISE]["department"], "Research");
    assert_eq!(client.patch(id, set(5)).await.status, 400);
    let removal = json!([{"op": "remove", "path": format!("{ENTERPRISE}:manager")}]);
    assert_eq!(client.patch(id, removal).await.status, 200);
    assert_eq!(client.ada()[ENTERPRISE].get("manager"), None);
}

#[tokio::test]
async fn list_elements_are_patched() {
    let work = json!({"value": "ada@acme.test", "type": "work", "primary": true});
    let home = json!({"value": "home@acme.test", "type": "home"});
    check(
        json!({"op": "replace", "path": r#"emails[type eq "work"].value"#, "value": "a@acme.test"}),
        "emails",
        json!([{"value": "a@acme.test", "type": "work", "primary": true}]),
    )
    .await;
    check(json!({"op": "add", "path": "emails", "value": [work, home]}), "emails", json!([work, home])).await;
    check(
        json!({"op": "add", "path": "emails", "value": {"value": "b@acme.test", "primary": true}}),
        "emails",
        json!([{"value": "ada@acme.test", "type": "work"}, {"value": "b@acme.test", "primary": true}]),
    )
    .await;
    check(json!({"op": "replace", "path": "emails", "value": [home]}), "emails", json!([home])).await;
    check(
        json!({"op": "remove", "path": r#"emails[type eq "work"].primary"#}),
        "emails",
        json!([{"value": "ada@acme.test", "type": "work"}]),
    )
    .await;
    check(json!({"op": "remove", "path": r#"emails[type eq "home"]"#}), "emails", json!([work])).await;
}

#[tokio::test]
async fn operation_without_path_is_applied() {
    check(
        json!({"op": "replace", "value": {"name.givenName": "Augusta", "title": "Countess"}}),
        "name",
        name("Augusta"),
    )
    .await;
    check(
        json!({"op": "add", "value": {ENTERPRISE: {"department": "Engines"}}}),
        ENTERPRISE,
        json!({"department": "Engines", "costCenter": "98765"}),
    )
    .await;
}

#[tokio::test]
async fn missing_element_is_refused_or_created() {
    let operation =
        json!({"op": "replace", "path": r#"phoneNumbers[type eq "work"].value"#, "value": "+44-1"});
    refused(operation.clone()).await;
    let (client, id) = TestClient::with_ada(SimulatorOptions {
        patch_no_target: NoTargetRule::Create,
        ..SimulatorOptions::default()
    })
    .await;
    client.patch(id, json!([operation])).await;
    assert_eq!(client.ada()["phoneNumbers"], json!([{"type": "work", "value": "+44-1"}]));
}

#[tokio::test]
async fn patch_can_be_unsupported() {
    let (client, id) =
        TestClient::with_ada(SimulatorOptions { patch: false, ..SimulatorOptions::default() }).await;
    let operation = json!([{"op": "remove", "path": "title"}]);
    assert_eq!(client.patch(id, operation).await.status, 405);
    let config = client.get("/ServiceProviderConfigs").await.json();
    assert_eq!(config["patch"]["supported"], false);
}
