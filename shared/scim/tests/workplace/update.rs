use model::{AccountId, Managed, Value};
use scim::{PatchOperation, TargetError};
use serde_json::json;
use simulator::{EmptyValueRule, FaultEffect, IdForm, PutRule, SimulatorOptions, TargetFault};

use crate::support::*;

fn account(id: u64) -> Value {
    Value::Account(AccountId::new(id.to_string()).expect("not empty"))
}

#[tokio::test]
async fn update_changes_only_mapped_values() {
    let before = json!({
        "title": "Analyst", "nickName": "Countess", "locale": "en_GB",
        "name": {"formatted": "Ada Lovelace", "middleName": "King"},
        "phoneNumbers": [{"type": "home", "value": "1"}, {"type": "work", "value": "2", "primary": true}],
        (ENTERPRISE): {"department": "Research", "costCenter": "98765"},
    });
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), before).await;
    let wanted = ada([
        ("title", text("Poet")),
        ("name.givenName", text("Ada")),
        ("phoneNumbers.work", text("3")),
        ("department", text("Poetry")),
    ]);
    let after = target.update(&owned(&now), &now, &wanted).await.unwrap();
    for (attribute, expect) in [
        ("title", "Poet"),
        ("nickName", "Countess"),
        ("locale", "en_GB"),
        ("name.givenName", "Ada"),
        ("name.middleName", "King"),
        ("phoneNumbers.home", "1"),
        ("phoneNumbers.work", "3"),
        ("department", "Poetry"),
        ("costCenter", "98765"),
    ] {
        assert_eq!(shown(&after, attribute), expect, "{attribute}");
    }
    let [put] = &workplace.writes()[..] else { panic!("one call is enough") };
    let body = put.body.as_ref().unwrap();
    for (name, expect) in [("userName", json!(ADA)), ("active", json!(true))] {
        assert_eq!(body.get(name), Some(&expect));
    }
    for name in [
        "id",
        "groups",
        "badges",
        "nickName",
        "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User",
    ] {
        assert_eq!(body.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn sent_extensions_are_declared() {
    let options = SimulatorOptions {
        undeclared_extensions: simulator::UndeclaredExtensionRule::Refuse,
        ..SimulatorOptions::default()
    };
    let (_workplace, target, now) = with_ada(options, json!({})).await;
    let dates = format!("{DATES}:termDate");
    let wanted = ada([("division", text("East")), (&dates, Managed::Set(Value::Integer(7)))]);
    let after = target.update(&owned(&now), &now, &wanted).await.unwrap();
    assert_eq!((shown(&after, "division"), shown(&after, &dates)), ("East".to_owned(), "7".to_owned()));
}

#[tokio::test]
async fn rename_keeps_the_account() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    let after = target.update(&owned(&now), &now, &user("king@acme.test", [])).await.unwrap();
    assert_eq!(after.account.id, now.account.id);
    assert!(workplace.account("king@acme.test").is_some());
    assert_eq!(workplace.accounts().len(), 1);
}

/// Clears all clearable attributes and checks the calls that are needed.
async fn clears(options: SimulatorOptions, calls: &[&str]) {
    let dates = [format!("{DATES}:startDate"), format!("{DATES}:termDate")];
    let before = json!({
        "title": "Analyst", "nickName": "x", "name": {"formatted": "Ada Lovelace", "middleName": "King"},
        "emails": [{"type": "work", "value": "other@acme.test"}],
        "phoneNumbers": [{"type": "home", "value": "1"}, {"type": "work", "value": "2"}],
        "addresses": [{"type": "work", "formatted": "London", "locality": "London"}],
        (ENTERPRISE): {"department": "Research", "costCenter": "98765", "manager": {"managerId": 100000000000050_u64}},
        (DATES): {"startDate": 5, "termDate": 6},
    });
    let label = format!("{options:?}");
    let (workplace, target, now) = with_ada(options, before).await;
    let mut wanted = ada([]);
    let cleared = [
        "title",
        "displayName",
        "name.middleName",
        "emails.work",
        "phoneNumbers.work",
        "phoneNumbers.fax",
        "addresses.work.locality",
        "department",
        "manager",
        &dates[0],
        &dates[1],
    ];
    for attribute in cleared {
        wanted.attributes.insert(attribute.into(), Managed::Clear);
    }
    let after = target.update(&owned(&now), &now, &wanted).await.expect("it can be cleared");
    for attribute in cleared {
        // An account without e-mail addresses shows its user name.
        let expect = if attribute == "emails.work" { ADA } else { "" };
        assert_eq!(shown(&after, attribute), expect, "{attribute}, {label}");
    }
    for (attribute, expect) in [
        ("nickName", "x"),
        ("name.formatted", "Ada Lovelace"),
        ("phoneNumbers.home", "1"),
        ("addresses.work.formatted", "London"),
        ("costCenter", "98765"),
    ] {
        assert_eq!(shown(&after, attribute), expect, "{attribute}, {label}");
    }
    let asked: Vec<_> =
        workplace.writes().iter().map(|write| format!("{} {}", write.method, write.status)).collect();
    assert_eq!(asked, calls, "{label}");
}

#[tokio::test]
async fn values_are_cleared_for_each_handling_of_empty_texts() {
    clears(SimulatorOptions::default(), &["PUT 200", "PATCH 200"]).await;
    clears(
        SimulatorOptions { empty_string: EmptyValueRule::Ignore, ..SimulatorOptions::default() },
        &["PUT 200", "PATCH 200"],
    )
    .await;
    clears(
        SimulatorOptions { empty_string: EmptyValueRule::Refuse, ..SimulatorOptions::default() },
        &["PUT 400", "PUT 200", "PATCH 200"],
    )
    .await;
}

#[tokio::test]
async fn clearing_absent_values_sends_nothing() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    let wanted =
        ada([("title", Managed::Clear), ("manager", Managed::Clear), ("emails.work", Managed::Clear)]);
    target.update(&owned(&now), &now, &wanted).await.unwrap();
    let writes = workplace.writes();
    assert_eq!(writes.len(), 1);
    let body = writes[0].body.as_ref().unwrap();
    assert!(body.get("title").is_none() && body.get(ENTERPRISE).is_none());
}

