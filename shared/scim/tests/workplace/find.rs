use scim::{LocatedAccount, TargetError};
use serde_json::json;
use simulator::{EmptyListForm, FaultEffect, IdForm, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn look_up_ignores_case() {
    let (_workplace, target) = workplace(SimulatorOptions::default()).await;
    seed_ada(&_workplace, json!({"title": "Analyst"}));
    let found = target.find_by_user_name(&name("ADA@Acme.Test")).await.unwrap().unwrap();
    assert_eq!(found.account.user_name.as_deref(), Some(ADA));
    assert_eq!(shown(&found, "title"), "Analyst");
    assert_eq!(found.account.can_delete, Some(true));
}

#[tokio::test]
async fn both_forms_of_an_empty_list_mean_not_found() {
    for no_match in [EmptyListForm::Empty, EmptyListForm::Absent] {
        let (_workplace, target) =
            workplace(SimulatorOptions { no_match, ..SimulatorOptions::default() }).await;
        assert_eq!(target.find_by_user_name(&name(ADA)).await, Ok(None));
        assert_eq!(target.find_by_external_id("x").await, Ok(None));
        assert_eq!(target.check().await, Ok(()));
    }
}

#[tokio::test]
async fn user_name_is_escaped_in_the_filter() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    seed_ada(&workplace, json!({}));
    for unusual in [
        r#"x" or userName eq "ada@acme.test"#,
        r#"a"b\c@acme.test"#,
        "a b+c&d=e%20@acme.test",
        "zoë@acme.test",
        "a\u{7f}\u{1}b@acme.test",
    ] {
        assert_eq!(target.find_by_user_name(&name(unusual)).await, Ok(None), "{unusual}");
        workplace.seed(json!({"userName": unusual}));
        let found = target.find_by_user_name(&name(unusual)).await.unwrap().unwrap();
        assert_eq!(found.account.user_name.as_deref(), Some(unusual));
    }
}

#[tokio::test]
async fn space_in_a_query_is_percent_encoded() {
    let mock = Mock::json(json!({"totalResults": 0})).await;
    mock.target().find_by_user_name(&name("a+b@acme.test")).await.unwrap();
    assert_eq!(mock.requests(), ["GET /Users?filter=userName%20eq%20%22a%2Bb%40acme.test%22&count=100"]);
}

#[tokio::test]
async fn ids_may_be_strings() {
    let (_workplace, _, ada) =
        with_ada(SimulatorOptions { ids: IdForm::Text, ..SimulatorOptions::default() }, json!({})).await;
    assert_eq!(ada.account.id.as_str(), "100000000000001");
}

#[tokio::test]
async fn external_id_is_found_where_the_filter_supports_it() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    seed_ada(&workplace, json!({"externalId": "8f1c"}));
    let found = target.find_by_external_id("8f1c").await.unwrap().unwrap();
    assert_eq!(found.account.user_name.as_deref(), Some(ADA));
    assert_eq!(target.find_by_external_id("8F1C").await, Ok(None));

    let (admin_center, target) = crate::support::workplace(SimulatorOptions::admin_center()).await;
    seed_ada(&admin_center, json!({"externalId": "8f1c"}));
    assert_eq!(target.find_by_external_id("8f1c").await, Ok(None));
    assert!(target.find_by_user_name(&name(ADA)).await.unwrap().is_some());
}

#[tokio::test]
async fn result_of_an_ignored_filter_is_checked_by_name() {
    let list = |total: u64| {
        json!({"totalResults": total, "Resources": [
            {"id": 1, "userName": "eve@acme.test"}, {"id": 2, "userName": "Ada@acme.test"}, {"id": 3}, 4]})
    };
    // The list contains the account.
    let mock = Mock::json(list(100)).await;
    let found = mock.target().find_by_user_name(&name(ADA)).await.unwrap().unwrap();
    assert_eq!(found.account.id.as_str(), "2");
    // The list is complete and lacks the account.
    let mock = Mock::json(list(4)).await;
    assert_eq!(mock.target().find_by_user_name(&name("bob@acme.test")).await, Ok(None));
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    // The list is incomplete.
    let mock = Mock::json(list(100)).await;
    let unknown = mock.target().find_by_user_name(&name("bob@acme.test")).await;
    assert!(matches!(unknown, Err(TargetError::Malformed { .. })));
}

#[tokio::test]
async fn several_matching_accounts_are_an_error() {
    let twice = |a: u64, b: u64| json!({"totalResults": 2, "Resources": [{"id": a, "userName": ADA}, {"id": b, "userName": "ADA@acme.test"}]});
    let mock = Mock::json(twice(1, 2)).await;
    let error = mock.target().find_by_user_name(&name(ADA)).await.unwrap_err();
    assert!(matches!(error, TargetError::Rejected { attribute: Some(it), .. } if it == "userName"));
    // The same account, listed twice.
    let mock = Mock::json(twice(1, 1)).await;
    assert!(mock.target().find_by_user_name(&name(ADA)).await.unwrap().is_some());
}

#[tokio::test]
async fn account_is_fetched_by_id() {
    let (_workplace, target, ada) = with_ada(SimulatorOptions::default(), json!({})).await;
    assert_eq!(target.fetch(&ada.account.id).await.as_ref(), Ok(&ada));
    assert_eq!(target.fetch(unknown_account().id()).await, Err(TargetError::NotFound));
}

#[tokio::test]
async fn id_is_escaped_in_the_path() {
    let mock = Mock::json(json!({"id": "x"})).await;
    for id in ["../Groups", "1?a=b", "a b", "1/2", "..", "."] {
        let _ = mock.target().fetch(claim(model::AccountId::new(id).unwrap()).id()).await;
    }
    assert_eq!(
        mock.requests(),
        ["GET /Users/..%2FGroups", "GET /Users/1%3Fa%3Db", "GET /Users/a%20b", "GET /Users/1%2F2"]
    );
}

#[tokio::test]
async fn account_in_the_list_is_not_gone() {
    let (workplace, target, ada) = with_ada(SimulatorOptions::default(), json!({})).await;
    let located = target.locate(&unknown_account(), Some(&name(ADA))).await.unwrap();
    let LocatedAccount::Gone { proof, namesake } = located else { panic!("{located:?}") };
    assert_eq!(proof.id(), unknown_account().id());
    assert_eq!(namesake.map(|namesake| namesake.account.id), Some(ada.account.id.clone()));
    // The answer has the shape of a SCIM resource that does not exist, and the list shows the account.
    workplace.inject(TargetFault::always(FaultEffect::status(404)).method("GET").path("/Users/"));
    let located = target.locate(&owned(&ada), Some(&name(ADA))).await;
    assert!(matches!(located, Err(TargetError::Unavailable { .. })), "{located:?}");
}
