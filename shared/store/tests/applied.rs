//! What provisioning writes: leases, links, outcomes, history.

mod common;

use common::*;
use model::{
    AppliedState, CreateIntent, DeprovisionReason, Desired, HoldReason, ScanVersion, Status, UnixSeconds,
};
use store::{AccountClaim, HistoryEvent, OutcomeWrite, Store, StoreError, UserOutcome, owned};

#[tokio::test]
async fn user_lease_has_one_holder() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let hash = anchor("a").hash();
    assert!(store.lease_user(hash, "w1", minute(NOW)).await?.is_none(), "no record");
    want(&store, &scan(&store).await, "a", present("a")).await;

    let first = store.lease_user(hash, "w1", minute(NOW)).await?.unwrap();
    assert_eq!(first.record.desired, Some(present("a")));
    assert!(store.lease_user(hash, "w2", minute(NOW.plus(59))).await?.is_none());
    let again = store.lease_user(hash, "w1", minute(NOW.plus(1))).await?.unwrap();
    let lost = store.write_outcome(first, in_sync(None), NOW).await;
    assert_eq!(lost, Err(StoreError::LeaseLost), "the same owner took the lease again");

    let successor = store.lease_user(hash, "w2", minute(NOW.plus(61))).await?.unwrap();
    assert_eq!(store.write_outcome(again, in_sync(None), NOW).await, Err(StoreError::LeaseLost));
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);
    assert_eq!(store.write_outcome(successor, in_sync(None), NOW).await?, OutcomeWrite::Done);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::InSync);
    assert!(store.lease_user(hash, "w3", minute(NOW)).await?.is_some(), "an outcome ends the lease");
    Ok(())
}

#[tokio::test]
async fn account_is_linked_to_one_entry() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    want(&store, &scan, "b", present("b")).await;
    let (mut a, mut b) = (lease(&store, "a").await, lease(&store, "b").await);
    assert!(owned(&a.record).is_none());

    let AccountClaim::Owned(mine) = store.claim_account(&mut a, &matched("1")).await? else { panic!() };
    assert_eq!(mine.id(), &account("1"));
    assert_eq!(owned(&a.record).as_ref(), Some(&mine));
    assert_eq!(owned(&record_of(&store, "a").await.unwrap()), Some(mine.clone()));
    assert_eq!(store.claim_account(&mut a, &matched("1")).await?, AccountClaim::Owned(mine), "twice is once");
    assert_eq!(store.claim_account(&mut b, &matched("1")).await?, AccountClaim::OwnedBy(anchor("a")));
    assert!(owned(&record_of(&store, "b").await.unwrap()).is_none());

    // Another account replaces the link and frees the first.
    store.claim_account(&mut a, &matched("2")).await?;
    assert!(matches!(store.claim_account(&mut b, &matched("1")).await?, AccountClaim::Owned(_)));

    store.drop_link(&mut a, &gone("1")).await?;
    assert!(a.record.link.is_some(), "another account is gone");
    store.drop_link(&mut a, &gone("2")).await?;
    assert!(a.record.link.is_none() && record_of(&store, "a").await.unwrap().link.is_none());
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    Ok(())
}

#[tokio::test]
async fn lost_lease_claims_no_account() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let mut lost = lease(&store, "a").await;
    let mut held = lease(&store, "a").await;
    assert_eq!(store.claim_account(&mut lost, &matched("1")).await, Err(StoreError::LeaseLost));
    store.claim_account(&mut held, &matched("1")).await?;
    lost.record.link = held.record.link.clone();
    assert_eq!(store.drop_link(&mut lost, &gone("1")).await, Err(StoreError::LeaseLost));
    let outcome = in_sync(Some(applied("a", false)));
    assert_eq!(store.write_outcome(lost, outcome, NOW).await, Err(StoreError::LeaseLost));
    assert_eq!(store.count_enabled_accounts(9).await?, 1, "not even in part");
    Ok(())
}

#[tokio::test]
async fn account_is_taken_over_only_from_absent_user() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("old")).await;
    provision(&store, "old", "1").await;
    want(&store, &scan, "new", present("new")).await;
    let mut new = lease(&store, "new").await;

    let from = record_of(&store, "old").await.unwrap();
    assert_eq!(
        store.take_over_account(&mut new, &matched("1"), &from.anchor).await?,
        None,
        "the other entry wants the account"
    );
    store.write_removal(&scan, &released("old")).await?;
    let from = record_of(&store, "old").await.unwrap();
    assert_eq!(
        store.take_over_account(&mut new, &matched("2"), &from.anchor).await?,
        None,
        "the other entry has another account"
    );

    let working = lease(&store, "old").await;
    assert_eq!(
        store.take_over_account(&mut new, &matched("1"), &from.anchor).await?,
        None,
        "the other entry is leased"
    );
    store.write_outcome(working, in_sync(None), NOW).await?;

    let taken = store.take_over_account(&mut new, &matched("1"), &from.anchor).await?.unwrap();
    assert_eq!(taken.id(), &account("1"));
    assert_eq!(record_of(&store, "new").await.unwrap().link, from.link);
    let old = record_of(&store, "old").await.unwrap();
    assert_eq!((old.link, old.status, old.removal_released), (None, Status::InSync, false));
    store.write_outcome(new, in_sync(Some(applied("new", false))), NOW).await?;
    assert_eq!(store.count_enabled_accounts(9).await?, 0);
    Ok(())
}

