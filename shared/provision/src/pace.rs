//! One call budget for all workers: slots out of the connection's state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scim::{Slots, Target};
use store::{Micros, Pace, Store};

/// So many blocks a second are reserved at full speed: fewer cost less, and more calls may be lost when a worker stops
/// with a block in hand.
const BLOCKS_PER_SECOND: u32 = 10;

/// All workers are held back no longer than this. Who is to wait longer comes back later, which the breaker sees to.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Makes a target call no faster than this, all workers of the connection taken together. Without a budget, and while the
/// target doesn't complain, calls are made as they come.
pub fn paced(target: Target, store: &Store, per_second: Option<u32>, clock: fn() -> Micros) -> Target {
    let Some(per_second) = per_second else { return target };
    let budget = Arc::new(Budget { store: store.clone(), per_second, clock, seen: Mutex::default() });
    let slower = Arc::clone(&budget);
    target.with_pace(
        move || {
            let budget = Arc::clone(&budget);
            async move { budget.reserve().await }
        },
        move |wait| {
            let budget = Arc::clone(&slower);
            async move { budget.slow_down(wait).await }
        },
    )
}

struct Budget {
    store: Store,
    per_second: u32,
    clock: fn() -> Micros,
    /// The pace as it was when this worker last reserved something.
    seen: Mutex<Pace>,
}

impl Budget {
    async fn reserve(&self) -> Slots {
        let now = (self.clock)();
        let interval = self.seen().interval(now, self.per_second);
        let count = (self.per_second / BLOCKS_PER_SECOND).max(1);
        let span = interval.saturating_mul(i64::from(count));
        match self.store.reserve_calls(now, span).await {
            Ok((start, pace)) => {
                *self.seen() = pace;
                // Another worker may have met a complaint since: then the same time holds fewer calls.
                let interval = pace.interval(now, self.per_second).max(interval);
                let count = u32::try_from(span / interval.max(1)).unwrap_or(count).max(1);
                // The reservation took a while too.
                let first_in = micros(start.saturating_sub((self.clock)()));
                Slots { first_in, interval: micros(interval), count }
            }
            Err(error) => {
                tracing::warn!(
                    "the call budget can't be shared, so this worker takes one call at a time: {error}"
                );
                Slots { first_in: micros(interval), interval: micros(interval), count: 1 }
            }
        }
    }

    async fn slow_down(&self, wait: Option<Duration>) {
        let wait = wait.unwrap_or_default().min(LONGEST_WAIT);
        let wait = Micros::try_from(wait.as_micros()).unwrap_or_default();
        let seen = *self.seen();
        if let Err(error) = self.store.slow_down((self.clock)(), &seen, wait).await {
            tracing::warn!("the target wants fewer calls, and the other workers can't be told: {error}");
        }
    }

    fn seen(&self) -> MutexGuard<'_, Pace> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(span: Micros) -> Duration {
    Duration::from_micros(u64::try_from(span).unwrap_or_default())
}
