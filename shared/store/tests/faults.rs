//! Faults of DynamoDB: no write is lost or done twice, and no success is mistaken for a refusal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly, helpers included")]
#![expect(clippy::cognitive_complexity, reason = "scenarios, told in the order in which they happen")]

mod common;

use std::collections::BTreeMap;

use common::dump::{self, expiring, items};
use common::faults::{Fault, FaultRule, Faults};
use common::*;
use model::{AnchorHash, Fingerprint, ScanVersion, Status};
use serde_json::json;
use store::{
    AccountClaim, BreakerReason, HistoryEvent, OutcomeWrite, RecordWrite, ScanLease, Snapshot, SnapshotSave,
    Store, StoreError, UserOutcome,
};

fn outcome_with_event(active: bool) -> UserOutcome {
    let event = HistoryEvent {
        at: NOW,
        version: ScanVersion(1),
        action: "update".into(),
        reason: None,
        result: "done".into(),
        account: None,
    };
    UserOutcome {
        event: Some(event),
        references: missing(&[dn("boss")]),
        ..in_sync(Some(applied("a", active)))
    }
}

fn hashes(count: u32) -> impl Iterator<Item = AnchorHash> {
    (0..count).map(|number| anchor(&format!("n{number}")).hash())
}

/// One operation of each kind, in a fixed order.
async fn story(store: &Store) {
    let scan = write_users(store).await;
    write_snapshot(store, &scan).await;

    store.register_missing(&anchor("c"), &[dn("boss")]).await.unwrap();
    let open = store.open_breaker(BreakerReason::Unavailable, NOW, 10).await.unwrap();
    assert!(store.try_probe(open, NOW.plus(10), 10).await.unwrap().is_some());
    let asked: Vec<_> = ["a", "b", "c", "d", "x"].map(|user| anchor(user).hash()).into();
    assert_eq!(store.fetch_records(&asked).await.unwrap().len(), 4);
    assert_eq!(store.find_by_dn(dn("c")).await.unwrap().unwrap().anchor, anchor("c"));
    assert_eq!(store.fetch_due(NOW, 9).await.unwrap().len(), 2);
    assert_eq!(store.count_enabled_accounts(9).await.unwrap(), 1);
    assert!(store.release(scan, Some(json!({ "read": 4 })), None).await.unwrap());
}

/// Users that are created, renamed, deprovisioned and transferred.
async fn write_users(store: &Store) -> ScanLease {
    let mut scan = scan(store).await;
    for user in ["a", "b", "c"] {
        assert_eq!(want(store, &scan, user, present(user)).await, RecordWrite::Done);
    }
    assert_eq!(want(store, &scan, "d", present("a")).await, RecordWrite::NameTaken { by: anchor("a") });
    assert!(store.renew_lease(&mut scan, NOW.plus(1), 900).await.unwrap());
    for (user, id) in [("a", "1"), ("b", "2")] {
        let mut lease = lease(store, user).await;
        assert!(matches!(
            store.claim_account(&mut lease, &matched(id)).await.unwrap(),
            AccountClaim::Owned(_)
        ));
        assert_eq!(
            store.write_outcome(lease, outcome_with_event(true), NOW).await.unwrap(),
            OutcomeWrite::Done
        );
    }
    deprovision(store, &scan, "b").await;
    let (from, to) = (record_of(store, "a").await.unwrap(), record_of(store, "d").await.unwrap());
    assert!(store.transfer(&scan, transfer_of(&from, &to)).await.unwrap());
    store.reopen_referrer(dn("boss"), &account("1"), anchor("a").hash()).await.unwrap();
    scan
}

