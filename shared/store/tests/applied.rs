//! What provisioning writes: leases, links, outcomes, history.

mod common;

use common::*;
use model::{Departure, HoldReason, Status, UnixSeconds, Version};
use store::{Claim, Finished, HistoryEvent, StoreError, owned};

#[tokio::test]
async fn one_at_a_time_for_each_user() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let hash = anchor("a").hash();
    assert!(store.lease_user(hash, "w1", NOW, 60).await?.is_none(), "there is no such user");
    want(&store, &scan(&store).await, "a", present("a")).await;

    let first = store.lease_user(hash, "w1", NOW, 60).await?.unwrap();
    assert_eq!(first.record.desired, Some(present("a")));
    assert!(store.lease_user(hash, "w2", NOW.plus(59), 60).await?.is_none());
    let again = store.lease_user(hash, "w1", NOW.plus(1), 60).await?.unwrap();
    let lost = store.finish_user(first, settled(None), NOW).await;
    assert_eq!(lost, Err(StoreError::LeaseLost), "the same owner took it anew");

    let heir = store.lease_user(hash, "w2", NOW.plus(61), 60).await?.unwrap();
    assert_eq!(store.finish_user(again, settled(None), NOW).await, Err(StoreError::LeaseLost));
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);
    assert_eq!(store.finish_user(heir, settled(None), NOW).await?, Finished::Done);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Settled);
    assert!(store.lease_user(hash, "w3", NOW, 60).await?.is_some(), "finishing gives it back");
    Ok(())
}

#[tokio::test]
async fn an_account_belongs_to_one_entry() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    want(&store, &scan, "b", present("b")).await;
    let (mut a, mut b) = (lease(&store, "a").await, lease(&store, "b").await);
    assert!(owned(&a.record).is_none());

    let Claim::Owned(mine) = store.claim_account(&mut a, &account("1")).await? else { panic!() };
    assert_eq!(mine.id(), &account("1"));
    assert_eq!(owned(&a.record).as_ref(), Some(&mine));
    assert_eq!(owned(&record_of(&store, "a").await.unwrap()), Some(mine.clone()));
    assert_eq!(store.claim_account(&mut a, &account("1")).await?, Claim::Owned(mine), "twice is once");
    assert_eq!(store.claim_account(&mut b, &account("1")).await?, Claim::OwnedBy(anchor("a")));
    assert!(owned(&record_of(&store, "b").await.unwrap()).is_none());

    // Another account replaces the link and frees the first.
    store.claim_account(&mut a, &account("2")).await?;
    assert!(matches!(store.claim_account(&mut b, &account("1")).await?, Claim::Owned(_)));

    store.drop_link(&mut a).await?;
    assert!(a.record.link.is_none() && record_of(&store, "a").await.unwrap().link.is_none());
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_lost_lease_claims_nothing() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let mut lost = lease(&store, "a").await;
    let mut held = lease(&store, "a").await;
    assert_eq!(store.claim_account(&mut lost, &account("1")).await, Err(StoreError::LeaseLost));
    store.claim_account(&mut held, &account("1")).await?;
    lost.record.link = held.record.link.clone();
    assert_eq!(store.drop_link(&mut lost).await, Err(StoreError::LeaseLost));
    let outcome = settled(Some(applied("a", false)));
    assert_eq!(store.finish_user(lost, outcome, NOW).await, Err(StoreError::LeaseLost));
    assert_eq!(store.count_enabled_accounts(9).await?, 1, "not even in part");
    Ok(())
}

#[tokio::test]
async fn an_account_is_taken_over_only_from_somebody_who_is_gone() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("old")).await;
    provision(&store, "old", "1").await;
    want(&store, &scan, "new", present("new")).await;
    let mut new = lease(&store, "new").await;

    let from = record_of(&store, "old").await.unwrap();
    assert_eq!(store.take_over_account(&mut new, &account("1"), &from).await?, None, "it is still wanted");
    store.write_removal(&scan, &released("old")).await?;
    let from = record_of(&store, "old").await.unwrap();
    assert_eq!(store.take_over_account(&mut new, &account("2"), &from).await?, None, "it has another one");

    let working = lease(&store, "old").await;
    assert_eq!(store.take_over_account(&mut new, &account("1"), &from).await?, None, "it is being worked on");
    store.finish_user(working, settled(None), NOW).await?;

    let taken = store.take_over_account(&mut new, &account("1"), &from).await?.unwrap();
    assert_eq!(taken.id(), &account("1"));
    assert_eq!(record_of(&store, "new").await.unwrap().link, from.link);
    let old = record_of(&store, "old").await.unwrap();
    assert_eq!((old.link, old.status, old.removal_released), (None, Status::Settled, false));
    store.finish_user(new, settled(Some(applied("new", false))), NOW).await?;
    assert_eq!(store.count_enabled_accounts(9).await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_outdated_outcome_settles_nobody() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let mut old = lease(&store, "a").await;
    store.claim_account(&mut old, &account("1")).await?;
    want(&store, &scan(&store).await, "a", present("b")).await;

    assert_eq!(store.finish_user(old, settled(Some(applied("a", true))), NOW).await?, Finished::Outdated);
    let record = record_of(&store, "a").await.unwrap();
    assert_eq!((record.status, record.next_attempt), (Status::Pending, UnixSeconds(0)));
    assert_eq!(record.link.unwrap().applied, Some(applied("a", true)), "what was done is remembered");
    assert_eq!(record.desired, Some(present("b")));
    assert_eq!(store.fetch_due(NOW, 9).await?, [anchor("a").hash()]);

    let held = Status::Held { departure: Departure::Deleted, reason: HoldReason::OverLimit };
    for (by_scan, ends) in [(Status::Settled, Status::Pending), (held.clone(), held)] {
        let busy = lease(&store, "a").await;
        store.write_status(&scan(&store).await, &anchor("a"), None, by_scan).await?;
        assert_eq!(store.finish_user(busy, settled(None), NOW).await?, Finished::Outdated);
        assert_eq!(record_of(&store, "a").await.unwrap().status, ends);
    }
    Ok(())
}

