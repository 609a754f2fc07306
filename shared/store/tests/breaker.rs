//! The circuit breaker: opening, probing and closing.

mod common;

use common::{NOW, corp};
use store::{Breaker, BreakerReason, StoreError};

#[tokio::test]
async fn breaker_opens_is_never_shortened_and_closes() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    assert_eq!(store.fetch_breaker().await?, None);

    let open = Breaker {
        reason: BreakerReason::Unavailable,
        opened_at: NOW,
        until: NOW.plus(60),
        probes: 0,
        reports: 1,
    };
    assert_eq!(store.open_breaker(BreakerReason::Unavailable, NOW, 60).await?, open);
    assert_eq!(store.fetch_breaker().await?, Some(open));
    assert_eq!(
        store.open_breaker(BreakerReason::Unavailable, NOW.plus(5), 10).await?,
        Breaker { reports: 2, ..open }
    );

    let longer = Breaker { until: NOW.plus(90), reports: 3, ..open };
    assert_eq!(store.open_breaker(BreakerReason::Unavailable, NOW.plus(10), 80).await?, longer);
    let told = Breaker { reason: BreakerReason::Unauthorized, reports: 4, ..longer };
    assert_eq!(store.open_breaker(BreakerReason::Unauthorized, NOW.plus(11), 5).await?, told);
    assert_eq!(store.fetch_breaker().await?, Some(told));
    assert_eq!(table.connection("other").fetch_breaker().await?, None, "each connection has its own");

    assert!(!store.close_breaker(longer).await?, "another failure was reported since");
    assert_eq!(store.fetch_breaker().await?, Some(told));
    assert!(store.close_breaker(told).await?);
    assert!(store.close_breaker(told).await?, "it is closed already");
    assert_eq!(store.fetch_breaker().await?, None);
    Ok(())
}

#[tokio::test]
async fn probe_needs_open_breaker_and_elapsed_time() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let open = store.open_breaker(BreakerReason::Unavailable, NOW, 60).await?;
    assert_eq!(store.try_probe(open, NOW.plus(59), 30).await?, None);
    let probe = Breaker { until: NOW.plus(90), probes: 1, ..open };
    assert_eq!(store.try_probe(open, NOW.plus(60), 30).await?, Some(probe));
    assert_eq!(store.try_probe(open, NOW.plus(89), 30).await?, None, "another worker has the probe");
    let second = Breaker { until: NOW.plus(120), probes: 2, ..open };
    assert_eq!(store.try_probe(probe, NOW.plus(90), 30).await?, Some(second), "the first had no result");
    assert_eq!(store.fetch_breaker().await?, Some(second));

    // A probe that fails at once ends at once.
    let ended = store.end_probe(second, BreakerReason::Unauthorized, (NOW.plus(91), 15)).await?;
    let expected =
        Breaker { reason: BreakerReason::Unauthorized, until: NOW.plus(106), reports: 2, ..second };
    assert_eq!(ended, expected);
    // Out of date: it neither shortens the time nor closes the breaker.
    let longer = store.open_breaker(BreakerReason::Unavailable, NOW.plus(92), 300).await?;
    assert_eq!((longer.until, longer.probes), (NOW.plus(392), 2));
    assert_eq!(
        store.end_probe(ended, BreakerReason::Unavailable, (NOW.plus(93), 15)).await?.until,
        longer.until
    );
    assert!(!store.close_breaker(ended).await?);

    let last = store.fetch_breaker().await?.unwrap();
    assert!(store.close_breaker(last).await?);
    assert_eq!(store.try_probe(last, NOW.plus(900), 30).await?, None);
    assert_eq!(store.fetch_breaker().await?, None, "asking does not open it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_eight_concurrent_workers_probes() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    if place.is_moto_without("isolates no transactions: a cancelled one takes back concurrent writes") {
        return Ok(());
    }
    let open = store.open_breaker(BreakerReason::Unauthorized, NOW, 10).await?;
    for round in 1..=3 {
        let now = NOW.plus(10 * round);
        let asking = futures::future::join_all((0..8).map(|_| store.try_probe(open, now, 10))).await;
        let may = asking.into_iter().collect::<Result<Vec<_>, _>>()?;
        assert_eq!(may.iter().flatten().count(), 1, "round {round}");
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
