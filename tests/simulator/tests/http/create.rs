use serde_json::json;
use simulator::{SimulatorOptions, UnknownAttributeRule};

use crate::client::{ENTERPRISE, STATUS, TestClient, ada, new_user};

#[tokio::test]
async fn account_is_created_and_read() {
    let client = TestClient::default().await;
    let answer = client.post(ada()).await;
    assert_eq!(answer.status, 201);
    let account = answer.json();
    assert_eq!(account["id"], json!(100_000_000_000_001_u64));
    assert_eq!(account["userName"], "ada@acme.test");
    assert_eq!(account["active"], true);
    assert_eq!(account[ENTERPRISE]["department"], "Research");
    assert_eq!(account["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, STATUS]));
    assert_eq!(
        account[STATUS],
        json!({"claimed": false, "invited": true, "inviteDate": 1_454_587_629, "canDelete": true})
    );
    assert!(account["badges"].is_array());
    assert_eq!(client.get("/Users/100000000000001").await.json(), account);
    assert_eq!(client.simulator.accounts(), [account]);
}

#[tokio::test]
async fn missing_values_have_defaults() {
    let client = TestClient::default().await;
    let account = client.post(new_user("bob@acme.test")).await.json();
    assert_eq!(account["active"], true);
    assert_eq!(account["emails"][0]["value"], "bob@acme.test");
}

#[tokio::test]
async fn read_only_attributes_are_ignored() {
    let client = TestClient::default().await;
    let mut body = ada();
    body["id"] = json!(7);
    body["groups"] = json!("nonsense");
    body[STATUS] = json!({"claimed": true});
    let account = client.post(body).await.json();
    assert_eq!(account["id"], json!(100_000_000_000_001_u64));
    assert_eq!(account[STATUS]["claimed"], false);
}

#[tokio::test]
async fn invalid_account_is_refused_with_the_attribute() {
    let client = TestClient::default().await;
    let name = json!({"formatted": "A"});
    for (body, attribute) in [
        (json!({"name": name}), "userName"),
        (json!({"userName": "", "name": name}), "userName"),
        (json!({"userName": "ada", "name": name}), "userName"),
        (json!({"userName": "a@b@c.d", "name": name}), "userName"),
        (json!({"userName": 5, "name": name}), "userName"),
        (json!({"userName": "a@acme.test"}), "name.formatted"),
        (json!({"userName": "a@acme.test", "name": {"givenName": "A"}}), "name.formatted"),
        (json!({"userName": "a@acme.test", "name": "A"}), "name"),
        (json!({"userName": "a@acme.test", "name": name, "active": "true"}), "active"),
        (json!({"userName": "a@acme.test", "name": name, "emails": "a@acme.test"}), "emails"),
        (
            json!({"userName": "a@acme.test", "name": name, ENTERPRISE: {"manager": {"managerId": "1"}}}),
            "managerId",
        ),
        (
            json!({"userName": "a@acme.test", "name": name, ENTERPRISE: {"manager": {"managerId": 1}}}),
            "managerId",
        ),
        (json!({"userName": "a@acme.test", "name": name, "schemas": "core"}), "schemas"),
    ] {
        let answer = client.post(body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.description().contains(attribute), "{answer:?}");
    }
    assert!(client.simulator.accounts().is_empty());
    assert!(client.simulator.writes().iter().all(|write| !write.changed));
}

#[tokio::test]
async fn external_id_can_replace_the_user_name() {
    let client = TestClient::default().await;
    let answer = client.post(json!({"externalId": "e-1", "name": {"formatted": "E"}})).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json().get("emails"), None);
    let found = client.find(r#"externalId eq "e-1""#).await.json();
    assert_eq!(found["totalResults"], 1);
}

#[tokio::test]
async fn manager_must_be_an_existing_account() {
    let client = TestClient::default().await;
    let manager = client.simulator.seed(ada());
    let mut body = new_user("bob@acme.test");
    body[ENTERPRISE] = json!({"manager": {"managerId": manager, "value": "dropped"}});
    let account = client.post(body).await.json();
    assert_eq!(account[ENTERPRISE]["manager"], json!({"managerId": manager}));
}

#[tokio::test]
async fn user_name_is_unique_without_case() {
    let (client, id) = TestClient::with_ada(SimulatorOptions::default()).await;
    let bob = client.simulator.seed(new_user("bob@acme.test"));
    assert_eq!(client.post(new_user("ADA@acme.test")).await.status, 409);
    assert_eq!(client.put(bob, json!({"userName": "Ada@Acme.test"})).await.status, 409);
    assert_eq!(client.put(bob, json!({"externalId": "a-1"})).await.status, 409);
    client.put(id, json!({"active": false})).await;
    assert_eq!(
        client.post(new_user("ada@acme.test")).await.status,
        409,
        "a deactivated account keeps its name"
    );
    assert_eq!(
        client.put(id, json!({"userName": "ADA@acme.test"})).await.status,
        200,
        "an account may change the case of its name"
    );
}

#[tokio::test]
async fn domain_must_be_verified() {
    let client = TestClient::start(SimulatorOptions {
        verified_domains: vec!["acme.test".to_owned()],
        ..SimulatorOptions::default()
    })
    .await;
    assert_eq!(client.post(new_user("a@ACME.test")).await.status, 201);
    let answer = client.post(new_user("a@other.test")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["Errors"][0]["code"], 1_789_003);
}

#[tokio::test]
async fn unknown_attributes_are_ignored_or_refused() {
    let client = TestClient::default().await;
    let mut body = ada();
    body["nickname"] = json!("misspelt");
    body["urn:example:frontline:User"] = json!({"is_frontline": true});
    let account = client.post(body.clone()).await.json();
    assert_eq!(account.get("nickname"), None);
    assert_eq!(account["urn:example:frontline:User"]["is_frontline"], true);

    let strict = TestClient::start(SimulatorOptions {
        unknown_attributes: UnknownAttributeRule::Refuse,
        ..SimulatorOptions::default()
    })
    .await;
    let answer = strict.post(body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.description().contains("nickname"));
}

#[tokio::test]
async fn admin_center_has_fewer_attributes() {
    let (client, manager) = TestClient::with_ada(SimulatorOptions::admin_center()).await;
    let mut body = new_user("bob@acme.test");
    body["title"] = json!("Clerk");
    body["displayName"] = json!("Bob");
    body[ENTERPRISE] = json!({"department": "Sales", "manager": {"managerId": manager}});
    let account = client.post(body).await.json();
    assert_eq!(account["title"], "Clerk");
    assert_eq!(account.get("displayName"), None);
    assert_eq!(account[ENTERPRISE], json!({"department": "Sales"}));
    assert_eq!(account.get(STATUS), None);
    assert_eq!(client.find(r#"externalId eq "a-1""#).await.status, 400);
}
