use model::{AccountId, Managed, Value};
use scim::TargetError;
use serde_json::json;
use simulator::{ErrorShape, FaultEffect, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn created_account_has_all_mapped_values() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    let manager = workplace.seed(json!({"userName": "boss@acme.test"}));
    let manager = Value::Account(AccountId::new(manager.to_string()).unwrap());
    let mut wanted = ada([
        ("title", text("Analyst")),
        ("emails.work", text(ADA)),
        ("phoneNumbers.mobile", text("+44-7712-345634")),
        ("addresses.work.formatted", text("London")),
        ("department", text("Research")),
        ("nickName", Managed::Clear),
        ("manager", Managed::Set(manager.clone())),
        (&format!("{DATES}:startDate"), Managed::Set(Value::Integer(1_454_587_629))),
    ]);
    wanted.active = false;
    wanted.create_only.insert("userType".into(), Value::Text("Employee".to_owned()));

    let created = target.create(&wanted).await.unwrap().account;
    assert_eq!(created.user_name.as_deref(), Some(ADA));
    assert_eq!(created.active, Some(false));
    for (attribute, managed) in &wanted.attributes {
        let expect = match managed {
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        };
        assert_eq!(created.attributes.get(attribute), expect, "{attribute}");
    }
    assert_eq!(created.attributes.get(&"userType".into()), Some(&Value::Text("Employee".to_owned())));
    assert_eq!(workplace.writes().len(), 1);
    assert_eq!(target.calls(), scim::CallCounts { reads: 0, writes: 1, throttled: 0 });
}

#[tokio::test]
async fn duplicate_is_a_conflict_or_a_rejection() {
    for shape in [ErrorShape::Errors, ErrorShape::Scim, ErrorShape::Graph, ErrorShape::Empty] {
        let options = SimulatorOptions { error_shape: shape, ..SimulatorOptions::default() };
        let (workplace, target, _) = with_ada(options, json!({})).await;
        let error = target.create(&ada([])).await.unwrap_err();
        assert!(matches!(error, TargetError::Conflict { .. }), "{shape:?}: {error}");

        workplace.change_options(|options| options.duplicate_status = 400);
        let error = target.create(&ada([])).await.unwrap_err();
        match shape {
            ErrorShape::Scim => assert!(matches!(error, TargetError::Conflict { .. }), "{error}"),
            _ => assert!(matches!(error, TargetError::Rejected { .. }), "{shape:?}: {error}"),
        }
        assert_eq!(workplace.writes().len(), 2);
    }
}

#[tokio::test]
async fn creation_is_not_repeated_after_a_lost_response() {
    for effect in [
        FaultEffect::EffectThenDrop,
        FaultEffect::Drop,
        FaultEffect::status(503),
        FaultEffect::EffectThenDelay { ms: 5_000 },
    ] {
        let (workplace, _) = workplace(SimulatorOptions::default()).await;
        let target = with_short_timeout(&workplace, QUICK);
        // With an open connection, an HTTP library could send the request again over a new one.
        target.check().await.unwrap();
        workplace.inject(TargetFault::once(effect.clone()).method("POST"));
        let error = target.create(&ada([])).await.unwrap_err();
        assert!(matches!(error, TargetError::Unavailable { .. }), "{effect:?}: {error}");
        assert_eq!(workplace.writes().len(), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn throttled_creation_is_retried() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    workplace.inject(TargetFault::once(FaultEffect::TooManyRequests { retry_after: None }).method("POST"));
    workplace.inject(TargetFault::once(FaultEffect::GraphThrottle { status: 400, code: 4 }).method("POST"));
    target.create(&ada([])).await.unwrap();
    assert_eq!(workplace.writes().len(), 3);
    assert_eq!(workplace.accounts().len(), 1);
}

#[tokio::test]
async fn rejection_names_the_attribute_without_personal_data() {
    let (workplace, target) = workplace(SimulatorOptions {
        verified_domains: vec!["other.test".to_owned()],
        ..SimulatorOptions::default()
    })
    .await;
    let error = target.create(&ada([])).await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Rejected { attribute: Some(it), .. } if it == "userName"),
        "{error}"
    );

    workplace.change_options(|options| options.verified_domains.clear());
    let error = target.create(&user("ada@acme.test", [])).await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Rejected { attribute: Some(it), .. } if it == "name.formatted"),
        "{error}"
    );
    let error = target.create(&user("ada lovelace", [("name.formatted", text("x"))])).await.unwrap_err();
    assert!(!error.to_string().contains("lovelace"));
}

#[tokio::test]
async fn sent_values_are_redacted_from_error_texts() {
    let error_body =
        json!({"detail": "Ada Lovelace <ada@acme.test> of RESEARCH (the-token) is not welcome"}).to_string();
    let mock = Mock::responding(400, &[], error_body).await;
    let error = mock.target().create(&ada([("department", text("Research"))])).await.unwrap_err();
    let TargetError::Rejected { detail, .. } = error else { panic!("{error}") };
    assert_eq!(detail, "HTTP 400: (value) <(value)> of (value) ((token)) is not welcome");
}