#[tokio::test]
async fn the_same_scan_writing_again_is_noticed_too() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let busy = lease(&store, "a").await;
    want(&store, &scan, "a", present("b")).await;
    assert_eq!(store.finish_user(busy, settled(None), NOW).await?, Finished::Outdated);
    Ok(())
}

#[tokio::test]
async fn nothing_is_applied_without_a_link() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let lease = lease(&store, "a").await;
    let refused = store.finish_user(lease, settled(Some(applied("a", true))), NOW).await;
    assert_eq!(refused, Err(StoreError::NotLinked));
    Ok(())
}

#[tokio::test]
async fn history_is_read_backwards() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let event = |number: i64| HistoryEvent {
        at: NOW.plus(number),
        version: Version(1),
        action: "update".into(),
        reason: (number == 3).then(|| "because".into()),
        result: format!("result {number}"),
        account: (number > 1).then(|| account("1")),
    };
    for number in [2, 1, 12, 3] {
        let lease = lease(&store, "a").await;
        let outcome = store::UserOutcome { event: Some(event(number)), ..settled(None) };
        store.finish_user(lease, outcome, NOW).await?;
    }
    let hash = anchor("a").hash();
    assert_eq!(store.fetch_history(hash, 9).await?, [event(12), event(3), event(2), event(1)]);
    assert_eq!(store.fetch_history(hash, 2).await?, [event(12), event(3)]);
    assert!(store.fetch_history(anchor("b").hash(), 2).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn who_waits_for_somebody_is_woken() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let waits =
        || store::UserOutcome { waiting_for: vec![dn("boss"), dn("boss"), dn("deputy")], ..settled(None) };
    store.finish_user(lease(&store, "a").await, waits(), NOW).await?;
    assert_eq!(store.fetch_waiting(dn("boss"), &account("1")).await?, [hash]);
    assert_eq!(store.fetch_waiting(dn("deputy"), &account("1")).await?, [hash]);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Settled);

    store.wake(dn("boss"), &account("1"), hash).await?;
    assert_eq!(store.fetch_waiting(dn("boss"), &account("1")).await?, []);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);

    let busy = lease(&store, "a").await;
    store.wake(dn("deputy"), &account("1"), hash).await?;
    assert_eq!(store.finish_user(busy, waits(), NOW).await?, Finished::Outdated, "woken while at work");
    store.wake(dn("boss"), &account("1"), anchor("nobody").hash()).await?;
    assert!(record_of(&store, "nobody").await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_returned_lease_leaves_the_work_as_it_was() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let before = record_of(&store, "a").await;
    let hash = anchor("a").hash();
    let held = store.lease_user(hash, "w1", NOW, 60).await?.unwrap();
    store.return_lease(held).await?;
    assert_eq!(record_of(&store, "a").await, before, "neither an attempt nor an outcome");
    let next = store.lease_user(hash, "w2", NOW, 60).await?.unwrap();

    // One that went to somebody else is not theirs to give back.
    let heir = store.lease_user(hash, "w3", NOW.plus(61), 60).await?.unwrap();
    store.return_lease(next).await?;
    assert!(store.lease_user(hash, "w4", NOW.plus(62), 60).await?.is_none(), "it is still held");
    assert_eq!(store.finish_user(heir, settled(None), NOW).await?, Finished::Done);
    Ok(())
}

#[tokio::test]
async fn an_accounts_owner_is_who_claimed_it() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    let scan = scan(&store).await;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, None);
    want(&store, &scan, "a", present("a")).await;
    provision(&store, "a", "1").await;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("a")));
    assert_eq!(table.connection("other").fetch_account_owner(&account("1")).await?, None);
    let mut lease = lease(&store, "a").await;
    store.drop_link(&mut lease).await?;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, None);
    Ok(())
}