async fn write_snapshot(store: &Store, scan: &ScanLease) {
    let seen = |look| hashes(600).map(|hash| (hash, Some(Fingerprint([look; 16])))).collect();
    assert_eq!(store.save_snapshot(scan, Snapshot::default(), seen(1)).await.unwrap(), SnapshotSave::Done);
    let (one, before) = (hashes(1).next().unwrap(), store.fetch_snapshot().await.unwrap());
    let changes = BTreeMap::from([(one, Some(Fingerprint([2; 16])))]);
    assert_eq!(store.save_snapshot(scan, before, changes).await.unwrap(), SnapshotSave::Done);
    assert_eq!(store.fetch_snapshot().await.unwrap().get(&one), Some(Fingerprint([2; 16])));
}

const OPERATIONS: [&str; 8] = [
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "Query",
    "BatchGetItem",
    "BatchWriteItem",
    "TransactWriteItems",
];

/// More consecutive refusals than the SDK retries, at the beginning of the story and in the middle.
#[tokio::test]
async fn throttled_requests_are_retried() {
    let clean = Faults::start().await;
    story(&clean.table.connection("corp")).await;
    let expected = items(&clean.place).await;

    let codes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    for code in codes {
        let busy = Faults::start().await;
        let fault = Fault::Refused(code);
        // Nothing in the story deletes a single item.
        let operations = OPERATIONS.into_iter().filter(|operation| *operation != "DeleteItem");
        busy.set(operations.flat_map(|operation| {
            let many = matches!(operation, "UpdateItem" | "TransactWriteItems");
            let again = many.then_some(FaultRule { operation, after: 4, times: 4, fault });
            [Some(FaultRule { operation, after: 0, times: 4, fault }), again].into_iter().flatten()
        }));
        story(&busy.table.connection("corp")).await;
        busy.seen();
        assert_eq!(items(&busy.place).await, expected, "{code}");
    }
}

#[tokio::test]
async fn lasting_throttling_is_reported_and_nothing_is_written() -> Result<(), StoreError> {
    let busy = Faults::start().await;
    let store = busy.table.connection("corp");
    let scan = scan(&store).await;
    let before = items(&busy.place).await;
    let fault = Fault::Refused("ProvisionedThroughputExceededException");
    busy.set([FaultRule { operation: "TransactWriteItems", after: 0, times: 1_000, fault }]);
    let error = store.write_desired(&scan, write("a", present("a"), None)).await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { .. }), "{error}");
    busy.set([]);
    let tried = busy.seen().iter().filter(|operation| *operation == "TransactWriteItems").count();
    assert!((8..=40).contains(&tried), "{tried} tries");
    assert_eq!(items(&busy.place).await, before);
    assert_eq!(want(&store, &scan, "a", present("a")).await, RecordWrite::Done, "a later attempt succeeds");
    Ok(())
}

#[tokio::test]
async fn conflicting_transactions_are_retried() {
    let clean = Faults::start().await;
    story(&clean.table.connection("corp")).await;
    let busy = Faults::start().await;
    busy.set([0, 1, 2, 5].map(|after| FaultRule {
        operation: "TransactWriteItems",
        after,
        times: 3,
        fault: Fault::Conflict,
    }));
    story(&busy.table.connection("corp")).await;
    busy.seen();
    assert_eq!(items(&busy.place).await, items(&clean.place).await);

    // Single writes meet transactions too.
    let busy = Faults::start().await;
    let fault = Fault::Refused("TransactionConflictException");
    busy.set(["UpdateItem", "PutItem"].map(|operation| FaultRule { operation, after: 1, times: 4, fault }));
    story(&busy.table.connection("corp")).await;
    busy.seen();
    assert_eq!(items(&busy.place).await, items(&clean.place).await);
}

