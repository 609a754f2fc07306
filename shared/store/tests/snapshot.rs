//! The snapshot compared with a map, through growth and crashes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly, helpers included")]

mod common;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use common::{NOW, Place, corp, scan};
use model::{AnchorHash, Fingerprint};
use proptest::prelude::*;
use store::{DIRTY, ScanLease, Snapshot, SnapshotSave, Store, StoreError};

type Changes = BTreeMap<AnchorHash, Option<Fingerprint>>;

/// Evenly spread, as real hashes are.
fn hash(number: u32) -> AnchorHash {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    AnchorHash(bytes)
}

fn seen(numbers: std::ops::Range<u32>, look: u8) -> Changes {
    numbers.map(|number| (hash(number), Some(Fingerprint([look; 16])))).collect()
}

async fn save(store: &Store, lease: &ScanLease, before: Snapshot, changes: &Changes) -> Snapshot {
    assert_eq!(store.save_snapshot(lease, before, changes.clone()).await.unwrap(), SnapshotSave::Done);
    let after = store.fetch_snapshot().await.unwrap();
    assert_eq!(store.count_snapshot_users().await.unwrap(), after.len() as u64);
    after
}

async fn sort_keys(place: &Place) -> Vec<String> {
    let found = place
        .client()
        .query()
        .table_name(place.table().name())
        .key_condition_expression("PK = :pk")
        .expression_attribute_values(":pk", AttributeValue::S("corp#snapshot".into()))
        .send()
        .await
        .unwrap();
    found.items().iter().map(|item| item["SK"].as_s().unwrap().clone()).collect()
}

#[tokio::test]
async fn snapshot_is_split_anew_when_outgrown() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let lease = scan(&store).await;
    assert!(store.fetch_snapshot().await?.is_empty());

    let few = save(&store, &lease, Snapshot::default(), &seen(0..100, 1)).await;
    assert_eq!(sort_keys(&place).await, ["000000000001.0000#0000000", "header"]);

    let many = save(&store, &lease, few, &seen(100..5_000, 1)).await;
    assert_eq!(many.len(), 5_000);
    let keys = sort_keys(&place).await;
    assert_eq!(keys.len(), 65, "64 buckets and the header");
    assert!(keys[0].starts_with("000000000001.0001#"), "no bucket of the old generation");

    let gone: Changes = (10..5_000).map(|number| (hash(number), None)).collect();
    let left = save(&store, &lease, many, &gone).await;
    assert_eq!(left.len(), 10);
    assert_eq!(left.get(&hash(3)), Some(Fingerprint([1; 16])));
    assert_eq!(left.get(&hash(30)), None);
    assert_eq!(sort_keys(&place).await.len(), 2);
    Ok(())
}

#[tokio::test]
async fn only_buckets_with_changes_are_written() -> Result<(), StoreError> {
    let (place, table, store) = corp().await;
    let first = scan(&store).await;
    let before = save(&store, &first, Snapshot::default(), &seen(0..5_000, 1)).await;
    let second = scan(&store).await;
    let same = seen(0..5_000, 1);
    let before = save(&store, &second, before, &same).await;
    let change = BTreeMap::from([(hash(77), Some(Fingerprint([9; 16])))]);
    save(&store, &second, before, &change).await;

    let found = place.client().scan().table_name(table.name()).send().await.unwrap();
    let by_second = |item: &&std::collections::HashMap<String, AttributeValue>| {
        item["PK"].as_s().unwrap() == "corp#snapshot" && item["version"].as_n().unwrap() == "2"
    };
    assert_eq!(found.items().iter().filter(by_second).count(), 2, "one bucket and the header");
    Ok(())
}

