use scim::TargetError;
use serde_json::json;
use simulator::SimulatorOptions;

use crate::support::*;

#[tokio::test]
async fn all_accounts_are_listed_with_short_pages() {
    let (workplace, target) =
        workplace(SimulatorOptions { page_max: 7, ..SimulatorOptions::default() }).await;
    for number in 0..30 {
        workplace.seed(json!({"userName": format!("user{number}@acme.test")}));
    }
    let (mut names, mut next) = (Vec::new(), Some(1));
    while let Some(start) = next {
        let page = target.list(start).await.unwrap();
        assert_eq!((page.total, page.unreadable), (30, 0));
        names.extend(page.resources.into_iter().filter_map(|resource| resource.account.user_name));
        next = page.next;
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 30);
    assert_eq!(workplace.request_count(), 5);
}

#[tokio::test]
async fn empty_page_has_no_next_page() {
    let (_workplace, target) = workplace(SimulatorOptions::default()).await;
    let page = target.list(1).await.unwrap();
    assert_eq!((page.resources.len(), page.next, page.total), (0, None, 0));
    assert_eq!(target.list(0).await, target.list(1).await);
    assert_eq!(target.list(1_000).await.unwrap().next, None);
}

#[tokio::test]
async fn empty_page_ends_the_list_despite_a_larger_total() {
    let page = Mock::json(json!({"totalResults": 9, "Resources": []})).await.target().list(1).await.unwrap();
    assert_eq!((page.next, page.total), (None, 9));
}

#[tokio::test]
async fn unreadable_account_does_not_hide_the_others() {
    let mock =
        Mock::json(json!({"totalResults": "4", "Resources": [{"id": 1}, {"id": null}, "x", {"id": 1e30}]}))
            .await;
    let page = mock.target().list(1).await.unwrap();
    assert_eq!((page.resources.len(), page.unreadable, page.next), (1, 3, None));
}

#[tokio::test]
async fn other_json_is_not_an_empty_list() {
    for body in
        [json!({}), json!({"id": 1}), json!([]), json!({"Resources": {}}), json!({"totalResults": -1})]
    {
        let mock = Mock::json(body.clone()).await;
        let (listed, found) =
            (mock.target().list(1).await, mock.target().find_by_user_name(&name(ADA)).await);
        assert!(matches!(listed, Err(TargetError::Malformed { .. })), "{body}");
        assert!(matches!(found, Err(TargetError::Malformed { .. })), "{body}");
    }
    let mock = Mock::json(json!({"Resources": []})).await;
    assert!(matches!(mock.target().list(1).await, Err(TargetError::Malformed { .. })));
}

/// A server that has a million accounts as it reports, and shows the same one on every page.
#[tokio::test]
async fn list_that_repeats_its_accounts_ends() {
    let page = json!({"totalResults": 1_000_000, "Resources": [{"id": "1", "userName": "joe@acme.test"}]});
    let mock = Mock::json(page).await;
    assert_eq!(mock.target().find_by_listing(&name(ADA), 100).await, Ok(None));
    assert_eq!(mock.requests().len(), 2, "{:?}", mock.requests());
}

#[tokio::test]
async fn look_up_without_filters_ends_at_a_list_that_repeats_its_accounts() {
    // The same body is the server's configuration, without filters, and each page of its list.
    let body = json!({
        "filter": {"supported": false},
        "totalResults": 1_000_000, "Resources": [{"id": "1", "userName": "joe@acme.test"}],
    });
    let mock = Mock::json(body).await;
    let dialect = scim::Dialect::named("scim2").unwrap();
    let target = scim::Target::new(dialect, options_at(&mock.url, QUICK), credentials("the-token")).unwrap();
    assert_eq!(target.find_by_user_name(&name(ADA)).await, Ok(None));
    let pages = mock.requests().iter().filter(|request| request.starts_with("GET /Users?")).count();
    assert_eq!(pages, 2, "{:?}", mock.requests());
}
