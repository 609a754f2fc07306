//! The state belongs to one target.

#![allow(clippy::unwrap_used, reason = "tests fail loudly, helpers included")]

mod common;

use common::*;
use model::{Status, TargetIdentity};
use store::{ScanLease, Store, StoreError, TargetReset};

fn target(host: &str) -> TargetIdentity {
    TargetIdentity::new(&format!("https://{host}/scim"), "scim2")
}

async fn bound(store: &Store, host: &str) -> ScanLease {
    let lease = scan(store).await;
    store.bind_target(&lease, &target(host)).await.unwrap();
    lease
}

fn is_refused(result: Result<(), StoreError>) -> bool {
    match result {
        Err(error @ StoreError::OtherTarget { .. }) => {
            let text = error.to_string();
            assert!(text.contains("one.test") && text.contains("two.test"), "{text}");
            assert!(text.contains("new 'name'") && text.contains("provisioner reset-target"), "{text}");
            true
        }
        Ok(()) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn first_scan_binds_the_target_and_another_target_is_refused() {
    let place = Place::new().await;
    let store = place.table().connection("corp");
    assert_eq!(store.fetch_target().await.unwrap(), None);
    store.check_target(&target("one.test")).await.unwrap();

    let first = bound(&store, "one.test").await;
    assert_eq!(store.fetch_target().await.unwrap(), Some(target("one.test")));
    // The lease was taken before the state had a target.
    assert!(is_refused(store.bind_target(&first, &target("two.test")).await));
    store.bind_target(&first, &target("one.test")).await.unwrap();

    let next = scan(&store).await;
    assert!(is_refused(store.bind_target(&next, &target("two.test")).await));
    assert!(is_refused(store.check_target(&target("two.test")).await));
    store.bind_target(&next, &target("one.test")).await.unwrap();
    store.check_target(&target("one.test")).await.unwrap();

    let other_connection = place.table().connection("labs");
    other_connection.check_target(&target("two.test")).await.unwrap();
}

#[tokio::test]
async fn reset_forgets_links_and_makes_users_pending() {
    let place = Place::new().await;
    let store = place.table().connection("corp");
    let lease = bound(&store, "one.test").await;
    want(&store, &lease, "ada", present("ada")).await;
    provision(&store, "ada", "1").await;
    want(&store, &lease, "joe", present("joe")).await;
    provision(&store, "joe", "2").await;
    let leaver = anchor("joe");
    want(&store, &lease, "joe", absent("joe")).await;

    let reset = store.reset_target(&lease, &target("two.test")).await.unwrap();
    assert_eq!(reset, TargetReset { unlinked: 2, busy: 0 });
    store.check_target(&target("two.test")).await.unwrap();
    let ada = record_of(&store, "ada").await.unwrap();
    assert_eq!((ada.link, ada.status, ada.desired), (None, Status::Pending, Some(present("ada"))));
    let joe = store.fetch_record(leaver.hash()).await.unwrap().unwrap();
    assert_eq!((joe.link, joe.status), (None, Status::InSync));
    assert_eq!(store.fetch_account_owner(&account("1")).await.unwrap(), None);
    assert_eq!(store.fetch_account_owner(&account("2")).await.unwrap(), None);
    assert_eq!(name_owner(&store, &user_name("ada")).await, Some(anchor("ada")));
}

#[tokio::test]
async fn unfinished_reset_refuses_every_target_until_it_is_run_again() {
    let place = Place::new().await;
    let store = place.table().connection("corp");
    let scan = bound(&store, "one.test").await;
    want(&store, &scan, "ada", present("ada")).await;
    provision(&store, "ada", "1").await;
    let busy = lease(&store, "ada").await;

    let reset = store.reset_target(&scan, &target("two.test")).await.unwrap();
    assert_eq!(reset, TargetReset { unlinked: 0, busy: 1 });
    assert_eq!(store.check_target(&target("two.test")).await, Err(StoreError::TargetResetUnfinished));
    assert!(store.check_target(&target("one.test")).await.is_err());

    store.return_lease(busy).await.unwrap();
    let reset = store.reset_target(&scan, &target("two.test")).await.unwrap();
    assert_eq!(reset, TargetReset { unlinked: 1, busy: 0 });
    store.check_target(&target("two.test")).await.unwrap();
}
