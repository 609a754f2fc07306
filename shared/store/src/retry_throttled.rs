//! Trying again what the table was too busy for.
//!
//! The client retries a little by itself, for a fraction of a second. That is short for a table that is growing to a
//! new load or for two who want the same item, and giving up a whole scan is dear: so each request gets some more
//! seconds here. A request that was refused for this reason had no effect, so trying again is always right.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::errors::StoreError;
use crate::keys::ItemKey;

/// How often a request is tried.
const ATTEMPTS: u32 = 8;

/// Tries until the table takes it, or until it has been too busy for too long.
pub(crate) async fn retry_throttled<T, F>(spread: &ItemKey, once: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempt = 0;
    loop {
        match once().await {
            Err(StoreError::Throttled { .. }) if attempt + 1 < ATTEMPTS => {
                pause(attempt, spread).await;
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// Waits before another try: twice as long each time, and not the same for all, so that those who met once don't
/// meet again. The spread comes from the key, because randomness is not this crate's to draw.
pub(crate) async fn pause(attempt: u32, key: &ItemKey) {
    let mut spread = DefaultHasher::new();
    (key, attempt).hash(&mut spread);
    let longest = 40u64.saturating_mul(1 << attempt.min(6));
    tokio::time::sleep(Duration::from_millis(longest / 2 + spread.finish() % (longest / 2))).await;
}
