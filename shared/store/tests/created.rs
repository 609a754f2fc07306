//! Outcome of a creation: written in one transaction with the link, unless another user waits for the account.

mod common;

use common::*;
use model::{CreateIntent, Status};
use store::{AccountClaim, HistoryEvent, OutcomeWrite, Store, StoreError, UserLease, UserOutcome};

fn outcome() -> UserOutcome {
    let event = HistoryEvent {
        at: NOW,
        version: model::ScanVersion(1),
        action: "created".into(),
        reason: None,
        result: "done".into(),
        account: Some(account("1")),
    };
    UserOutcome { event: Some(event), ..in_sync(Some(applied("a", true))) }
}

/// The lease of a user without an account.
async fn about_to(store: &Store) -> Result<UserLease, StoreError> {
    want(store, &scan(store).await, "a", present("a")).await;
    let mut lease = lease(store, "a").await;
    let tried = CreateIntent { user_name: user_name("a"), external_id: None };
    assert!(store.store_create_intent(&mut lease, tried).await?);
    Ok(lease)
}

/// The single transaction is refused and changes nothing; link and outcome are written one after the other.
async fn expect_steps(store: &Store, mut lease: UserLease, finished: OutcomeWrite) -> Result<(), StoreError> {
    let before = record_of(store, "a").await;
    assert!(!store.write_created_outcome(&lease, &matched("1"), &outcome()).await?);
    assert_eq!(record_of(store, "a").await, before);
    assert_eq!(store.fetch_account_owner(&account("1")).await?, None);
    assert_eq!(store.fetch_history(anchor("a").hash(), None, 9).await?, []);
    assert!(matches!(store.claim_account(&mut lease, &matched("1")).await?, AccountClaim::Owned(_)));
    assert_eq!(store.write_outcome(lease, outcome(), NOW).await?, finished);
    Ok(())
}

#[tokio::test]
async fn created_account_is_linked_with_its_outcome() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let first = about_to(&store).await?;
    assert!(store.write_created_outcome(&first, &matched("1"), &outcome()).await?);

    let record = record_of(&store, "a").await.unwrap();
    let link = record.link.clone().unwrap();
    assert_eq!((link.account, link.applied), (account("1"), Some(applied("a", true))));
    assert_eq!((record.status, record.create_intent), (Status::InSync, None));
    assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("a")));
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    assert_eq!(store.fetch_history(anchor("a").hash(), None, 9).await?.len(), 1);
    // The lease is given back, and the applied state is recorded.
    assert!(store.lease_user(anchor("a").hash(), "another", minute(NOW)).await?.unwrap().is_recorded());
    Ok(())
}

#[tokio::test]
async fn account_created_inactive_is_not_counted() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let lease = about_to(&store).await?;
    let inactive = UserOutcome { applied: Some(applied("a", false)), ..outcome() };
    assert!(store.write_created_outcome(&lease, &matched("1"), &inactive).await?);
    assert_eq!(store.count_enabled_accounts(9).await?, 0);
    Ok(())
}

#[tokio::test]
async fn missing_reference_is_recorded_with_the_creation() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let lease = about_to(&store).await?;
    let waits = UserOutcome { references: missing(&[dn("boss")]), ..outcome() };
    assert!(store.write_created_outcome(&lease, &matched("1"), &waits).await?);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::InSync);
    assert_eq!(store.fetch_referrers(dn("boss"), &account("2")).await?, [anchor("a").hash()]);
    Ok(())
}

#[tokio::test]
async fn created_outcome_is_refused_when_record_changed() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let lease = about_to(&store).await?;
    want(&store, &scan(&store).await, "a", present("another")).await;
    expect_steps(&store, lease, OutcomeWrite::Outdated).await
}

#[tokio::test]
async fn created_outcome_is_refused_when_another_user_waits() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "b", present("b")).await;
    let waits = UserOutcome { references: missing(&[dn("a")]), ..in_sync(None) };
    store.write_outcome(lease(&store, "b").await, waits, NOW).await?;
    let lease = about_to(&store).await?;
    expect_steps(&store, lease, OutcomeWrite::Done).await
}

#[tokio::test]
async fn created_outcome_is_refused_without_account_or_lease() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "b", present("b")).await;
    provision(&store, "b", "1").await;
    let first = about_to(&store).await?;
    assert!(!store.write_created_outcome(&first, &matched("1"), &outcome()).await?);
    assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("b")));

    let mut successor =
        store.lease_user(anchor("a").hash(), "successor", minute(NOW.plus(61))).await?.unwrap();
    assert!(!store.write_created_outcome(&first, &matched("2"), &outcome()).await?);
    assert_eq!(store.fetch_account_owner(&account("2")).await?, None);

    // Refused with a link too, and without applied state.
    assert!(!store.write_created_outcome(&successor, &matched("2"), &in_sync(None)).await?);
    store.claim_account(&mut successor, &matched("2")).await?;
    assert!(!store.write_created_outcome(&successor, &matched("3"), &outcome()).await?);
    assert_eq!(store.fetch_account_owner(&account("3")).await?, None);
    Ok(())
}
