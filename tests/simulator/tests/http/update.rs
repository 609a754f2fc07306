use serde_json::{Value, json};
use simulator::{EmptyValueRule, PutRule, SimulatorOptions};

use crate::client::{ENTERPRISE, STATUS, TestClient, new_user};

fn replacing() -> SimulatorOptions {
    SimulatorOptions { put: PutRule::Replace, ..SimulatorOptions::default() }
}

fn on_empty(empty_string: EmptyValueRule) -> SimulatorOptions {
    SimulatorOptions { empty_string, ..SimulatorOptions::default() }
}

#[tokio::test]
async fn put_merges() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let before = client.ada();
    let answer = client.put(id, json!({"active": false})).await;
    assert_eq!(answer.status, 200);
    let mut expect = before.clone();
    expect["active"] = json!(false);
    assert_eq!(answer.json(), expect);

    client
        .put(
            id,
            json!({
                "name": {"givenName": "Augusta"},
                "emails": [{"value": "a@acme.test", "type": "home"}],
                ENTERPRISE: {"department": "Engines"},
            }),
        )
        .await;
    let after = client.ada();
    assert_eq!(after["name"]["givenName"], "Augusta");
    assert_eq!(after["name"]["familyName"], "Lovelace");
    assert_eq!(after["emails"], json!([{"value": "a@acme.test", "type": "home"}]));
    assert_eq!(after[ENTERPRISE]["department"], "Engines");
    assert_eq!(after[ENTERPRISE]["costCenter"], "98765");
}

#[tokio::test]
async fn put_replaces_if_configured() {
    let (client, id) = TestClient::with_ada(replacing()).await;
    let answer = client.put(id, json!({"userName": "ada@acme.test", "name": {"formatted": "Ada"}})).await;
    assert_eq!(answer.status, 200);
    let after = answer.json();
    assert_eq!(after["name"], json!({"formatted": "Ada"}));
    assert_eq!(after.get("title"), None);
    assert_eq!(after.get("externalId"), None);
    assert_eq!(after.get(ENTERPRISE), None);
    assert_eq!(after["id"], id);
    assert_eq!(
        client.put(id, json!({"active": false})).await.status,
        400,
        "required attributes must be sent"
    );
}

#[tokio::test]
async fn empty_string_clears() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let body = json!({
        "title": "",
        "name": {"givenName": ""},
        "emails": [{"value": "", "type": "work", "primary": true}],
        ENTERPRISE: {"department": ""},
    });
    assert_eq!(client.put(id, body).await.status, 200);
    let after = client.ada();
    assert_eq!(after.get("title"), None);
    assert_eq!(after["name"], json!({"formatted": "Ada Lovelace", "familyName": "Lovelace"}));
    assert_eq!(after[ENTERPRISE], json!({"costCenter": "98765"}));
    assert_eq!(after["emails"][0]["value"], "ada@acme.test", "the mirrored userName is shown");
    let answer = client.put(id, json!({"name": {"formatted": ""}})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.description().contains("name.formatted"));
}

#[tokio::test]
async fn empty_string_may_be_refused_or_ignored() {
    let body = json!({
        "title": "",
        "emails": [{"value": "", "type": "work"}],
        ENTERPRISE: {"department": ""},
    });
    let (client, id) = TestClient::with_ada(on_empty(EmptyValueRule::Ignore)).await;
    let before = client.ada();
    assert_eq!(client.put(id, body.clone()).await.status, 200);
    assert_eq!(client.ada(), before);
    assert!(!client.simulator.writes()[0].changed);

    let (client, id) = TestClient::with_ada(on_empty(EmptyValueRule::Refuse)).await;
    assert_eq!(client.put(id, body).await.status, 400);
    assert_eq!(client.ada(), before);
}

#[tokio::test]
async fn manager_is_set_and_cleared() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let bob = client.simulator.seed(new_user("bob@acme.test"));
    let manager = |value: Value| json!({ENTERPRISE: {"manager": {"managerId": value}}});
    assert_eq!(client.put(id, manager(json!(bob))).await.status, 200);
    assert_eq!(client.ada()[ENTERPRISE]["manager"]["managerId"], bob);
    assert_eq!(client.put(id, manager(json!(5))).await.status, 400);
    client.simulator.remove("bob@acme.test");
    assert_eq!(client.put(id, manager(json!(bob))).await.status, 200, "an unchanged manager is not checked");
    assert_eq!(client.put(id, manager(json!(""))).await.status, 200);
    assert_eq!(client.ada()[ENTERPRISE].get("manager"), None);
}

#[tokio::test]
async fn renamed_account_is_found_by_its_new_name_only() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    client.put(id, json!({"userName": "al@acme.test"})).await;
    assert_eq!(client.simulator.account("ada@acme.test"), None);
    let found = client.find(r#"userName eq "al@acme.test""#).await.json();
    assert_eq!(found["Resources"][0]["id"], id);
    assert_eq!(client.post(new_user("ada@acme.test")).await.status, 201);
}

#[tokio::test]
async fn account_status_is_read_only() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    client.put(id, json!({STATUS: {"claimed": true}})).await;
    assert_eq!(client.ada()[STATUS]["claimed"], false);
}

#[tokio::test]
async fn unknown_id_is_not_found() {
    let client = TestClient::default().await;
    for id in ["1", "x", "-1", "1/2", "99999999999999999999999", "%00"] {
        let answer = client.get(&format!("/Users/{id}")).await;
        assert_eq!(answer.status, 404, "{id}");
    }
    assert_eq!(client.put(1, json!({})).await.status, 404);
    assert_eq!(client.patch(1, json!([])).await.status, 404);
    assert_eq!(client.delete(1).await.status, 404);
}