#[tokio::test]
async fn account_of_a_disabled_user_is_not_taken_over() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("old")).await;
    provision(&store, "old", "1").await;
    let disabled = Desired::Absent { user_name: Some(user_name("old")), reason: DeprovisionReason::Disabled };
    want(&store, &scan, "old", disabled).await;
    store.write_outcome(lease(&store, "old").await, in_sync(Some(applied("old", false))), NOW).await?;
    want(&store, &scan, "new", present("new")).await;
    let mut new = lease(&store, "new").await;
    assert_eq!(store.take_over_account(&mut new, &matched("1"), &anchor("old")).await?, None);
    assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("old")));
    Ok(())
}

#[tokio::test]
async fn outdated_outcome_leaves_user_pending() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let mut old = lease(&store, "a").await;
    store.claim_account(&mut old, &matched("1")).await?;
    want(&store, &scan(&store).await, "a", present("b")).await;

    assert_eq!(
        store.write_outcome(old, in_sync(Some(applied("a", true))), NOW).await?,
        OutcomeWrite::Outdated
    );
    let record = record_of(&store, "a").await.unwrap();
    assert_eq!((record.status, record.next_attempt), (Status::Pending, UnixSeconds(0)));
    assert_eq!(record.link.unwrap().applied, Some(applied("a", true)), "applied state is kept");
    assert_eq!(record.desired, Some(present("b")));
    assert_eq!(store.fetch_due(NOW, 9).await?, [anchor("a").hash()]);

    let held = Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::OverLimit };
    for (by_scan, ends) in [(Status::InSync, Status::Pending), (held.clone(), held)] {
        let busy = lease(&store, "a").await;
        store.write_status(&scan(&store).await, status_of("a", by_scan)).await?;
        assert_eq!(store.write_outcome(busy, in_sync(None), NOW).await?, OutcomeWrite::Outdated);
        assert_eq!(record_of(&store, "a").await.unwrap().status, ends);
    }
    Ok(())
}

#[tokio::test]
async fn second_write_of_one_scan_is_noticed() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let busy = lease(&store, "a").await;
    want(&store, &scan, "a", present("b")).await;
    assert_eq!(store.write_outcome(busy, in_sync(None), NOW).await?, OutcomeWrite::Outdated);
    Ok(())
}

#[tokio::test]
async fn applied_state_requires_link() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let lease = lease(&store, "a").await;
    let refused = store.write_outcome(lease, in_sync(Some(applied("a", true))), NOW).await;
    assert_eq!(refused, Err(StoreError::NotLinked));
    Ok(())
}

#[tokio::test]
async fn history_is_newest_first() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let event = |number: i64| HistoryEvent {
        at: NOW.plus(number),
        version: ScanVersion(1),
        action: "update".into(),
        reason: (number == 3).then(|| "because".into()),
        result: format!("result {number}"),
        account: (number > 1).then(|| account("1")),
    };
    for number in [2, 1, 12, 3] {
        let lease = lease(&store, "a").await;
        let outcome = store::UserOutcome { event: Some(event(number)), ..in_sync(None) };
        store.write_outcome(lease, outcome, NOW).await?;
    }
    let hash = anchor("a").hash();
    assert_eq!(store.fetch_history(hash, None, 9).await?, [event(12), event(3), event(2), event(1)]);
    assert_eq!(store.fetch_history(hash, None, 2).await?, [event(12), event(3)]);
    assert!(store.fetch_history(anchor("b").hash(), None, 2).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn history_keeps_all_events_of_one_second() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let actions = ["created", "updated manager", "updated title"];
    for action in actions {
        let lease = lease(&store, "a").await;
        let event = HistoryEvent {
            at: NOW,
            version: ScanVersion(1),
            action: action.into(),
            reason: None,
            result: "done".into(),
            account: None,
        };
        let outcome = UserOutcome { attempts: 0, event: Some(event), ..in_sync(None) };
        store.write_outcome(lease, outcome, NOW).await?;
    }
    let history = store.fetch_history(anchor("a").hash(), None, 9).await?;
    let found: Vec<_> = history.iter().rev().map(|event| event.action.as_str()).collect();
    assert_eq!(found, actions);
    Ok(())
}

