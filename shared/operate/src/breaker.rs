//! The circuit breaker.

use serde::Serialize;
use store::{Store, StoreError};

/// An open circuit breaker.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerStatus {
    /// The reason, in a word.
    pub reason: &'static str,
    /// Time of the opening, in seconds since 1970.
    pub since: i64,
    /// Time of the next probe.
    pub until: i64,
    /// Probes since the opening.
    pub probes: u32,
}

/// The circuit breaker, if it is open.
pub async fn fetch_breaker(store: &Store) -> Result<Option<BreakerStatus>, StoreError> {
    let breaker = store.fetch_breaker().await?;
    Ok(breaker.map(|breaker| BreakerStatus {
        reason: breaker.reason.word(),
        since: breaker.opened_at.0,
        until: breaker.until.0,
        probes: breaker.probes,
    }))
}