#[tokio::test]
async fn older_scan_can_not_overwrite_newer_snapshot() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let old = scan(&store).await;
    let before = save(&store, &old, Snapshot::default(), &seen(0..300, 1)).await;
    let new = scan(&store).await;
    let after = save(&store, &new, before.clone(), &seen(0..1, 2)).await;

    assert_eq!(store.save_snapshot(&old, before.clone(), seen(5..6, 3)).await?, SnapshotSave::Outdated);
    assert_eq!(store.save_snapshot(&old, before, seen(0..9_000, 3)).await?, SnapshotSave::Outdated);
    assert_eq!(store.save_snapshot(&old, Snapshot::default(), seen(0..9, 3)).await?, SnapshotSave::Outdated);
    assert_eq!(store.fetch_snapshot().await?, after);
    Ok(())
}

#[tokio::test]
async fn crash_between_generations_keeps_the_old_one() -> Result<(), StoreError> {
    let (place, table, store) = corp().await;
    let client = place.client();
    let lease = scan(&store).await;
    let before = save(&store, &lease, Snapshot::default(), &seen(0..100, 1)).await;

    // State of a scan that dies after the first buckets of a new generation.
    for bucket in 0..3 {
        client
            .put_item()
            .table_name(table.name())
            .item("PK", AttributeValue::S("corp#snapshot".into()))
            .item("SK", AttributeValue::S(format!("000000000002.0000#{bucket:07}")))
            .item("pairs", AttributeValue::B(Blob::new(vec![bucket; 32])))
            .send()
            .await
            .unwrap();
    }
    client
        .update_item()
        .table_name(table.name())
        .key("PK", AttributeValue::S("corp#snapshot".into()))
        .key("SK", AttributeValue::S("header".into()))
        .update_expression("SET untidy = :yes")
        .expression_attribute_values(":yes", AttributeValue::Bool(true))
        .send()
        .await
        .unwrap();

    let read = store.fetch_snapshot().await?;
    assert_eq!(read.pairs(), before.pairs());
    save(&store, &scan(&store).await, read, &seen(0..1, 5)).await;
    assert_eq!(
        sort_keys(&place).await,
        ["000000000001.0000#0000000", "header"],
        "the next save deletes old buckets"
    );
    Ok(())
}

#[tokio::test]
async fn missing_bucket_is_an_error() -> Result<(), StoreError> {
    let (place, table, store) = corp().await;
    save(&store, &scan(&store).await, Snapshot::default(), &seen(0..1_000, 1)).await;
    place
        .client()
        .delete_item()
        .table_name(table.name())
        .key("PK", AttributeValue::S("corp#snapshot".into()))
        .key("SK", AttributeValue::S("000000000001.0000#0000003".into()))
        .send()
        .await
        .unwrap();
    let error = store.fetch_snapshot().await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { key, .. } if key.contains("#0000003")), "{error}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// The snapshot holds what a map would hold, however the changes are split.
    #[test]
    fn it_holds_what_a_map_would(
        portions in prop::collection::vec((0u32..900, 1u32..900, 0u8..4, 1u32..4), 1..6),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (_place, _table, store) = corp().await;
            let mut map = BTreeMap::new();
            for (first, count, look, step) in portions {
                let lease = store.take_lease("scan", NOW, 60).await.unwrap().unwrap();
                let mut changes = Changes::new();
                for number in (first..first + count).step_by(step as usize) {
                    // A fingerprint of 0 stands for a user that is gone.
                    let wanted = (look > 0).then_some(Fingerprint([look; 16]));
                    changes.insert(hash(number), wanted);
                    match wanted {
                        Some(fingerprint) => map.insert(hash(number), fingerprint),
                        None => map.remove(&hash(number)),
                    };
                }
                let before = store.fetch_snapshot().await.unwrap();
                let after = save(&store, &lease, before, &changes).await;
                let expected: Vec<_> = map.iter().map(|(hash, fingerprint)| (*hash, *fingerprint)).collect();
                assert_eq!(after.pairs(), expected);
            }
        });
    }
}