/// A user that registers a missing reference is found by the other user, even before its own outcome is written.
#[tokio::test]
async fn registered_reference_is_found_before_the_outcome() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let busy = lease(&store, "a").await;
    store.register_missing(&anchor("a"), &[dn("boss")]).await?;
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, [hash]);
    assert!(!store.reopen_referrer(dn("boss"), &account("1"), hash).await?, "the user is leased");
    let outcome = UserOutcome { references: missing(&[dn("boss")]), ..in_sync(None) };
    assert_eq!(store.write_outcome(busy, outcome, NOW).await?, OutcomeWrite::Outdated);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);
    Ok(())
}

/// A missing reference is rechecked at its time. Until then the user counts as in sync.
#[tokio::test]
async fn missing_reference_is_rechecked_when_due() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let waits =
        UserOutcome { next_attempt: NOW.plus(10), references: missing(&[dn("boss")]), ..in_sync(None) };
    store.write_outcome(lease(&store, "a").await, waits, NOW).await?;
    assert_eq!(store.fetch_due(NOW.plus(9), 9).await?, []);
    for due in [store.fetch_due(NOW.plus(10), 9).await?, store.fetch_due_rechecks(NOW.plus(10), 9).await?] {
        assert_eq!(due, [hash]);
    }
    assert_eq!(store.count_by_status().await?, [].into());
    // A scan that leaves the user in sync leaves the recheck too.
    let previous = record_of(&store, "a").await;
    let same = store::DesiredWrite { status: Status::InSync, ..write("a", present("a"), previous) };
    store.write_desired(&scan(&store).await, same).await?;
    assert_eq!(store.fetch_due(NOW.plus(10), 9).await?, [hash]);

    assert!(store.reopen_referrer(dn("boss"), &account("1"), hash).await?);
    assert_eq!(store.fetch_due_rechecks(NOW.plus(10), 9).await?, []);
    assert_eq!(store.fetch_due(NOW, 9).await?, [hash]);
    Ok(())
}

#[tokio::test]
async fn missing_reference_makes_user_pending() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let waits = || store::UserOutcome {
        references: missing(&[dn("boss"), dn("boss"), dn("deputy")]),
        ..in_sync(None)
    };
    store.write_outcome(lease(&store, "a").await, waits(), NOW).await?;
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, [hash]);
    assert_eq!(store.fetch_referrers(dn("deputy"), &account("1")).await?, [hash]);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::InSync);

    store.reopen_referrer(dn("boss"), &account("1"), hash).await?;
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, []);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);

    let busy = lease(&store, "a").await;
    store.reopen_referrer(dn("deputy"), &account("1"), hash).await?;
    assert_eq!(
        store.write_outcome(busy, waits(), NOW).await?,
        OutcomeWrite::Outdated,
        "reopened while leased"
    );
    store.reopen_referrer(dn("boss"), &account("1"), anchor("unknown").hash()).await?;
    assert!(record_of(&store, "unknown").await.is_none());
    Ok(())
}

#[tokio::test]
async fn returned_lease_changes_nothing() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let before = record_of(&store, "a").await;
    let hash = anchor("a").hash();
    let held = store.lease_user(hash, "w1", minute(NOW)).await?.unwrap();
    store.return_lease(held).await?;
    assert_eq!(record_of(&store, "a").await, before, "no attempt and no outcome is recorded");
    let next = store.lease_user(hash, "w2", minute(NOW)).await?.unwrap();

    // A lease that another worker took over can't be returned.
    let successor = store.lease_user(hash, "w3", minute(NOW.plus(61))).await?.unwrap();
    store.return_lease(next).await?;
    assert!(store.lease_user(hash, "w4", minute(NOW.plus(62))).await?.is_none(), "it is still held");
    assert_eq!(store.write_outcome(successor, in_sync(None), NOW).await?, OutcomeWrite::Done);
    Ok(())
}

#[tokio::test]
async fn account_owner_is_the_claiming_entry() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    let scan = scan(&store).await;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, None);
    want(&store, &scan, "a", present("a")).await;
    provision(&store, "a", "1").await;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("a")));
    assert_eq!(table.connection("other").fetch_account_owner(&account("1")).await?, None);
    let mut lease = lease(&store, "a").await;
    store.drop_link(&mut lease, &gone("1")).await?;
    assert_eq!(store.fetch_account_owner(&account("1")).await?, None);
    Ok(())
}

