use scim::TargetError;
use serde_json::json;
use simulator::{IdForm, NoMatch, Options};

use crate::support::*;

#[tokio::test]
async fn an_account_is_found_whatever_the_case() {
    let (_workplace, target) = workplace(Options::default()).await;
    seed_ada(&_workplace, json!({"title": "Analyst"}));
    let found = target.find_by_user_name(&name("ADA@Acme.Test")).await.unwrap().unwrap();
    assert_eq!(found.account.user_name.as_deref(), Some(ADA));
    assert_eq!(shown(&found, "title"), "Analyst");
    assert_eq!(found.account.can_delete, Some(true));
}

#[tokio::test]
async fn nobody_is_found_in_both_forms_of_an_empty_list() {
    for no_match in [NoMatch::Empty, NoMatch::Absent] {
        let (_workplace, target) = workplace(Options { no_match, ..Options::default() }).await;
        assert_eq!(target.find_by_user_name(&name(ADA)).await, Ok(None));
        assert_eq!(target.find_by_external_id("x").await, Ok(None));
        assert_eq!(target.check().await, Ok(()));
    }
}

#[tokio::test]
async fn names_that_could_break_out_of_the_filter_do_not() {
    let (workplace, target) = workplace(Options::default()).await;
    seed_ada(&workplace, json!({}));
    for strange in [
        r#"x" or userName eq "ada@acme.test"#,
        r#"a"b\c@acme.test"#,
        "a b+c&d=e%20@acme.test",
        "zoë@acme.test",
        "a\u{7f}\u{1}b@acme.test",
    ] {
        assert_eq!(target.find_by_user_name(&name(strange)).await, Ok(None), "{strange}");
        workplace.seed(json!({"userName": strange}));
        let found = target.find_by_user_name(&name(strange)).await.unwrap().unwrap();
        assert_eq!(found.account.user_name.as_deref(), Some(strange));
    }
}

#[tokio::test]
async fn a_space_in_a_query_is_no_plus() {
    let mock = Mock::json(json!({"totalResults": 0})).await;
    mock.target().find_by_user_name(&name("a+b@acme.test")).await.unwrap();
    assert_eq!(mock.asked(), ["GET /Users?filter=userName%20eq%20%22a%2Bb%40acme.test%22"]);
}

#[tokio::test]
async fn ids_may_be_texts() {
    let (_workplace, _, ada) = with_ada(Options { ids: IdForm::Text, ..Options::default() }, json!({})).await;
    assert_eq!(ada.account.id.as_str(), "100000000000001");
}

#[tokio::test]
async fn an_external_id_is_found_where_it_can_be_looked_for() {
    let (workplace, target) = workplace(Options::default()).await;
    seed_ada(&workplace, json!({"externalId": "8f1c"}));
    let found = target.find_by_external_id("8f1c").await.unwrap().unwrap();
    assert_eq!(found.account.user_name.as_deref(), Some(ADA));
    assert_eq!(target.find_by_external_id("8F1C").await, Ok(None));

    let (admin_center, target) = crate::support::workplace(Options::admin_center()).await;
    seed_ada(&admin_center, json!({"externalId": "8f1c"}));
    assert_eq!(target.find_by_external_id("8f1c").await, Ok(None));
    assert!(target.find_by_user_name(&name(ADA)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_target_that_ignores_the_filter_gives_no_stranger() {
    let list = |total: u64| {
        json!({"totalResults": total, "Resources": [
            {"id": 1, "userName": "eve@acme.test"}, {"id": 2, "userName": "Ada@acme.test"}, {"id": 3}, 4]})
    };
    // She is among them.
    let mock = Mock::json(list(100)).await;
    let found = mock.target().find_by_user_name(&name(ADA)).await.unwrap().unwrap();
    assert_eq!(found.account.id.as_str(), "2");
    // These are all, and she isn't among them.
    let mock = Mock::json(list(4)).await;
    assert_eq!(mock.target().find_by_user_name(&name("bob@acme.test")).await, Ok(None));
    assert!(matches!(mock.target().check().await, Err(TargetError::Malformed { .. })));
    // There are more, so nobody knows.
    let mock = Mock::json(list(100)).await;
    let unknown = mock.target().find_by_user_name(&name("bob@acme.test")).await;
    assert!(matches!(unknown, Err(TargetError::Malformed { .. })));
}

#[tokio::test]
async fn of_several_accounts_none_is_taken() {
    let twice = |a: u64, b: u64| json!({"totalResults": 2, "Resources": [{"id": a, "userName": ADA}, {"id": b, "userName": "ADA@acme.test"}]});
    let mock = Mock::json(twice(1, 2)).await;
    let error = mock.target().find_by_user_name(&name(ADA)).await.unwrap_err();
    assert!(matches!(error, TargetError::Rejected { attribute: Some(it), .. } if it == "userName"));
    // One that is listed twice is one.
    let mock = Mock::json(twice(1, 1)).await;
    assert!(mock.target().find_by_user_name(&name(ADA)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_account_is_fetched_by_its_id() {
    let (_workplace, target, ada) = with_ada(Options::default(), json!({})).await;
    assert_eq!(target.fetch(&ada.account.id).await.as_ref(), Ok(&ada));
    assert_eq!(target.fetch(nobodys().id()).await, Err(TargetError::NotFound));
}

#[tokio::test]
async fn ids_can_not_lead_elsewhere() {
    let mock = Mock::json(json!({"id": "x"})).await;
    for id in ["../Groups", "1?a=b", "a b", "1/2", "..", "."] {
        let _ = mock.target().fetch(claim(model::AccountId::new(id).unwrap()).id()).await;
    }
    assert_eq!(
        mock.asked(),
        ["GET /Users/..%2FGroups", "GET /Users/1%3Fa=b", "GET /Users/a%20b", "GET /Users/1%2F2"]
    );
}
