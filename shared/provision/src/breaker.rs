//! Circuit breaker: while the target serves no requests, one worker at a time sends a probe and all others wait.

use model::UnixSeconds;
use store::{Breaker, BreakerReason, StoreError};

use crate::{Outcome, Provisioner, Stop};

/// First and longest pause between two probes, in seconds. Each failed probe doubles the pause.
const FIRST_PAUSE: i64 = 15;
const LONGEST_PAUSE: i64 = 300;

/// Least time for one probe, in seconds. It has at least the time of one call, retries included; after it another worker
/// may send one.
const PROBE_SECONDS: i64 = 20;

/// Pause of the other workers while a probe is under way.
const PROBE_PAUSE_SECONDS: i64 = 5;

/// Whether requests may be sent to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerGate {
    /// Requests may be sent.
    Open,
    /// Requests for one user may be sent, as a probe.
    Probe(Breaker),
    /// No requests may be sent.
    Shut {
        /// Time of the next check.
        until: UnixSeconds,
    },
}

/// Checks whether requests may be sent to the target.
pub(crate) async fn check(
    provisioner: &Provisioner<'_>,
    now: UnixSeconds,
) -> Result<BreakerGate, StoreError> {
    let Provisioner { store, health, target, .. } = *provisioner;
    let Some(breaker) = store.fetch_breaker().await? else { return Ok(BreakerGate::Open) };
    if now < breaker.until {
        return Ok(BreakerGate::Shut { until: breaker.until });
    }
    let longest_call = i64::try_from(target.longest_call().as_secs()).unwrap_or(LONGEST_PAUSE);
    let Some(probe) = store.try_probe(breaker, now, longest_call.max(PROBE_SECONDS)).await? else {
        return Ok(BreakerGate::Shut { until: now.plus(PROBE_PAUSE_SECONDS) });
    };
    health.suspect();
    Ok(BreakerGate::Probe(probe))
}

fn reason_of(stop: Stop) -> BreakerReason {
    match stop {
        Stop::Unauthorized => BreakerReason::Unauthorized,
        Stop::Unavailable | Stop::Throttled => BreakerReason::Unavailable,
    }
}

/// Opens the breaker, or keeps it open, after a run that an operator started has stopped.
pub async fn open_breaker(provisioner: &Provisioner<'_>, stop: Stop) -> Result<(), StoreError> {
    let Provisioner { store, clock, .. } = *provisioner;
    store.open_breaker(reason_of(stop), clock(), FIRST_PAUSE).await.map(drop)
}

/// Opens the breaker, or keeps it open, after an outcome that concerns all users. Returns the time of the next probe.
pub(crate) async fn trip(
    provisioner: &Provisioner<'_>,
    outcome: &Outcome,
    probe: Option<Breaker>,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, StoreError> {
    let store = provisioner.store;
    let Outcome::Failed { stop: Some(stop), retry_at, error, .. } = outcome else { return Ok(None) };
    let reason = reason_of(*stop);
    let failed_probes = probe.map_or(0, |probe| probe.probes);
    let pause = FIRST_PAUSE.saturating_mul(1 << failed_probes.min(10)).min(LONGEST_PAUSE);
    let requested = match (stop, retry_at) {
        (Stop::Throttled, Some(at)) => at.0.saturating_sub(now.0),
        _ => 0,
    };
    let seconds = pause.max(requested);
    let breaker = match probe {
        Some(probe) => store.end_probe(probe, reason, (now, seconds)).await?,
        None => store.open_breaker(reason, now, seconds).await?,
    };
    tracing::warn!(
        reason = breaker.reason.word(),
        until = breaker.until.0,
        probes = breaker.probes,
        "circuit breaker open: no requests are sent to the target: {error}"
    );
    Ok(Some(breaker.until))
}
