//! Call budget of one process: spreads its calls evenly, and slows down while the target throttles.
//!
//! The budget of a connection is divided among its workers. Each worker keeps to its own share, so together they stay
//! within the budget without knowing of each other. Where the target counts reads and writes apart, so does the client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dialect::CallBudget;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;

use crate::json;
use crate::meaning::RequestKind;

/// Percentage of the call budget in `x-app-usage` from which the client slows down \[inferred\].
const HIGH_USAGE: f64 = 80.0;

/// Lowest fraction of the configured rate, however often the target throttles.
const MIN_RATE: f64 = 1.0 / 16.0;

/// Time in which the rate grows from zero to the configured one.
const RECOVERY: Duration = Duration::from_secs(60);

/// Throttled answers within this time count once: they belong to calls that were under way together.
const SLOW_DOWN_INTERVAL: Duration = Duration::from_secs(1);

/// Longest time for which `Retry-After` holds back all calls. A longer wait is left to the circuit breaker.
const MAX_HOLD: Duration = Duration::from_secs(5);

/// Delay of a timer that the next call makes up for.
const TIMER_DELAY: Duration = Duration::from_millis(2);

/// The pacers of one client. Without a budget, calls go out as they come.
#[derive(Default)]
pub(crate) struct Pacers {
    reads: Option<Arc<Pacer>>,
    writes: Option<Arc<Pacer>>,
}

impl Pacers {
    /// The share of one of `workers` in a budget.
    pub(crate) fn new(budget: CallBudget, workers: usize) -> Self {
        let pacer = |calls_per_minute| Some(Arc::new(Pacer::new(calls_per_minute, workers)));
        match budget {
            CallBudget::Unlimited => Self::default(),
            CallBudget::Shared(calls) => {
                let shared = pacer(calls);
                Self { reads: shared.clone(), writes: shared }
            }
            CallBudget::PerMethod { reads, writes } => Self { reads: pacer(reads), writes: pacer(writes) },
        }
    }

    /// The pacer of this kind of request.
    pub(crate) fn of(&self, kind: RequestKind) -> Option<&Arc<Pacer>> {
        match kind {
            RequestKind::Read => self.reads.as_ref(),
            RequestKind::Write => self.writes.as_ref(),
        }
    }
}

/// Lets calls go out one by one, no faster than their share of the budget.
pub(crate) struct Pacer {
    /// Held while a call waits, so that calls go out in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
}

impl Pacer {
    fn new(calls_per_minute: u32, workers: usize) -> Self {
        let workers = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
        let interval = Duration::from_secs(60).saturating_mul(workers) / calls_per_minute.max(1);
        Self { turn: tokio::sync::Mutex::default(), pace: Mutex::new(Pace::new(interval)) }
    }

