//! Circuit breaker: while the target serves no requests, one worker at a time sends a probe and all others wait.

use model::UnixSeconds;
use store::{BreakerReason, Store, StoreError};

use crate::{Health, Outcome, Stop};

/// First and longest pause between two probes, in seconds. Each failed probe doubles the pause.
const FIRST_PAUSE: i64 = 15;
const LONGEST_PAUSE: i64 = 300;

/// Time for one probe, in seconds. After it another worker may send one.
const PROBE_SECONDS: i64 = 20;

/// Pause of the other workers while a probe is under way.
const PROBE_PAUSE_SECONDS: i64 = 5;

/// Whether requests may be sent to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerGate {
    /// Requests may be sent.
    Open,
    /// Requests for one user may be sent, as a probe.
    Probe {
        /// Number of failed probes so far.
        failed: u32,
    },
    /// No requests may be sent.
    Shut {
        /// Time of the next check.
        until: UnixSeconds,
    },
}

/// Checks whether requests may be sent to the target.
pub(crate) async fn check(
    store: &Store,
    health: &Health,
    now: UnixSeconds,
) -> Result<BreakerGate, StoreError> {
    let Some(breaker) = store.fetch_breaker().await? else { return Ok(BreakerGate::Open) };
    if now < breaker.until {
        return Ok(BreakerGate::Shut { until: breaker.until });
    }
    if !store.try_probe(now, PROBE_SECONDS).await? {
        return Ok(BreakerGate::Shut { until: now.plus(PROBE_PAUSE_SECONDS) });
    }
    health.suspect();
    Ok(BreakerGate::Probe { failed: breaker.probes })
}

/// Opens the breaker, or keeps it open, after an outcome that concerns all users. Returns the time of the next probe.
pub(crate) async fn trip(
    store: &Store,
    outcome: &Outcome,
    failed_probes: u32,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, StoreError> {
    let Outcome::Failed { stop: Some(stop), retry_at, error, .. } = outcome else { return Ok(None) };
    let reason = match stop {
        Stop::Unauthorized => BreakerReason::Unauthorized,
        Stop::Unavailable | Stop::Throttled => BreakerReason::Unavailable,
    };
    let pause = FIRST_PAUSE.saturating_mul(1 << failed_probes.min(10)).min(LONGEST_PAUSE);
    let requested = match (stop, retry_at) {
        (Stop::Throttled, Some(at)) => at.0.saturating_sub(now.0),
        _ => 0,
    };
    let breaker = store.open_breaker(reason, now, pause.max(requested)).await?;
    tracing::warn!(
        reason = breaker.reason.word(),
        until = breaker.until.0,
        probes = breaker.probes,
        "circuit breaker open: no requests are sent to the target: {error}"
    );
    Ok(Some(breaker.until))
}
