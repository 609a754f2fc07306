//! The limit on dropped links, counted by many workers at once.

mod common;

use common::*;
use model::{Status, UnixSeconds};
use store::{LinkDrop, Store, StoreError, UserOutcome};

const DAY: i64 = 24 * 60 * 60;

/// Users with these numbers, each with an account of its number.
async fn provisioned(store: &Store, users: std::ops::Range<usize>) {
    let scan = scan(store).await;
    for user in users {
        want(store, &scan, &user.to_string(), present(&user.to_string())).await;
        provision(store, &user.to_string(), &user.to_string()).await;
    }
}

/// Drops the link of one user at this time; the user waits if that exceeds the limit.
async fn drop_link(store: &Store, user: usize, most: u64, now: UnixSeconds) -> Result<LinkDrop, StoreError> {
    let hash = anchor(&user.to_string()).hash();
    let mut lease = store.lease_user(hash, "worker", minute(now)).await?.ok_or(StoreError::LeaseLost)?;
    let dropped = store.drop_link_within(&mut lease, &gone(&user.to_string()), most).await?;
    let status = match dropped {
        LinkDrop::Done => Status::Pending,
        LinkDrop::OverLimit => Status::AccountGone,
    };
    assert_eq!(lease.record.link.is_none(), dropped == LinkDrop::Done);
    store.write_outcome(lease, UserOutcome { status, ..in_sync(None) }, now).await?;
    Ok(dropped)
}

/// Number of links that were dropped, of these users at the same time.
async fn dropped(
    store: &Store,
    users: std::ops::Range<usize>,
    most: u64,
    now: UnixSeconds,
) -> Result<usize, StoreError> {
    let drops = futures::future::try_join_all(users.map(|user| drop_link(store, user, most, now))).await?;
    Ok(drops.into_iter().filter(|drop| *drop == LinkDrop::Done).count())
}

#[tokio::test]
async fn concurrent_workers_drop_no_more_links_than_the_limit() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    provisioned(&store, 0..12).await;
    assert_eq!(dropped(&store, 0..12, 5, NOW).await?, 5);
    assert_eq!(store.count_kept_links().await?, 7);
    for user in 0..12 {
        let record = record_of(&store, &user.to_string()).await.unwrap();
        assert_eq!(record.link.is_some(), record.status == Status::AccountGone);
    }
    Ok(())
}

#[tokio::test]
async fn next_day_has_a_limit_of_its_own_unless_users_wait() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    provisioned(&store, 0..8).await;
    assert_eq!(dropped(&store, 0..2, 2, NOW).await?, 2);
    assert_eq!(dropped(&store, 2..4, 2, NOW.plus(DAY)).await?, 2, "within a day no user waited");
    assert_eq!(dropped(&store, 4..5, 2, NOW.plus(DAY + 1)).await?, 0);
    assert_eq!(dropped(&store, 5..6, 2, NOW.plus(3 * DAY)).await?, 0, "a user waits");
    assert_eq!(dropped(&store, 6..7, 0, NOW.plus(9 * DAY)).await?, 0, "no link is dropped by itself");
    Ok(())
}

#[tokio::test]
async fn approval_releases_the_waiting_users_and_no_more() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    provisioned(&store, 0..9).await;
    assert_eq!(dropped(&store, 0..5, 1, NOW).await?, 1);
    let later = NOW.plus(100);
    assert_eq!(store.approve_link_drops(4, later).await?, later.plus(DAY));
    assert_eq!(store.count_kept_links().await?, 0);
    for user in 0..5 {
        let record = record_of(&store, &user.to_string()).await.unwrap();
        assert_eq!(record.status, Status::Pending);
        if record.link.is_some() {
            assert_eq!(drop_link(&store, user, 1, later).await?, LinkDrop::Done);
        }
    }
    assert_eq!(drop_link(&store, 7, 1, later).await?, LinkDrop::OverLimit, "the approval is a ceiling");
    Ok(())
}
