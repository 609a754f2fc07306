//! Lease of a connection: one scan at a time, each with its own version.

mod common;

use common::{NOW, corp, scan};
use model::ScanVersion;
use serde_json::json;
use store::{LeaseTaken, StoreError};

#[tokio::test]
async fn one_scan_at_a_time() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    let mut first = store.take_lease("a", NOW, 60).await?.unwrap();
    assert_eq!(first.version(), ScanVersion(1));

    let taken = store.take_lease("b", NOW.plus(59), 60).await?.unwrap_err();
    assert_eq!(taken, LeaseTaken { owner: "a".into(), until: NOW.plus(60) });
    assert!(table.connection("other").take_lease("b", NOW, 60).await?.is_ok(), "another connection is free");

    assert!(store.renew_lease(&mut first, NOW.plus(50), 60).await?);
    assert!(store.take_lease("b", NOW.plus(100), 60).await?.is_err());

    assert!(store.release(first, Some(json!({ "cursor": 7 })), None).await?);
    let second = store.take_lease("b", NOW.plus(101), 60).await?.unwrap();
    assert_eq!(second.version(), ScanVersion(2));
    let state = store.fetch_connection().await?;
    assert_eq!(state.last_scan, Some(json!({ "cursor": 7 })));
    assert_eq!(state.lease.unwrap().owner, "b");
    Ok(())
}

#[tokio::test]
async fn successor_of_a_dead_scan_takes_its_lease() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let mut dead = store.take_lease("a", NOW, 60).await?.unwrap();
    let successor = store.take_lease("a", NOW.plus(1), 60).await?.unwrap();
    assert_eq!(successor.version(), ScanVersion(2), "the same owner takes its lease at once");

    assert!(!store.renew_lease(&mut dead, NOW.plus(2), 600).await?);
    assert!(!store.release(dead, Some(json!("stale")), None).await?);
    assert_eq!(store.fetch_connection().await?.last_scan, None);

    let stranger = store.take_lease("b", NOW.plus(61), 60).await?.unwrap();
    assert_eq!(stranger.version(), ScanVersion(3), "another owner takes an expired lease");
    Ok(())
}

#[tokio::test]
async fn connection_without_scan_is_empty() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    assert_eq!(store.fetch_connection().await?, Default::default());
    let lease = scan(&store).await;
    assert_eq!(lease.until(), NOW.plus(900));
    Ok(())
}