#[tokio::test]
async fn manager_is_set_changed_and_removed() {
    for ids in [IdForm::Number, IdForm::Text] {
        let (workplace, target, now) =
            with_ada(SimulatorOptions { ids, ..SimulatorOptions::default() }, json!({})).await;
        let boss = workplace.seed(json!({"userName": "boss@acme.test"}));
        let chief = workplace.seed(json!({"userName": "chief@acme.test"}));
        let account_of = owned(&now);
        let mut now = now;
        for manager in [Some(boss), Some(chief), None] {
            let managed = manager.map_or(Managed::Clear, |id| Managed::Set(account(id)));
            now = target.update(&account_of, &now, &ada([("manager", managed)])).await.unwrap();
            assert_eq!(now.account.attributes.get(&"manager".into()), manager.map(account).as_ref());
        }
    }
}

#[tokio::test]
async fn missing_manager_is_named_in_the_rejection() {
    let (_workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    let wanted = ada([("manager", Managed::Set(account(1)))]);
    let error = target.update(&owned(&now), &now, &wanted).await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Rejected { attribute: Some(it), .. } if it == "manager"),
        "{error}"
    );
}

#[tokio::test]
async fn unmapped_list_element_survives_a_replacing_put() {
    let before = json!({"phoneNumbers": [{"type": "pager", "value": "1"}, {"type": "work", "value": "2"}]});
    let (_workplace, target, now) =
        with_ada(SimulatorOptions { put: PutRule::Replace, ..SimulatorOptions::default() }, before).await;
    let after = target.update(&owned(&now), &now, &ada([("phoneNumbers.work", text("3"))])).await.unwrap();
    assert_eq!(shown(&after, "phoneNumbers.work"), "3");
    assert!(_workplace.account(ADA).unwrap().to_string().contains("pager"));
}

