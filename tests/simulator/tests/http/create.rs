use serde_json::json;
use simulator::{ErrorShape, SimulatorOptions, UndeclaredExtensionRule, UnknownAttributeRule};

use crate::client::{Client, ENTERPRISE, STATUS, ada, person};

#[tokio::test]
async fn an_account_is_made_and_shown() {
    let client = Client::default().await;
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
async fn what_is_missing_is_made_up() {
    let client = Client::default().await;
    let account = client.post(person("bob@acme.test")).await.json();
    assert_eq!(account["active"], true);
    assert_eq!(account["emails"][0]["value"], "bob@acme.test");
}

#[tokio::test]
async fn what_is_read_only_is_ignored() {
    let client = Client::default().await;
    let mut body = ada();
    body["id"] = json!(7);
    body["groups"] = json!("nonsense");
    body[STATUS] = json!({"claimed": true});
    let account = client.post(body).await.json();
    assert_eq!(account["id"], json!(100_000_000_000_001_u64));
    assert_eq!(account[STATUS]["claimed"], false);
}

#[tokio::test]
async fn a_bad_account_is_refused_with_the_attribute() {
    let client = Client::default().await;
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
async fn an_account_may_do_without_a_user_name() {
    let client = Client::default().await;
    let answer = client.post(json!({"externalId": "e-1", "name": {"formatted": "E"}})).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json().get("emails"), None);
    let found = client.find(r#"externalId eq "e-1""#).await.json();
    assert_eq!(found["totalResults"], 1);
}

#[tokio::test]
async fn a_manager_is_an_account_that_exists() {
    let client = Client::default().await;
    let manager = client.simulator.seed(ada());
    let mut body = person("bob@acme.test");
    body[ENTERPRISE] = json!({"manager": {"managerId": manager, "value": "dropped"}});
    let account = client.post(body).await.json();
    assert_eq!(account[ENTERPRISE]["manager"], json!({"managerId": manager}));
}

#[tokio::test]
async fn a_user_name_is_taken_whatever_its_case() {
    let (client, id) = Client::with_ada(SimulatorOptions::default()).await;
    let bob = client.simulator.seed(person("bob@acme.test"));
    assert_eq!(client.post(person("ADA@acme.test")).await.status, 409);
    assert_eq!(client.put(bob, json!({"userName": "Ada@Acme.test"})).await.status, 409);
    assert_eq!(client.put(bob, json!({"externalId": "a-1"})).await.status, 409);
    client.put(id, json!({"active": false})).await;
    assert_eq!(
        client.post(person("ada@acme.test")).await.status,
        409,
        "a deactivated account keeps its name"
    );
    assert_eq!(
        client.put(id, json!({"userName": "ADA@acme.test"})).await.status,
        200,
        "its own name is nobody else's"
    );
}

#[tokio::test]
async fn a_duplicate_is_answered_as_switched() {
    for (shape, field) in
        [(ErrorShape::Errors, "Errors"), (ErrorShape::Scim, "scimType"), (ErrorShape::Graph, "error")]
    {
        let (client, _) = Client::with_ada(SimulatorOptions {
            duplicate_status: 500,
            duplicate_shape: Some(shape),
            ..SimulatorOptions::default()
        })
        .await;
        let answer = client.post(ada()).await;
        assert_eq!(answer.status, 500);
        assert!(answer.json().get(field).is_some(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_domain_must_be_verified_where_there_are_verified_ones() {
    let client = Client::start(SimulatorOptions {
        verified_domains: vec!["acme.test".to_owned()],
        ..SimulatorOptions::default()
    })
    .await;
    assert_eq!(client.post(person("a@ACME.test")).await.status, 201);
    let answer = client.post(person("a@other.test")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["Errors"][0]["code"], 1_789_003);
}

#[tokio::test]
async fn unknown_attributes_are_dropped_or_refused() {
    let client = Client::default().await;
    let mut body = ada();
    body["nickname"] = json!("misspelt");
    body["urn:example:frontline:User"] = json!({"is_frontline": true});
    let account = client.post(body.clone()).await.json();
    assert_eq!(account.get("nickname"), None);
    assert_eq!(account["urn:example:frontline:User"]["is_frontline"], true);

    let strict = Client::start(SimulatorOptions {
        unknown_attributes: UnknownAttributeRule::Refuse,
        ..SimulatorOptions::default()
    })
    .await;
    let answer = strict.post(body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.description().contains("nickname"));
}

#[tokio::test]
async fn an_extension_may_have_to_be_declared() {
    let options =
        |undeclared_extensions| SimulatorOptions { undeclared_extensions, ..SimulatorOptions::default() };
    let ignoring = Client::start(options(UndeclaredExtensionRule::Ignore)).await;
    let account = ignoring.post(ada()).await.json();
    assert_eq!(account.get(ENTERPRISE), None);

    let refusing = Client::start(options(UndeclaredExtensionRule::Refuse)).await;
    assert_eq!(refusing.post(ada()).await.status, 400);
    let mut declared = ada();
    declared["schemas"] = json!([ENTERPRISE]);
    assert_eq!(refusing.post(declared).await.status, 201);
}

#[tokio::test]
async fn admin_center_knows_fewer_attributes() {
    let (client, manager) = Client::with_ada(SimulatorOptions::admin_center()).await;
    let mut body = person("bob@acme.test");
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