#[tokio::test]
async fn partially_processed_batch_is_completed() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let store = faults.table.connection("corp");
    let scan = scan(&store).await;
    for number in 0..30 {
        let user = format!("n{number}");
        store.write_desired(&scan, write(&user, present(&user), None)).await?;
    }
    let half = |operation, times| FaultRule { operation, after: 0, times, fault: Fault::Half };
    let none = |operation, times| FaultRule { operation, after: 0, times, fault: Fault::None };
    faults.set([half("BatchGetItem", 3), none("BatchGetItem", 2)]);
    let all: Vec<_> = hashes(30).collect();
    assert_eq!(store.fetch_records(&all).await?.len(), 30);
    faults.seen();

    faults.set([none("BatchWriteItem", 2), half("BatchWriteItem", 4)]);
    let changes = hashes(600).map(|hash| (hash, Some(Fingerprint([1; 16])))).collect();
    assert_eq!(store.save_snapshot(&scan, Snapshot::default(), changes).await?, SnapshotSave::Done);
    faults.seen();
    assert_eq!(store.fetch_snapshot().await?.len(), 600);

    faults.set([none("BatchGetItem", 1_000)]);
    let error = store.fetch_records(&all).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Throttled { .. }),
        "an unread item does not count as missing: {error}"
    );
    Ok(())
}

/// A connection that loses responses: the request succeeds, the client sends it again, and it meets its own effect.
struct LossyStore {
    faults: Faults,
    store: Store,
}

impl LossyStore {
    /// Loses the response to the next operation of this name. The one before must have been lost.
    fn lose(&self, operation: &'static str) {
        self.faults.seen();
        self.faults.set([FaultRule::next(operation, Fault::Lost)]);
    }

    async fn scan_writes(&self) -> Result<ScanLease, StoreError> {
        let store = &self.store;
        self.lose("UpdateItem");
        let mut scan = scan(store).await;
        self.lose("UpdateItem");
        assert!(store.renew_lease(&mut scan, NOW, 900).await?);
        for (operation, name) in
            [("TransactWriteItems", "a"), ("UpdateItem", "a"), ("TransactWriteItems", "a2")]
        {
            self.lose(operation);
            assert_eq!(want(store, &scan, "a", present(name)).await, RecordWrite::Done);
        }
        self.lose("UpdateItem");
        let written = want(store, &scan, "b", present("a2")).await;
        assert_eq!(written, RecordWrite::NameTaken { by: anchor("a") });
        Ok(scan)
    }

    async fn provisioning_writes(&self) -> Result<(), StoreError> {
        let store = &self.store;
        self.lose("UpdateItem");
        let mut worker = lease(store, "a").await;
        self.lose("TransactWriteItems");
        assert!(matches!(store.claim_account(&mut worker, &matched("1")).await?, AccountClaim::Owned(_)));
        self.lose("TransactWriteItems");
        let waiting = UserOutcome { references: missing(&[dn("boss")]), ..in_sync(Some(applied("a", true))) };
        assert_eq!(store.write_outcome(worker, waiting, NOW).await?, OutcomeWrite::Done);
        self.lose("TransactWriteItems");
        store.reopen_referrer(dn("boss"), &account("1"), anchor("a").hash()).await?;
        assert_eq!(record_of(store, "a").await.unwrap().status, Status::Pending);
        store.write_outcome(lease(store, "a").await, in_sync(None), NOW).await?;
        let worker = lease(store, "a").await;
        self.lose("UpdateItem");
        let done = store.write_outcome(worker, in_sync(None), NOW).await?;
        assert_eq!(done, OutcomeWrite::Done, "an update that its own first attempt refuses");
        assert_eq!(record_of(store, "a").await.unwrap().status, Status::InSync);
        let worker = lease(store, "a").await;
        self.lose("UpdateItem");
        store.return_lease(worker).await?;
        let mut worker = lease(store, "a").await;
        self.lose("TransactWriteItems");
        store.drop_link(&mut worker, &gone("1")).await?;
        store.claim_account(&mut worker, &matched("1")).await?;
        store.write_outcome(worker, in_sync(Some(applied("a", true))), NOW).await.map(drop)
    }

