//! Numbers of calls to the target and their latencies.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::errors::TargetError;
use crate::meaning::RequestKind;

/// Latencies kept until they are taken; the oldest are dropped first.
const MAX_LATENCIES: usize = 1000;

/// Numbers of calls to the target, retries included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls that only read.
    pub reads: u64,
    /// Calls that request a change.
    pub writes: u64,
    /// Reads and writes that the target throttled.
    pub throttled: u64,
}

/// Counters of one client.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics {
    reads: AtomicU64,
    writes: AtomicU64,
    throttled: AtomicU64,
    latencies: Mutex<VecDeque<Duration>>,
}

impl CallMetrics {
    /// Counts an attempt that is about to be sent, whether or not its response is awaited.
    pub(crate) fn record_start(&self, kind: RequestKind) {
        let counter = match kind {
            RequestKind::Read => &self.reads,
            RequestKind::Write => &self.writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the latency and the result of an attempt.
    pub(crate) fn record_end(&self, latency: Duration, error: Option<&TargetError>) {
        if let Some(TargetError::RateLimited { .. }) = error {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if latencies.len() >= MAX_LATENCIES {
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
    fn newest_latencies_are_kept_until_taken() {
        let metrics = CallMetrics::default();
        for number in 0..1_500 {
            metrics.record_end(Duration::from_millis(number), None);
        }
        let taken = metrics.take_latencies();
        assert_eq!(taken.len(), 1000);
        assert_eq!((taken[0], taken[999]), (Duration::from_millis(500), Duration::from_millis(1_499)));
        assert_eq!(metrics.take_latencies(), []);
    }
}
