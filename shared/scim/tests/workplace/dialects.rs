//! An account from creation to deletion, in each dialect.

use model::{Managed, Value};
use scim::{DeleteOutcome, Dialect, Resource, Target, TargetError};
use serde_json::json;
use simulator::{EmptyValueRule, PutRule, Simulator, SimulatorOptions};

use crate::support::*;

const BOSS: &str = "boss@acme.test";

/// A dialect and a matching server.
#[derive(Clone)]
struct DialectCase {
    dialect: &'static str,
    server: SimulatorOptions,
}

fn all() -> Vec<DialectCase> {
    let case = |dialect, server| DialectCase { dialect, server };
    vec![
        case("workplace", SimulatorOptions::default()),
        case("workplace-v1", SimulatorOptions::v1()),
        case("scim2", SimulatorOptions::scim2()),
        case("scim2", SimulatorOptions { patch: false, ..SimulatorOptions::scim2() }),
        case("workvivo", SimulatorOptions::workvivo()),
        case("workvivo", SimulatorOptions { put: PutRule::Replace, ..SimulatorOptions::workvivo() }),
        case("slack", SimulatorOptions::slack()),
        case("slack", SimulatorOptions { patch_removes: true, ..SimulatorOptions::slack() }),
    ]
}

impl DialectCase {
    async fn start(&self) -> (Simulator, Target) {
        let server = Simulator::start(self.server.clone()).await.expect("a free port");
        let dialect = Dialect::named(self.dialect).expect("a dialect");
        let options = options_at(&server.url(), QUICK);
        let target = Target::new(dialect, options, credentials(&server.token())).expect("loopback");
        (server, target)
    }

    /// Server with an account that has many attributes.
    async fn with_ada(&self) -> (Simulator, Target, Resource) {
        let (server, target) = self.start().await;
        let boss = user(
            BOSS,
            [
                ("externalId", text("a-0")),
                ("name.formatted", text("Boss")),
                ("name.givenName", text("The")),
                ("name.familyName", text("Boss")),
                ("emails.work", text(BOSS)),
            ],
        );
        let boss = target.create(&boss).await.expect("a boss");
        let wanted = ada([
            ("externalId", text("a-1")),
            ("name.givenName", text("Ada")),
            ("name.familyName", text("Lovelace")),
            ("emails.work", text(ADA)),
            ("title", text("Analyst")),
            ("nickName", text("Countess")),
            ("name.middleName", text("King")),
            ("phoneNumbers.work", text("1")),
            ("phoneNumbers.mobile", text("2")),
            ("department", text("Research")),
            ("costCenter", text("98765")),
            ("manager", Managed::Set(Value::Account(boss.account.id))),
        ]);
        let made = target.create(&wanted).await.expect("Ada");
        for (attribute, managed) in &wanted.attributes {
            let shown = made.account.attributes.get(attribute).cloned().map(Managed::Set);
            assert_eq!(shown.as_ref(), Some(managed), "{}: {attribute}", self.dialect);
        }
        server.clear_requests();
        (server, target, made)
    }
}

#[tokio::test]
async fn account_is_found_updated_deactivated_and_reactivated() {
    for case in all() {
        let label = case.dialect;
        let (server, target, made) = case.with_ada().await;
        target.check().await.unwrap();
        let now = target.find_by_user_name(&name("ADA@acme.test")).await.unwrap().expect(label);
        assert_eq!(now, made, "{label}");
        assert_eq!(target.list(1).await.unwrap().total, 2, "{label}");

        let wanted = ada([
            ("externalId", text("a-1")),
            ("title", text("Poet")),
            ("phoneNumbers.work", text("3")),
            ("department", text("Poetry")),
        ]);
        target.update(&owned(&now), &now, &wanted).await.unwrap();
        let after = target.find_by_external_id("a-1").await.unwrap().expect(label);
        for (attribute, expect) in [
            ("title", "Poet"),
            ("nickName", "Countess"),
            ("name.middleName", "King"),
            ("phoneNumbers.work", "3"),
            ("phoneNumbers.mobile", "2"),
            ("department", "Poetry"),
            ("costCenter", "98765"),
        ] {
            assert_eq!(shown(&after, attribute), expect, "{label}: {attribute}");
        }
        assert_eq!(shown(&after, "manager"), shown(&made, "manager"), "{label}");

        let renamed = target.update(&owned(&after), &after, &user("king@acme.test", [])).await.unwrap();
        assert_eq!(renamed.account.id, made.account.id, "{label}");
        let off = target.deactivate(&owned(&renamed)).await.unwrap().into_resource();
        assert!(off.account.active == Some(false) && shown(&off, "title") == "Poet", "{label}");
        let on = target.activate(&owned(&off)).await.unwrap();
        assert_eq!(on, renamed, "{label}");
        assert_eq!(server.accounts().len(), 2, "{label}");
    }
}