    async fn transfers(&self, scan: &ScanLease) -> Result<(), StoreError> {
        let store = &self.store;
        let (from, to) = (record_of(store, "a").await.unwrap(), record_of(store, "b").await.unwrap());
        self.lose("TransactWriteItems");
        assert!(store.transfer(scan, transfer_of(&from, &to)).await?);
        assert_eq!(store.fetch_account_owner(&account("1")).await?, Some(anchor("b")));
        self.lose("UpdateItem");
        store.write_removal(scan, &released("b")).await?;
        let worker = lease(store, "b").await;
        self.lose("TransactWriteItems");
        store.write_outcome(worker, in_sync(Some(applied("b", false))), NOW).await?;
        assert_eq!(expiring(&self.faults.place).await, 2);
        want(store, scan, "c", present("c")).await;
        let mut worker = lease(store, "c").await;
        self.lose("TransactWriteItems");
        assert!(store.take_over_account(&mut worker, &matched("1"), &anchor("b")).await?.is_some());

        want(store, scan, "e", present("e")).await;
        let worker = lease(store, "e").await;
        self.lose("TransactWriteItems");
        let created = in_sync(Some(applied("e", true)));
        assert!(store.write_created_outcome(&worker, &matched("5"), &created).await?);
        self.lose("PutItem");
        store.register_missing(&anchor("e"), &[dn("f")]).await
    }

    async fn breaker(&self) -> Result<(), StoreError> {
        let store = &self.store;
        self.lose("UpdateItem");
        let open = store.open_breaker(BreakerReason::Unauthorized, NOW, 10).await?;
        assert_eq!((open.opened_at, open.until), (NOW, NOW.plus(10)));
        self.lose("TransactWriteItems");
        let probe =
            store.try_probe(open, NOW.plus(10), 10).await?.expect("the worker that got the probe keeps it");
        assert_eq!(store.try_probe(open, NOW.plus(10), 10).await?, None);
        assert_eq!(store.fetch_breaker().await?.unwrap().probes, 1);
        self.lose("DeleteItem");
        assert!(store.close_breaker(probe).await?);
        Ok(())
    }
}

#[tokio::test]
async fn lost_response_is_not_mistaken_for_refusal() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let lossy = LossyStore { store: faults.table.connection("corp"), faults };
    let scan = lossy.scan_writes().await?;
    lossy.provisioning_writes().await?;
    lossy.transfers(&scan).await?;
    let changes = BTreeMap::from([(anchor("a").hash(), Some(Fingerprint([1; 16])))]);
    lossy.lose("UpdateItem");
    assert_eq!(lossy.store.save_snapshot(&scan, Snapshot::default(), changes).await?, SnapshotSave::Done);
    lossy.breaker().await?;
    lossy.lose("UpdateItem");
    assert!(lossy.store.release(scan, Some(json!("done")), None).await?);
    assert_eq!(lossy.store.fetch_connection().await?.last_scan, Some(json!("done")));
    lossy.faults.seen();
    Ok(())
}

#[tokio::test]
async fn concurrent_write_is_not_mistaken_for_own() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let store = faults.table.connection("corp");
    let first = scan(&store).await;
    want(&store, &first, "a", present("a")).await;
    let old = lease(&store, "a").await;
    // The same worker's successor has finished.
    store.return_lease(lease(&store, "a").await).await?;
    assert_eq!(store.write_outcome(old, in_sync(None), NOW).await, Err(StoreError::LeaseLost));
    // A later scan has begun, and ended.
    let second = scan(&store).await;
    assert!(store.release(second, None, None).await?);
    assert!(!store.release(first, Some(json!("stale")), None).await?);
    assert_eq!(store.fetch_connection().await?.last_scan, None);
    Ok(())
}

