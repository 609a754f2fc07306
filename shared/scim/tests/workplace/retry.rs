use std::time::Duration;

use scim::{CallCounts, RetryPolicy, TargetError};
use serde_json::json;
use simulator::{FaultEffect, SimulatorOptions, TargetFault};

use crate::support::*;

#[tokio::test]
async fn transient_faults_are_retried() {
    for effect in [
        FaultEffect::status(500),
        FaultEffect::status(503),
        FaultEffect::Drop,
        FaultEffect::TooManyRequests { retry_after: None },
        FaultEffect::TooManyRequests { retry_after: Some(0) },
        FaultEffect::GraphThrottle { status: 400, code: 4 },
        FaultEffect::GraphThrottle { status: 403, code: 613 },
    ] {
        let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
        let before = target.calls();
        workplace.inject(TargetFault::times(2, effect.clone()));
        assert!(target.find_by_user_name(&name(ADA)).await.unwrap().is_some(), "{effect:?}");
        assert_eq!(target.calls().reads - before.reads, 3);
        workplace.inject(TargetFault::times(2, effect.clone()));
        assert!(target.deactivate(&owned(&now)).await.is_ok(), "{effect:?}");
        assert_eq!(target.calls().writes, 3);
    }
}

#[tokio::test]
async fn attempts_are_counted_with_their_latencies() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    let latency = Duration::from_millis(30);
    workplace.set_latency(latency);
    workplace.inject(TargetFault::once(FaultEffect::TooManyRequests { retry_after: None }));
    workplace.inject(TargetFault::once(FaultEffect::GraphThrottle { status: 403, code: 613 }));
    target.check().await.unwrap();
    target.create(&ada([])).await.unwrap();
    assert_eq!(target.calls(), CallCounts { reads: 3, writes: 1, throttled: 2 });
    let latencies = target.take_latencies();
    assert_eq!(latencies.len(), 4);
    assert!(latencies.iter().all(|it| *it >= latency), "{latencies:?}");
    assert_eq!(target.take_latencies(), []);

    workplace.inject(TargetFault::always(FaultEffect::Drop));
    assert!(target.check().await.is_err());
    assert_eq!(target.take_latencies().len(), 3, "attempts without a response have a latency too");
}

#[tokio::test]
async fn retries_end_after_the_last_attempt() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    workplace.inject(TargetFault::always(FaultEffect::status(503)));
    assert!(matches!(target.check().await, Err(TargetError::Unavailable { .. })));
    assert_eq!(workplace.request_count(), 3);
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    let (workplace, target, now) = with_ada(SimulatorOptions::default(), json!({})).await;
    for effect in [FaultEffect::TokenExpired, FaultEffect::status(400), FaultEffect::status(409)] {
        workplace.clear_requests();
        workplace.inject(TargetFault::once(effect.clone()));
        assert!(target.update(&owned(&now), &now, &ada([])).await.is_err());
        assert_eq!(workplace.request_count(), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn retry_after_is_respected() {
    let (workplace, _) = workplace(SimulatorOptions::default()).await;
    let retry = RetryPolicy {
        attempts: 2,
        initial_delay: Duration::from_millis(1),
        max_delay: Duration::from_secs(2),
    };
    let target = target_at(&workplace.url(), &workplace.token(), retry).unwrap();
    workplace.inject(TargetFault::once(FaultEffect::TooManyRequests { retry_after: Some(1) }));
    target.check().await.unwrap();
    let [first, second] = &workplace.requests()[..] else { panic!("two requests") };
    assert!(second.at - first.at >= Duration::from_secs(1));
}

#[tokio::test]
async fn long_retry_after_is_returned_to_the_caller() {
    let (workplace, target) = workplace(SimulatorOptions::default()).await;
    workplace.inject(TargetFault::once(FaultEffect::TooManyRequests { retry_after: Some(120) }));
    let error = target.check().await.unwrap_err();
    assert_eq!(error, TargetError::RateLimited { retry_after: Some(Duration::from_secs(120)) });
    assert_eq!(workplace.request_count(), 1);
}