#[tokio::test]
async fn account_is_deleted_once() {
    for case in all() {
        let label = case.dialect;
        let (server, target, now) = case.with_ada().await;
        if matches!(label, "workvivo" | "slack") {
            // DELETE would only deactivate.
            assert!(
                matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Refused(_))),
                "{label}"
            );
            assert_eq!(server.requests(), []);
            continue;
        }
        assert!(
            matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Gone(_))),
            "{label}"
        );
        assert!(
            matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Gone(_))),
            "{label}"
        );
        assert_eq!(target.fetch(&now.account.id).await, Err(TargetError::NotFound), "{label}");
    }
}

#[tokio::test]
async fn workvivo_external_id_is_never_updated() {
    let case = DialectCase { dialect: "workvivo", server: SimulatorOptions::workvivo() };
    let (server, target, now) = case.with_ada().await;
    for managed in [text("a-2"), Managed::Clear] {
        let wanted = ada([("externalId", managed), ("title", text("Poet"))]);
        let after = target.update(&owned(&now), &now, &wanted).await.unwrap();
        assert_eq!((shown(&after, "externalId").as_str(), shown(&after, "title").as_str()), ("a-1", "Poet"));
    }
    let bodies: String =
        server.writes().iter().filter_map(|write| Some(write.body.as_ref()?.to_string())).collect();
    assert!(!bodies.contains("null") && !bodies.contains("externalId"), "{bodies}");
}

#[tokio::test]
async fn slack_value_is_cleared_by_put_after_a_refused_patch() {
    for (server, writes) in [
        (SimulatorOptions::slack(), ["PATCH 400", "PUT 200"].as_slice()),
        (SimulatorOptions { patch_removes: true, ..SimulatorOptions::slack() }, &["PATCH 200"]),
    ] {
        let case = DialectCase { dialect: "slack", server };
        let (server, after) = cleared(&case, &["title", "phoneNumbers.work"]).await;
        assert_eq!(shown(&after, "title"), "");
        let requests: Vec<_> =
            server.writes().iter().map(|write| format!("{} {}", write.method, write.status)).collect();
        assert_eq!(requests, writes);
    }
}

