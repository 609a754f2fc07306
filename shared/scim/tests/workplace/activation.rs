use scim::{InactiveResource, Resource, TargetError};
use serde_json::json;
use simulator::{ActiveForm, FaultEffect, PutRule, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn account_is_deactivated_and_reactivated() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({"title": "Analyst"})).await;
    let off = target.deactivate(&owned(&now)).await.unwrap().into_resource();
    assert!(off.account.active == Some(false));
    // A deactivated account keeps its user name \[sample\].
    let found = target.find_by_user_name(&name(ADA)).await.unwrap().unwrap();
    assert_eq!(found.account.active, Some(false));
    let on = target.activate(&owned(&now)).await.unwrap();
    assert_eq!(on, now);
    let bodies: Vec<_> = workplace.writes().into_iter().filter_map(|write| write.body).collect();
    let body = |active| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "active": active});
    assert_eq!(bodies, [body(false), body(true)]);
}

#[tokio::test]
async fn rejected_put_of_active_is_followed_by_patch() {
    let options = SimulatorOptions { put: PutRule::Replace, ..SimulatorOptions::default() };
    let (workplace, target, now) = with_ada(options, json!({"title": "Analyst"})).await;
    let off = target.deactivate(&owned(&now)).await.unwrap().into_resource();
    assert!(off.account.active == Some(false));
    assert_eq!(shown(&off, "title"), "Analyst");
    let asked: Vec<_> = workplace.writes().iter().map(|write| write.method.clone()).collect();
    assert_eq!(asked, ["PUT", "PATCH"]);
}

#[tokio::test]
async fn activation_of_a_missing_account_is_not_found() {
    let (_workplace, target) = workplace(SimulatorOptions::default()).await;
    assert_eq!(target.deactivate(&unknown_account()).await, Err(TargetError::NotFound));
}

#[tokio::test]
async fn account_is_deactivated_and_reactivated_whatever_the_form_of_active() {
    for active in [ActiveForm::Boolean, ActiveForm::Number, ActiveForm::Text, ActiveForm::AbsentIfInactive] {
        let options = SimulatorOptions { active, ..SimulatorOptions::default() };
        let (workplace, target, now) = with_ada(options, json!({})).await;
        // With an active account beside it, a missing value means inactive.
        workplace.seed(json!({"userName": "boss@acme.test", "active": true}));
        let off = target.deactivate(&owned(&now)).await.unwrap().into_resource();
        assert_eq!(off.account.active, Some(false), "{active:?}");
        let on = target.activate(&owned(&now)).await.unwrap();
        assert_eq!(on.account.active, Some(true), "{active:?}");
        assert_eq!(workplace.writes().len(), 2, "{active:?}");
    }
}

#[tokio::test]
async fn success_without_effect_is_no_deactivation() {
    for active in [ActiveForm::Boolean, ActiveForm::AbsentIfInactive] {
        let options = SimulatorOptions { active, ..SimulatorOptions::default() };
        let (workplace, target, now) = with_ada(options, json!({})).await;
        for method in ["PUT", "PATCH"] {
            workplace.inject(TargetFault::always(FaultEffect::Ignore).method(method));
        }
        let error = target.deactivate(&owned(&now)).await.unwrap_err();
        assert!(matches!(error, TargetError::NotApplied { .. }), "{error}");
    }
}

#[test]
fn only_an_answer_that_shows_it_proves_that_an_account_is_off() {
    let dialect = dialect::Dialect::named("workplace").unwrap();
    for (json, is_proof) in [
        (r#"{"id": "1", "active": false}"#, true),
        (r#"{"id": "1", "active": true}"#, false),
        (r#"{"id": "1"}"#, false),
        (r#"{"id": "1", "active": "sometimes"}"#, false),
    ] {
        let shown = Resource::from_json(dialect, json.as_bytes()).unwrap();
        assert_eq!(InactiveResource::shown(shown).is_some(), is_proof, "{json}");
    }
}
