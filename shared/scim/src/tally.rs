//! What calling the target costs: how many calls there were, and how long they took.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::errors::TargetError;
use crate::meaning::RequestKind;

/// So many latencies are kept for whoever asks; older ones go first.
const NEWEST: usize = 1000;

/// How many calls were made, repeated ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Those that only look.
    pub reads: u64,
    /// Those that ask for a change.
    pub writes: u64,
    /// Of both, those that were answered with the wish for fewer calls.
    pub throttled: u64,
}

/// Counts attempts as they are made.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics {
    reads: AtomicU64,
    writes: AtomicU64,
    throttled: AtomicU64,
    latencies: Mutex<VecDeque<Duration>>,
}

impl CallMetrics {
    /// An attempt goes out. It counts from here on: an answer that nobody waits for was asked for all the same.
    pub(crate) fn begun(&self, asked: RequestKind) {
        let counter = match asked {
            RequestKind::Read => &self.reads,
            RequestKind::AttributeWrite => &self.writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt is over, with an error or without.
    pub(crate) fn ended(&self, latency: Duration, error: Option<&TargetError>) {
        if let Some(TargetError::RateLimited { .. }) = error {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if latencies.len() >= NEWEST {
            latencies.pop_front();
        }
        latencies.push_back(latency);
    }

    pub(crate) fn calls(&self) -> CallCounts {
        let Self { reads, writes, throttled, latencies: _ } = self;
        CallCounts {
            reads: reads.load(Ordering::Relaxed),
            writes: writes.load(Ordering::Relaxed),
            throttled: throttled.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn take_latencies(&self) -> Vec<Duration> {
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *latencies).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_latencies_are_kept_until_they_are_taken() {
        let tally = CallMetrics::default();
        for number in 0..1_500 {
            tally.ended(Duration::from_millis(number), None);
        }
        let taken = tally.take_latencies();
        assert_eq!(taken.len(), 1000);
        assert_eq!((taken[0], taken[999]), (Duration::from_millis(500), Duration::from_millis(1_499)));
        assert_eq!(tally.take_latencies(), []);
    }
}
