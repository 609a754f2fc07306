//! The circuit breaker: opening, probing and closing.

mod common;

use common::{NOW, corp};
use store::{Breaker, BreakerReason, StoreError};

#[tokio::test]
async fn breaker_opens_is_never_shortened_and_closes() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    assert_eq!(store.fetch_breaker().await?, None);

    let open = Breaker { reason: BreakerReason::Unavailable, opened_at: NOW, until: NOW.plus(60), probes: 0 };
    assert_eq!(store.open_breaker(BreakerReason::Unavailable, NOW, 60).await?, open);
    assert_eq!(store.fetch_breaker().await?, Some(open));
    assert_eq!(store.open_breaker(BreakerReason::Unavailable, NOW.plus(5), 10).await?, open);

    let longer = Breaker { until: NOW.plus(90), ..open };
    assert_eq!(store.open_breaker(BreakerReason::Unavailable, NOW.plus(10), 80).await?, longer);
    let told = Breaker { reason: BreakerReason::Unauthorized, ..longer };
    assert_eq!(store.open_breaker(BreakerReason::Unauthorized, NOW.plus(11), 5).await?, told);
    assert_eq!(store.fetch_breaker().await?, Some(told));
    assert_eq!(table.connection("other").fetch_breaker().await?, None, "each connection has its own");

    store.close_breaker().await?;
    store.close_breaker().await?;
    assert_eq!(store.fetch_breaker().await?, None);
    Ok(())
}

#[tokio::test]
async fn probe_needs_open_breaker_and_elapsed_time() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    assert!(!store.try_probe(NOW, 30).await?, "the breaker is closed");
    store.open_breaker(BreakerReason::Unavailable, NOW, 60).await?;
    assert!(!store.try_probe(NOW.plus(59), 30).await?);
    assert!(store.try_probe(NOW.plus(60), 30).await?);
    assert!(!store.try_probe(NOW.plus(89), 30).await?, "another worker has the probe");
    assert!(store.try_probe(NOW.plus(90), 30).await?, "the earlier probe had no result");

    let open = store.fetch_breaker().await?.unwrap();
    assert_eq!((open.opened_at, open.until, open.probes), (NOW, NOW.plus(120), 2));
    // A failed probe extends the breaker, and the count of probes grows.
    let open = store.open_breaker(BreakerReason::Unavailable, NOW.plus(91), 300).await?;
    assert_eq!((open.opened_at, open.until, open.probes), (NOW, NOW.plus(391), 2));

    store.close_breaker().await?;
    assert!(!store.try_probe(NOW.plus(900), 30).await?);
    assert_eq!(store.fetch_breaker().await?, None, "asking does not open it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_eight_concurrent_workers_probes() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    if place.is_moto_without("isolates no transactions: a cancelled one takes back concurrent writes") {
        return Ok(());
    }
    store.open_breaker(BreakerReason::Unauthorized, NOW, 10).await?;
    for round in 1..=3 {
        let now = NOW.plus(10 * round);
        let asking = futures::future::join_all((0..8).map(|_| store.try_probe(now, 10))).await;
        let may = asking.into_iter().collect::<Result<Vec<_>, _>>()?;
        assert_eq!(may.iter().filter(|may| **may).count(), 1, "round {round}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn breaker_can_be_opened_concurrently() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let opening = (0..8).map(|seconds| store.open_breaker(BreakerReason::Unavailable, NOW, seconds));
    for open in futures::future::join_all(opening).await {
        assert_eq!(open?.opened_at, NOW);
    }
    assert_eq!(store.fetch_breaker().await?.unwrap().until, NOW.plus(7));
    Ok(())
}
