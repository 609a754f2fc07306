//! The breaker: while the target serves nobody, one worker asks now and then, and all others wait.

use model::UnixSeconds;
use store::{BreakerReason, Store, StoreError};

use crate::{Health, Outcome, Stop};

/// How long the first wait is, and the longest, in seconds. Each probe in vain doubles it.
const FIRST_WAIT: i64 = 15;
const LONGEST_WAIT: i64 = 300;

/// How long one probe may take before another worker may make one.
const PROBE_SECONDS: i64 = 20;

/// Whoever comes while a probe is being made comes again after this time.
const SOON_SECONDS: i64 = 5;

/// Whether the target may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Yes.
    Open,
    /// For one user, to see whether it serves again.
    Probe {
        /// How many probes there were before.
        before: u32,
    },
    /// No.
    Shut {
        /// When to ask again.
        until: UnixSeconds,
    },
}

/// Asks whether the target may be called.
pub(crate) async fn ask(store: &Store, health: &Health, now: UnixSeconds) -> Result<Gate, StoreError> {
    let Some(breaker) = store.fetch_breaker().await? else { return Ok(Gate::Open) };
    if now < breaker.until {
        return Ok(Gate::Shut { until: breaker.until });
    }
    if !store.try_probe(now, PROBE_SECONDS).await? {
        return Ok(Gate::Shut { until: now.plus(SOON_SECONDS) });
    }
    health.suspect();
    Ok(Gate::Probe { before: breaker.probes })
}

/// Opens the breaker, or keeps it open, if the outcome says that the target serves nobody. Says until when.
pub(crate) async fn trip(
    store: &Store,
    outcome: &Outcome,
    probes_before: u32,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, StoreError> {
    let Outcome::Failed { stop: Some(stop), retry_at, error, .. } = outcome else { return Ok(None) };
    let reason = match stop {
        Stop::Unauthorized => BreakerReason::Unauthorized,
        Stop::Unavailable | Stop::Throttled => BreakerReason::Unavailable,
    };
    let wait = FIRST_WAIT.saturating_mul(1 << probes_before.min(10)).min(LONGEST_WAIT);
    let asked = match (stop, retry_at) {
        (Stop::Throttled, Some(at)) => at.0.saturating_sub(now.0),
        _ => 0,
    };
    let breaker = store.open_breaker(reason, now, wait.max(asked)).await?;
    tracing::warn!(
        reason = breaker.reason.word(),
        until = breaker.until.0,
        probes = breaker.probes,
        "the target serves nobody, so nobody is tried for now: {error}"
    );
    Ok(Some(breaker.until))
}
