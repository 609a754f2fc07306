//! Waiting for one's turn to call.
//!
//! The budget is shared with other workers, and kept by whoever opens a target. From there come slots, some at a time; here
//! they are handed out one by one to whatever calls there are.

use std::pin::Pin;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::json;

/// Of the call budget that `x-app-usage` tells of, so many percent are enough \[inferred\].
const ENOUGH: f64 = 80.0;

/// A slot that nobody has used for so long is not used any more: many of them would make a crowd.
const STALE: Duration = Duration::from_secs(1);

/// Moments at which calls may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// From now until the first.
    pub first_in: Duration,
    /// From one to the next.
    pub interval: Duration,
    /// How many there are.
    pub count: u32,
}

type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where slots come from, and who is told that the target wants fewer calls.
pub(crate) struct Pacing {
    reserve: Box<dyn Fn() -> Soon<Slots> + Send + Sync>,
    slow_down: Box<dyn Fn(Option<Duration>) -> Soon<()> + Send + Sync>,
    reserved: Mutex<Option<Reserved>>,
}

struct Reserved {
    next: Instant,
    interval: Duration,
    left: u32,
}

impl Pacing {
    pub(crate) fn new<R, RF, S, SF>(reserve: R, slow_down: S) -> Self
    where
        R: Fn() -> RF + Send + Sync + 'static,
        RF: Future<Output = Slots> + Send + 'static,
        S: Fn(Option<Duration>) -> SF + Send + Sync + 'static,
        SF: Future<Output = ()> + Send + 'static,
    {
        Self {
            reserve: Box::new(move || Box::pin(reserve())),
            slow_down: Box::new(move |wait| Box::pin(slow_down(wait))),
            reserved: Mutex::default(),
        }
    }

    /// Waits for the next slot.
    pub(crate) async fn turn(&self) {
        let at = {
            let mut reserved = self.reserved.lock().await;
            let is_good = |it: &Reserved| it.left > 0 && it.next.elapsed() < STALE;
            let mut slots = match reserved.take().filter(is_good) {
                Some(slots) => slots,
                None => {
                    let Slots { first_in, interval, count } = (self.reserve)().await;
                    Reserved { next: Instant::now() + first_in, interval, left: count.max(1) }
                }
            };
            let at = slots.next;
            slots.next += slots.interval;
            slots.left -= 1;
            *reserved = Some(slots);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// The target wants fewer calls: what is reserved at the old pace is given up.
    pub(crate) async fn slow_down(&self, wait: Option<Duration>) {
        self.reserved.lock().await.take();
        (self.slow_down)(wait).await;
    }
}

/// Whether a header says that most of the call budget is used up \[doc\].
pub(crate) fn is_used_up(headers: &HeaderMap) -> bool {
    let usage = headers.get("x-app-usage").and_then(|value| value.to_str().ok());
    let Some(Ok(Value::Object(usage))) = usage.map(serde_json::from_str) else { return false };
    ["call_count", "total_time", "total_cputime"]
        .iter()
        .filter_map(|name| json::member(&usage, name)?.as_f64())
        .any(|percent| percent >= ENOUGH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_in_percent() {
        let used_up = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-app-usage", text.parse().unwrap());
            is_used_up(&headers)
        };
        assert!(!is_used_up(&HeaderMap::new()));
        for (text, expect) in [
            (r#"{"call_count":28,"total_time":25,"total_cputime":25}"#, false),
            (r#"{"call_count":10,"total_time":80,"total_cputime":0}"#, true),
            (r#"{"call_count":100}"#, true),
            (r#"{"call_count":"100"}"#, false),
            ("[]", false),
            ("", false),
            ("{", false),
        ] {
            assert_eq!(used_up(text), expect, "{text}");
        }
    }
}