#[tokio::test]
async fn slack_throttling_has_a_retry_after() {
    let case = DialectCase {
        dialect: "slack",
        server: SimulatorOptions { writes_per_minute: Some(2), ..SimulatorOptions::slack() },
    };
    let (_server, target) = case.start().await;
    let new_user = |name: &'static str| user(name, [("emails.work", text(name))]);
    let made = target.create(&new_user(ADA)).await.unwrap();
    target.create(&new_user(BOSS)).await.unwrap();
    let error = target.deactivate(&owned(&made)).await.unwrap_err();
    let TargetError::RateLimited { retry_after: Some(wait) } = error else { panic!("{error}") };
    assert!((50..=61).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn workplace_keeps_claimed_accounts() {
    for case in all().into_iter().filter(|case| case.dialect.starts_with("workplace")) {
        let (server, target, now) = case.with_ada().await;
        assert_eq!(now.account.can_delete, Some(true), "{}", case.dialect);
        server.set_claimed(ADA, true);
        let claimed = target.fetch(&now.account.id).await.unwrap();
        assert_eq!(claimed.account.can_delete, Some(false), "{}", case.dialect);
        assert!(matches!(target.delete(&owned(&now), Some(&name(ADA))).await, Ok(DeleteOutcome::Refused(_))));
        assert!(server.account(ADA).is_some());
    }
}

/// The account after these attributes were cleared.
async fn cleared(case: &DialectCase, attributes: &[&str]) -> (Simulator, Resource) {
    let (server, target, now) = case.with_ada().await;
    let mut wanted = ada([]);
    for attribute in attributes {
        wanted.attributes.insert((*attribute).into(), Managed::Clear);
    }
    let after = target.update(&owned(&now), &now, &wanted).await.expect("a response");
    for (attribute, expect) in [
        ("nickName", "Countess"),
        ("name.formatted", "Ada Lovelace"),
        ("phoneNumbers.mobile", "2"),
        ("costCenter", "98765"),
    ] {
        assert_eq!(shown(&after, attribute), expect, "{}: {attribute}", case.dialect);
    }
    assert_eq!(target.fetch(&now.account.id).await.expect("a response"), after);
    (server, after)
}

#[tokio::test]
async fn values_are_cleared_in_each_dialect() {
    for case in all() {
        let attributes = ["title", "name.middleName", "phoneNumbers.work", "department"];
        let (_server, after) = cleared(&case, &attributes).await;
        for attribute in attributes {
            assert_eq!(shown(&after, attribute), "", "{}: {attribute}", case.dialect);
        }
    }
}

#[tokio::test]
async fn without_patch_an_uncleared_value_remains_visible() {
    let ignoring = SimulatorOptions { empty_string: EmptyValueRule::Ignore, ..SimulatorOptions::v1() };
    let strict = SimulatorOptions { empty_string: EmptyValueRule::Refuse, ..SimulatorOptions::v1() };
    for (server, writes) in [(ignoring, ["PUT 200"].as_slice()), (strict, &["PUT 400", "PUT 200"])] {
        let case = DialectCase { dialect: "workplace-v1", server };
        let (server, after) = cleared(&case, &["title", "manager", "phoneNumbers.work"]).await;
        assert_eq!(shown(&after, "title"), "Analyst");
        assert_ne!(shown(&after, "manager"), "");
        assert_eq!(shown(&after, "phoneNumbers.work"), "");
        let requests: Vec<_> =
            server.writes().iter().map(|write| format!("{} {}", write.method, write.status)).collect();
        assert_eq!(requests, writes);
    }
}

#[tokio::test]
async fn v1_uses_its_own_urns_and_paths() {
    let dates = "urn:scim:schemas:extension:facebook:starttermdates:1.0";
    let auth = "urn:scim:schemas:extension:facebook:auth_method:1.0";
    let case = DialectCase { dialect: "workplace-v1", server: SimulatorOptions::v1() };
    let (server, target) = case.start().await;
    let made = target
        .create(&ada([
            (&format!("{dates}:termDate"), Managed::Set(Value::Integer(7))),
            (&format!("{auth}:auth_method"), text("sso")),
            ("department", text("Research")),
        ]))
        .await
        .unwrap();
    assert_eq!(made.account.attributes.len(), 5, "{:?}", made.account.attributes);
    let request = &server.writes()[0];
    assert_eq!(request.path, "/scim/v1/Users");
    let body = request.body.as_ref().unwrap();
    assert_eq!(body[auth], json!({"auth_method": "sso"}));
    assert_eq!(body[dates], json!({"termDate": 7}));
    assert!(!body.to_string().contains("urn:ietf:"), "{body}");
    let cleared = ada([(&format!("{dates}:termDate"), Managed::Clear)]);
    let after = target.update(&owned(&made), &made, &cleared).await.unwrap();
    assert_eq!(shown(&after, &format!("{dates}:termDate")), "");
    let patched = target.patch(&owned(&made), &[]).await.unwrap_err();
    assert_eq!(
        patched.to_string(),
        "target does not support the request: the workplace-v1 dialect has no PATCH"
    );
}

#[tokio::test]
async fn v1_server_rejects_v2_requests() {
    let wanted = ada([("department", text("Research"))]);
    let crossed = DialectCase { dialect: "workplace", server: SimulatorOptions::v1() };
    let (_server, target) = crossed.start().await;
    assert!(matches!(target.create(&wanted).await, Err(TargetError::Rejected { .. })));
}