#[tokio::test]
async fn user_with_marker_is_dirty() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let first = scan(&store).await;
    save(&store, &first, Snapshot::default(), &seen(0..1_000, 1)).await;

    // A scan dies with markers on a known and a new user.
    let dies = scan(&store).await;
    let mut its = store.fetch_snapshot().await?;
    store.mark_dirty(&dies, &mut its, &[hash(7), hash(5_000)]).await?;
    store.mark_dirty(&dies, &mut its, &[hash(8)]).await?;
    assert_eq!(its.get(&hash(8)), Some(DIRTY));

    let next = scan(&store).await;
    let read = store.fetch_snapshot().await?;
    for number in [7, 8, 5_000] {
        assert_eq!(read.get(&hash(number)), Some(DIRTY), "{number}");
    }
    assert_eq!((read.len(), read.get(&hash(9))), (1_001, Some(Fingerprint([1; 16]))));
    assert!(read.pairs().is_sorted() && read.pairs().contains(&(hash(5_000), DIRTY)));
    let part = store.fetch_part(&[hash(7)]).await?;
    assert_eq!((part.get(&hash(7)), part.get(&hash(8))), (Some(DIRTY), Some(DIRTY)));

    // One of three users is saved. The others stay dirty, without markers.
    let after = save(&store, &next, read, &seen(7..8, 3)).await;
    assert_eq!(after.get(&hash(7)), Some(Fingerprint([3; 16])));
    assert_eq!((after.get(&hash(8)), after.get(&hash(5_000))), (Some(DIRTY), Some(DIRTY)));
    assert_eq!(sort_keys(&place).await.iter().filter(|key| key.starts_with("mark#")).count(), 0);
    Ok(())
}

#[tokio::test]
async fn markers_survive_a_new_generation_and_a_failed_save() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let lease = scan(&store).await;
    let mut nothing = store.fetch_snapshot().await?;
    let many: Vec<AnchorHash> = (0..5_000).map(hash).collect();
    store.mark_dirty(&lease, &mut nothing, &many).await?;
    assert_eq!(sort_keys(&place).await.len(), 2, "five thousand users, two items");
    let read = store.fetch_snapshot().await?;
    assert_eq!((read.len(), read.get(&hash(4_999))), (5_000, Some(DIRTY)));

    let saved = save(&store, &scan(&store).await, read, &seen(0..4_000, 1)).await;
    assert_eq!((saved.len(), saved.get(&hash(4_500))), (5_000, Some(DIRTY)));
    assert_eq!(saved.get(&hash(3)), Some(Fingerprint([1; 16])));
    Ok(())
}

/// Saving a snapshot keeps users that were written after it was read.
#[tokio::test]
async fn stale_read_does_not_undo_a_write() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let lease = scan(&store).await;
    let early = save(&store, &lease, Snapshot::default(), &seen(0..1_000, 1)).await;
    save(&store, &lease, early.clone(), &seen(900..1_500, 2)).await;
    assert_eq!(store.save_snapshot(&lease, early, seen(0..300, 3)).await?, SnapshotSave::Done);
    let after = store.fetch_snapshot().await?;
    assert_eq!((after.len(), after.get(&hash(1_499))), (1_500, Some(Fingerprint([2; 16]))));
    assert_eq!(
        (after.get(&hash(950)), after.get(&hash(7))),
        (Some(Fingerprint([2; 16])), Some(Fingerprint([3; 16])))
    );
    Ok(())
}

#[tokio::test]
async fn user_count_needs_no_bucket_read() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    assert_eq!(store.count_snapshot_users().await?, 0);
    let lease = scan(&store).await;
    save(&store, &lease, Snapshot::default(), &seen(0..2_000, 1)).await;

    // With a partial read, the count changes by the difference.
    let mut changes = seen(2_000..2_003, 1);
    changes.extend([(hash(7), None), (hash(8), Some(Fingerprint([2; 16]))), (hash(5_000), None)]);
    let part = store.fetch_part(&[hash(7)]).await?;
    assert!(!part.is_whole());
    assert_eq!(store.save_snapshot(&lease, part, changes).await?, SnapshotSave::Done);
    assert_eq!(store.count_snapshot_users().await?, 2_002);
    assert_eq!(store.fetch_snapshot().await?.len(), 2_002);
    Ok(())
}
