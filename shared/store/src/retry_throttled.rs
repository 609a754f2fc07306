//! Retries of requests that the table throttled.
//!
//! The SDK retries for a fraction of a second. That is too short for a table that scales to a new load or for two writers
//! of one item, and a scan that gives up is expensive. So each request is retried here for some seconds more. A throttled
//! request had no effect, so sending it again is safe.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder, Retryable as _};

use crate::errors::{Result, StoreError};

/// Retries of one request after its first attempt.
const MAX_RETRIES: usize = 7;

/// Sends a request until it is not throttled, at most `MAX_RETRIES` + 1 times.
pub(crate) async fn retry_throttled<T, F>(request: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let is_throttled = |error: &StoreError| matches!(error, StoreError::Throttled { .. });
    request.retry(builder().with_max_times(MAX_RETRIES)).when(is_throttled).await
}

/// Pauses between attempts at what a batch left unprocessed.
pub(crate) fn batch_backoff() -> ExponentialBackoff {
    builder().with_max_times(MAX_RETRIES + 1).build()
}

/// Pauses from 20–40 ms to 1.3–2.6 s. The jitter keeps concurrent writers from colliding again.
fn builder() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(1_280))
        .with_factor(2.0)
        .with_jitter()
}