    /// Waits until the next call may go out.
    pub(crate) async fn wait(&self) {
        let _turn = self.turn.lock().await;
        loop {
            let now = Instant::now();
            let next = self.pace().next_call(now);
            if next <= now {
                return self.pace().record_call(next, now);
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Halves the rate, and holds back all calls for as long as the target asks.
    pub(crate) fn slow_down(&self, retry_after: Option<Duration>) {
        self.pace().slow_down(Instant::now(), retry_after);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Current rate and the earliest time of the next call.
struct Pace {
    /// Time between two calls at the full rate.
    interval: Duration,
    /// Fraction of the full rate right after the last slow-down, and when that was.
    slowed: Option<(f64, Instant)>,
    last_call: Option<Instant>,
    hold_until: Option<Instant>,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self { interval, slowed: None, last_call: None, hold_until: None }
    }

    /// Fraction of the full rate. It grows by the same amount in each second after a slow-down.
    fn rate(&self, now: Instant) -> f64 {
        let Some((rate, at)) = self.slowed else { return 1.0 };
        let grown = now.saturating_duration_since(at).as_secs_f64() / RECOVERY.as_secs_f64();
        (rate + grown).clamp(MIN_RATE, 1.0)
    }

    fn next_call(&self, now: Instant) -> Instant {
        let paced = self.last_call.map(|last| last + self.interval.div_f64(self.rate(now)));
        paced.max(self.hold_until).unwrap_or(now)
    }

    /// Time that was not used is lost: calls never go out in a burst.
    fn record_call(&mut self, due: Instant, now: Instant) {
        let earliest = now.checked_sub(TIMER_DELAY).unwrap_or(now);
        self.last_call = Some(due.max(earliest));
    }

    fn slow_down(&mut self, now: Instant, retry_after: Option<Duration>) {
        let is_counted =
            self.slowed.is_some_and(|(_, at)| now.saturating_duration_since(at) < SLOW_DOWN_INTERVAL);
        if !is_counted {
            self.slowed = Some(((self.rate(now) / 2.0).max(MIN_RATE), now));
        }
        if let Some(wait) = retry_after {
            self.hold_until = self.hold_until.max(Some(now + wait.min(MAX_HOLD)));
        }
    }
}

/// Whether the `x-app-usage` header shows that most of the call budget is used up \[doc\].
pub(crate) fn is_usage_high(headers: &HeaderMap) -> bool {
    let usage = headers.get("x-app-usage").and_then(|value| value.to_str().ok());
    let Some(Ok(Value::Object(usage))) = usage.map(serde_json::from_str) else { return false };
    ["call_count", "total_time", "total_cputime"]
        .iter()
        .filter_map(|name| json::member(&usage, name)?.as_f64())
        .any(|percent| percent >= HIGH_USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(calls_per_second: u32, workers: usize) -> Pace {
        Pacer::new(calls_per_second * 60, workers).pace.into_inner().unwrap()
    }

    /// Calls that go out within a time, each as early as it may.
    fn calls_within(pace: &mut Pace, start: Instant, time: Duration) -> usize {
        let mut now = start;
        let mut calls = 0;
        loop {
            now = now.max(pace.next_call(now));
            if now >= start + time {
                return calls;
            }
            pace.record_call(now, now);
            calls += 1;
        }
    }

    #[test]
    fn workers_together_stay_within_the_budget() {
        for (budget, workers) in [(50, 1), (50, 8), (3, 4), (1, 64), (1_000, 1)] {
            let start = Instant::now();
            let each = || calls_within(&mut pace(budget, workers), start, 10 * SECOND);
            let calls: usize = (0..workers).map(|_| each()).sum();
            let allowed = budget as usize * 10;
            assert!((allowed..=allowed + workers).contains(&calls), "{calls} calls of {allowed}");
        }
    }

    #[test]
    fn methods_share_a_budget_unless_the_target_counts_them_apart() {
        let kinds = [RequestKind::Read, RequestKind::Write];
        let intervals = |budget| {
            let pacers = Pacers::new(budget, 2);
            kinds.map(|kind| pacers.of(kind).map(|pacer| pacer.pace().interval.as_millis()))
        };
        assert_eq!(intervals(CallBudget::Unlimited), [None, None]);
        assert_eq!(intervals(CallBudget::Shared(60)), [Some(2_000); 2]);
        assert_eq!(intervals(CallBudget::PerMethod { reads: 300, writes: 180 }), [Some(400), Some(666)]);

        let slowed = |budget| {
            let pacers = Pacers::new(budget, 1);
            pacers.of(RequestKind::Write).unwrap().slow_down(None);
            kinds.map(|kind| pacers.of(kind).unwrap().pace().slowed.is_some())
        };
        assert_eq!(slowed(CallBudget::Shared(60)), [true, true]);
        assert_eq!(slowed(CallBudget::PerMethod { reads: 300, writes: 180 }), [false, true]);
    }

    #[test]
    fn unused_time_is_not_made_up_for() {
        let mut pace = pace(10, 1);
        let start = Instant::now();
        assert_eq!(calls_within(&mut pace, start, SECOND), 10);
        let late = start + 60 * SECOND;
        pace.record_call(start + 2 * SECOND, late);
        assert!(pace.next_call(late) >= late + Duration::from_millis(98));
    }

    #[test]
    fn throttling_halves_the_rate_once_a_second_and_the_rate_recovers() {
        let mut pace = pace(100, 1);
        let start = Instant::now();
        for _ in 0..10 {
            pace.slow_down(start, None);
        }
        for (seconds, rate) in [(0, 0.5), (15, 0.75), (30, 1.0), (3_600, 1.0)] {
            assert!((pace.rate(start + seconds * SECOND) - rate).abs() < 0.001, "after {seconds} s");
        }
        let calls = calls_within(&mut pace, start, SECOND);
        assert!((50..=52).contains(&calls), "{calls}");
        let mut now = start;
        for _ in 0..100 {
            now += SLOW_DOWN_INTERVAL;
            pace.slow_down(now, None);
        }
        assert!((MIN_RATE..0.1).contains(&pace.rate(now)), "{}", pace.rate(now));
    }

    #[test]
    fn retry_after_holds_back_calls_for_a_few_seconds_at_most() {
        let mut pace = pace(100, 1);
        let now = Instant::now();
        pace.slow_down(now, Some(4 * SECOND));
        assert_eq!(pace.next_call(now), now + 4 * SECOND);
        pace.slow_down(now, Some(3_600 * SECOND));
        assert_eq!(pace.next_call(now), now + MAX_HOLD);
    }

    #[tokio::test]
    async fn waiting_calls_are_held_back_too() {
        let pacer = Pacer::new(20 * 60, 1);
        pacer.wait().await;
        let start = Instant::now();
        let slow_down = async { pacer.slow_down(Some(Duration::from_millis(200))) };
        tokio::join!(pacer.wait(), slow_down);
        assert!(start.elapsed() >= Duration::from_millis(200));
    }

    #[test]
    fn usage_in_percent() {
        let is_high = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-app-usage", text.parse().unwrap());
            is_usage_high(&headers)
        };
        assert!(!is_usage_high(&HeaderMap::new()));
        for (text, expect) in [
            (r#"{"call_count":28,"total_time":25,"total_cputime":25}"#, false),
            (r#"{"call_count":10,"total_time":80,"total_cputime":0}"#, true),
            (r#"{"call_count":100}"#, true),
            (r#"{"call_count":"100"}"#, false),
            ("[]", false),
            ("", false),
            ("{", false),
        ] {
            assert_eq!(is_high(text), expect, "{text}");
        }
    }
}
