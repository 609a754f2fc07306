//! Lists and counts over many users.

mod common;

use std::collections::BTreeMap;

use common::dump::{items, number};
use common::*;
use futures::{StreamExt, TryStreamExt, stream};
use model::{ScanVersion, Status, UnixSeconds};
use serde_json::json;
use store::{PageKey, PastScan, Store, StoreError, UserOutcome};

#[tokio::test]
async fn due_users_are_ordered() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    for (user, status, seconds) in [
        ("late", Status::Retrying { error: "x".into() }, 50),
        ("soon", Status::Pending, 10),
        ("early", Status::Retrying { error: "x".into() }, -20),
        ("failed", Status::Failed { error: "x".into() }, -50),
        ("in_sync", Status::InSync, -NOW.0),
        ("first", Status::Pending, -30),
    ] {
        want(&store, &scan, user, present(user)).await;
        let outcome = UserOutcome { status, attempts: 2, next_attempt: NOW.plus(seconds), ..in_sync(None) };
        store.write_outcome(lease(&store, user).await, outcome, NOW).await?;
    }
    let hashes = |names: &[&str]| names.iter().map(|name| anchor(name).hash()).collect::<Vec<_>>();
    assert_eq!(store.fetch_due(NOW, 9).await?, hashes(&["first", "early"]));
    assert_eq!(store.fetch_due(NOW, 1).await?, hashes(&["first"]));
    assert_eq!(store.fetch_due(NOW.plus(10), 9).await?, hashes(&["first", "early", "soon"]));
    let counts: BTreeMap<_, _> =
        [("failed", 1), ("pending", 2), ("retrying", 2)].map(|(w, n)| (w.into(), n)).into();
    assert_eq!(store.count_by_status().await?, counts);
    Ok(())
}

#[tokio::test]
async fn lists_are_paged() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    let scan = scan(&store).await;
    for number in 0..25 {
        want(&store, &scan, &format!("u{number}"), present(&format!("u{number}"))).await;
    }
    want(&table.connection("other"), &scan, "stranger", present("u0")).await;

    let (mut seen, mut after) = (vec![], None);
    loop {
        let page = store.fetch_by_status("pending", after, 10).await?;
        assert!(page.items.len() <= 10);
        seen.extend(page.items.into_iter().map(|record| record.anchor));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    let mut all: Vec<_> = (0..25).map(|number| anchor(&format!("u{number}"))).collect();
    all.sort();
    assert_eq!(seen, all);
    assert!(store.fetch_by_status("held", None, 10).await?.items.is_empty());
    Ok(())
}

#[tokio::test]
async fn records_are_read_in_batches() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    for number in 0..230 {
        let desired = present(&format!("u{number}"));
        store.write_desired(&scan, write(&format!("u{number}"), desired, None)).await?;
    }
    let mut hashes: Vec<_> = (0..240).map(|number| anchor(&format!("u{number}")).hash()).collect();
    hashes.push(anchor("u1").hash());
    let records = store.fetch_records(&hashes).await?;
    assert_eq!(records.len(), 230);
    assert_eq!(records[&anchor("u7").hash()].desired, Some(present("u7")));
    assert!(store.fetch_records(&[]).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn counting_enabled_accounts_stops_early() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    for number in 0..130 {
        let user = format!("u{number}");
        want(&store, &scan, &user, present(&user)).await;
        let mut lease = lease(&store, &user).await;
        store.claim_account(&mut lease, &matched(&format!("{number:03}"))).await?;
        store.write_outcome(lease, in_sync(Some(applied(&user, number % 10 != 0))), NOW).await?;
    }
    for (at_most, counted) in [(0, 0), (1, 1), (50, 50), (117, 117), (1_000, 117), (u64::MAX, 117)] {
        assert_eq!(store.count_enabled_accounts(at_most).await?, counted);
    }
    Ok(())
}

#[tokio::test]
async fn dn_finds_the_existing_user() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    assert_eq!(store.find_by_dn(dn("boss")).await?, None);
    for (user, desired) in [("gone", absent("x")), ("here", present("y")), ("left", absent("z"))] {
        let asked = store::DesiredWrite { dn: Some(dn("boss")), ..write(user, desired, None) };
        store.write_desired(&scan, asked).await?;
    }
    assert_eq!(store.find_by_dn(dn("boss")).await?.unwrap().anchor, anchor("here"));
    let moved = store::DesiredWrite { dn: Some(dn("elsewhere")), ..write("here", present("y"), None) };
    store.write_desired(&scan, moved).await?;
    assert_ne!(store.find_by_dn(dn("boss")).await?.unwrap().anchor, anchor("here"));
    assert_eq!(store.find_by_dn(dn("elsewhere")).await?.unwrap().anchor, anchor("here"));
    Ok(())
}

/// Run by hand: `cargo test -p store --test lists -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn write_speed() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let on_file = store::Embedded::open(&directory.path().join("state.db")).await?;
    for (place, (_engine, table)) in [("memory", store::Embedded::in_memory().await?), ("a file", on_file)] {
        let store = table.connection("corp");
        let scan = scan(&store).await;
        let begun = std::time::Instant::now();
        stream::iter(0..1_000)
            .map(|number| {
                let (store, scan) = (&store, &scan);
                let user = format!("u{number}");
                async move { store.write_desired(scan, write(&user, present(&user), None)).await }
            })
            .buffer_unordered(16)
            .try_collect::<Vec<_>>()
            .await?;
        println!("in {place}: {:.0} new users a second", 1_000.0 / begun.elapsed().as_secs_f64());
        let begun = std::time::Instant::now();
        let due = store.fetch_due(UnixSeconds(NOW.0), 2_000).await?;
        println!("in {place}: {} due users found in {:?}", due.len(), begun.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn recorded_scans_are_newest_first_and_expire() -> Result<(), StoreError> {
    let (place, table, store) = corp().await;
    let noted = |version: u64| PastScan {
        version: ScanVersion(version),
        began: NOW,
        ended: NOW.plus(2),
        summary: json!({ "created": version }),
    };
    for version in [1, 2, 10] {
        store.record_scan(&noted(version)).await?;
    }
    table.connection("other").record_scan(&noted(7)).await?;
    // Told twice, because the answer was lost, it is there once.
    store.record_scan(&noted(10)).await?;
    assert_eq!(store.fetch_scans(2).await?, [noted(10), noted(2)]);
    assert_eq!(store.fetch_scans(9).await?.len(), 3);
    let _lease = scan(&store).await;
    assert_eq!(
        store.fetch_connection().await?.version,
        ScanVersion(1),
        "the connection's own item is another"
    );

    let written = items(&place).await;
    let scan = &written[&("corp".to_owned(), "scan#000000000010".to_owned())];
    let days = i64::from(Store::HISTORY_DAYS);
    assert_eq!(number(scan, "expires_at"), Some(NOW.plus(2 + days * 24 * 60 * 60).0));
    Ok(())
}

#[tokio::test]
async fn linked_accounts_are_paged() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    for user in ["ada", "bob", "cyd"] {
        want(&store, &scan, user, present(user)).await;
        let mut lease = lease(&store, user).await;
        store.claim_account(&mut lease, &matched(user)).await?;
    }
    let first = store.fetch_accounts(None, 2).await?;
    assert_eq!(first.items, [(account("ada"), anchor("ada")), (account("bob"), anchor("bob"))]);
    assert_eq!(first.next, Some(PageKey::after_account(&account("bob"))));
    let rest = store.fetch_accounts(first.next, 2).await?;
    assert_eq!(rest.items, [(account("cyd"), anchor("cyd"))]);
    Ok(())
}