#[tokio::test]
async fn update_is_repeated_after_a_lost_response() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    workplace.inject(TargetFault::once(FaultEffect::EffectThenDrop).method("PUT"));
    let after = target.update(&owned(&now), &now, &ada([("title", text("Poet"))])).await.unwrap();
    assert_eq!(shown(&after, "title"), "Poet");
    assert_eq!(workplace.writes().len(), 2);
}

#[tokio::test]
async fn update_of_a_missing_account_is_not_found() {
    let (_workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    assert_eq!(target.update(&unknown_account(), &now, &ada([])).await, Err(TargetError::NotFound));
}

#[tokio::test]
async fn single_attributes_are_patched() {
    let (workplace, target, now) =
        with_ada(SimulatorOptions::default(), json!({"title": "Analyst", "nickName": "x"})).await;
    let operations = [
        PatchOperation::Replace { attribute: "title".into(), value: Value::Text("Poet".to_owned()) },
        PatchOperation::Remove { attribute: "nickName".into() },
        PatchOperation::Replace {
            attribute: "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod"
                .into(),
            value: Value::Text("sso".to_owned()),
        },
    ];
    let after = target.patch(&owned(&now), &operations).await.unwrap();
    assert_eq!((shown(&after, "title"), shown(&after, "nickName")), ("Poet".to_owned(), String::new()));
    workplace.clear_requests();
    assert_eq!(target.patch(&owned(&now), &[]).await, Ok(after));
    assert_eq!(workplace.writes().len(), 0);
}

#[tokio::test]
async fn unsupported_put_is_followed_by_patch_from_then_on() {
    for status in [404, 405, 501] {
        let (workplace, target, now) =
            with_ada(SimulatorOptions::default(), json!({"title": "Analyst"})).await;
        workplace.inject(TargetFault::always(FaultEffect::status(status)).method("PUT"));
        let poet = target.update(&owned(&now), &now, &ada([("title", text("Poet"))])).await.unwrap();
        assert_eq!(shown(&poet, "title"), "Poet", "{status}");
        let off = target.deactivate(&owned(&now)).await.unwrap();
        assert_eq!(shown(off.resource(), "title"), "Poet", "{status}");
        let writes: Vec<_> = workplace.writes().iter().map(|write| write.method.clone()).collect();
        assert_eq!(writes, ["PUT", "PATCH", "PATCH"], "{status}");
    }
}

#[tokio::test]
async fn first_refusal_is_reported() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    let refusal = |status, words: &str| {
        FaultEffect::Answer(simulator::SimulatedReply::json(status, json!({"message": words})))
    };
    workplace.inject(TargetFault::always(refusal(400, "not on Fridays")).method("PUT"));
    workplace.inject(TargetFault::always(refusal(400, "no patches")).method("PATCH"));
    let error = target.deactivate(&owned(&now)).await.unwrap_err();
    assert!(error.to_string().contains("not on Fridays"), "{error}");
}

#[tokio::test]
async fn refused_deactivation_hides_values_of_the_account() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({"title": "Countess"})).await;
    let reply =
        simulator::SimulatedReply::json(400, json!({"detail": "Ada Lovelace, Countess, is protected"}));
    for method in ["PUT", "PATCH"] {
        workplace.inject(TargetFault::always(FaultEffect::Answer(reply.clone())).method(method));
    }
    let error = target.deactivate(&owned(&now)).await.unwrap_err();
    assert!(error.to_string().ends_with("HTTP 400: (value), (value), is protected"), "{error}");
    workplace.inject(TargetFault::always(FaultEffect::status(403)).method("GET"));
    let error = target.deactivate(&owned(&now)).await.unwrap_err();
    assert!(error.to_string().contains("HTTP 400 (explanation left out"), "{error}");
}