/// Provisioning does not increment `rev`, so these two writes check the lease.
#[tokio::test]
async fn outcome_between_read_and_write_is_noticed() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let store = faults.table.connection("corp");
    let behind = faults.place.table().connection("corp");
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    provision(&store, "a", "1").await;
    deprovision(&store, &scan, "a").await;
    want(&store, &scan, "a", absent("a")).await;
    let worker = lease(&store, "a").await;

    let previous = record_of(&store, "a").await;
    let gone = store::DesiredWrite { status: Status::InSync, ..write("a", absent("a"), previous) };
    let seen_active = async {
        behind.write_outcome(worker, in_sync(Some(applied("a", true))), NOW).await.unwrap();
    };
    faults.meanwhile(store.write_desired(&scan, gone), seen_active).await?;
    assert_eq!(expiring(&faults.place).await, 0, "a record with an active account is kept");

    want(&store, &scan, "b", present("a")).await;
    let (from, to) = (record_of(&store, "a").await.unwrap(), record_of(&store, "b").await.unwrap());
    let switched_off = async {
        let worker = lease(&behind, "a").await;
        behind.write_outcome(worker, in_sync(Some(applied("a", false))), NOW).await.unwrap();
    };
    let passed = store.transfer(&scan, transfer_of(&from, &to));
    assert!(!faults.meanwhile(passed, switched_off).await?, "the record differs from the one that was read");
    let from = record_of(&store, "a").await.unwrap();
    assert!(store.transfer(&scan, transfer_of(&from, &to)).await?);
    assert_eq!(record_of(&store, "b").await.unwrap().link.unwrap().applied, Some(applied("a", false)));
    Ok(())
}

#[tokio::test]
async fn missing_response_times_out() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let store = faults.table.connection("corp");
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let worker = lease(&store, "a").await;
    faults.set([FaultRule::next("UpdateItem", Fault::Silent)]);
    assert_eq!(store.write_outcome(worker, in_sync(None), NOW).await?, OutcomeWrite::Done);
    faults.set([FaultRule { operation: "UpdateItem", after: 0, times: 3, fault: Fault::Lost }]);
    let error = store.lease_user(anchor("a").hash(), "worker", minute(NOW)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    // It is unknown whether the lease was taken; the same owner can take it again.
    assert!(store.lease_user(anchor("a").hash(), "worker", minute(NOW)).await?.is_some());
    let items = items(&faults.place).await;
    let record = items.values().find(|item| item["SK"].as_s().is_ok_and(|sk| sk == "record")).unwrap();
    assert_eq!(dump::text(record, "lease_owner").as_deref(), Some("worker"));
    Ok(())
}

#[tokio::test]
async fn query_reads_no_more_than_its_limit() {
    let faults = Faults::start().await;
    let store = faults.table.connection("corp");
    for limit in [1, 1_000, 1_001, 5_000] {
        store.fetch_waiting(limit).await.unwrap();
        assert_eq!(faults.limits(), [Some(limit); Status::WAITING_WORDS.len()]);
    }
}

/// The status of many users takes as many requests as that of few.
#[tokio::test]
async fn status_reads_do_not_grow_with_users() {
    let mut asked = Vec::new();
    for count in [3, 60] {
        let faults = Faults::start().await;
        let store = faults.table.connection("corp");
        let lease = scan(&store).await;
        for number in 0..count {
            let user = format!("n{number}");
            assert_eq!(want(&store, &lease, &user, present(&user)).await, RecordWrite::Done);
        }
        let all = hashes(count * 100).map(|hash| (hash, Some(Fingerprint([1; 16])))).collect();
        let saved = store.save_snapshot(&lease, Snapshot::default(), all).await.unwrap();
        assert_eq!(saved, SnapshotSave::Done);
        faults.seen();
        assert_eq!(store.count_snapshot_users().await.unwrap(), u64::from(count) * 100);
        let waiting = store.fetch_waiting(3).await.unwrap();
        let numbers: Vec<_> = waiting.iter().map(|(word, users)| (word.as_str(), users.len())).collect();
        assert_eq!(numbers, [("pending", 3)]);
        store.fetch_by_status("pending", None, 3).await.unwrap();
        asked.push(faults.seen());
    }
    // One item, one range a status, and a page with its records.
    assert_eq!(asked[0].len(), 1 + 9 + 2);
    assert_eq!(asked[0].len(), asked[1].len());
}