/// A user with an account as `present` maps it, and the lease on the user.
async fn applied_as(store: &Store, user: &str, desired: &Desired) -> Result<(), StoreError> {
    let mut lease = lease(store, user).await;
    store.claim_account(&mut lease, &matched(user)).await?;
    let Desired::Present(user) = desired else { panic!("{desired:?}") };
    let applied = AppliedState::of(user, user, true);
    store.write_outcome(lease, in_sync(Some(applied)), NOW).await.map(drop)
}

#[tokio::test]
async fn applied_state_is_relied_on_only_after_a_recorded_outcome() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let is_recorded = async || {
        let lease = lease(&store, "a").await;
        let recorded = lease.is_recorded();
        store.return_lease(lease).await.unwrap();
        recorded
    };
    let settle = async |applied| {
        store.write_outcome(lease(&store, "a").await, in_sync(applied), NOW).await.unwrap();
    };
    assert!(!is_recorded().await, "there is no account");
    applied_as(&store, "a", &present("a")).await?;
    assert!(is_recorded().await);
    assert!(is_recorded().await, "a returned lease has sent nothing");
    want(&store, &scan(&store).await, "a", present("a")).await;
    assert!(is_recorded().await, "a scan sends nothing");

    // After a crash the same owner takes the lease at once.
    drop(lease(&store, "a").await);
    assert!(!is_recorded().await);
    settle(None).await;
    assert!(!is_recorded().await, "the outcome was not recorded");
    settle(Some(applied("a", true))).await;
    assert!(is_recorded().await);

    assert!(store.reopen(hash).await?, "the account differs at the target");
    assert!(!is_recorded().await);
    settle(Some(applied("a", true))).await;
    store.reopen_referrer(dn("boss"), &account("1"), hash).await?;
    assert!(is_recorded().await, "the applied state names the account that was sent");
    settle(Some(applied("a", true))).await;
    let failed = UserOutcome { status: Status::Retrying { error: "lost".to_owned() }, ..in_sync(None) };
    store.write_outcome(lease(&store, "a").await, failed, NOW).await?;
    assert!(!is_recorded().await, "a request without a recorded outcome");
    Ok(())
}

#[tokio::test]
async fn create_intent_is_stored_before_post() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let tried = || CreateIntent { user_name: user_name("a"), external_id: Some("7".to_owned()) };
    let mut first = lease(&store, "a").await;
    assert!(store.store_create_intent(&mut first, tried()).await?);
    drop(first);
    let record = record_of(&store, "a").await.unwrap();
    assert!(record.has_active_account() && record.create_intent == Some(tried()));

    // The user leaves. A scan that does not know of the creation keeps the intent.
    let gone = write("a", absent("a"), None);
    store.write_desired(&scan(&store).await, store::DesiredWrite { status: Status::InSync, ..gone }).await?;
    let record = record_of(&store, "a").await.unwrap();
    let held = Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::AwaitingSafeguard };
    assert!(record.status == held && record.has_active_account(), "{record:?}");

    // The desired user has changed meanwhile, so nothing may be sent.
    let mut second = lease(&store, "a").await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let other = CreateIntent { user_name: user_name("b"), external_id: None };
    assert!(!store.store_create_intent(&mut second, other).await?);
    assert_eq!(second.record.create_intent, Some(tried()));

    // A link ends the intent.
    store.return_lease(second).await?;
    provision(&store, "a", "1").await;
    assert_eq!(record_of(&store, "a").await.unwrap().create_intent, None);
    Ok(())
}

#[tokio::test]
async fn reference_to_another_account_makes_user_pending() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    want(&store, &scan(&store).await, "a", present("a")).await;
    let hash = anchor("a").hash();
    let refers =
        |id: &str| UserOutcome { references: [(dn("boss"), Some(account(id)))].into(), ..in_sync(None) };
    store.write_outcome(lease(&store, "a").await, refers("1"), NOW).await?;
    assert_eq!(lease(&store, "a").await.references(), &[(dn("boss"), Some(account("1")))].into());
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, []);
    assert_eq!(store.fetch_referrers(dn("boss"), &account("2")).await?, [hash]);

    assert!(
        !store.reopen_referrer(dn("boss"), &account("1"), hash).await?,
        "the reference names this account"
    );
    store.write_outcome(lease(&store, "a").await, refers("1"), NOW).await?;
    assert!(store.reopen_referrer(dn("boss"), &account("2"), hash).await?);
    assert_eq!(record_of(&store, "a").await.unwrap().status, Status::Pending);
    store.write_outcome(lease(&store, "a").await, refers("2"), NOW).await?;
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, [hash]);

    // A user without references is not made pending.
    store.write_outcome(lease(&store, "a").await, in_sync(None), NOW).await?;
    assert_eq!(store.fetch_referrers(dn("boss"), &account("1")).await?, []);
    assert_eq!(lease(&store, "a").await.references(), &Default::default());
    Ok(())
}
