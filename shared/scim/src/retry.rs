//! Retries of a call, and the target's `Retry-After`.

use std::time::{Duration, SystemTime};

use backon::ExponentialBuilder;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::errors::TargetError;
use crate::options::RetryPolicy;

/// Pause after a throttled call without `Retry-After`, as in Meta's sample \[sample\].
const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// Upper bound of `Retry-After`, against nonsensical values.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether a call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatPolicy {
    /// The request is idempotent.
    Always,
    /// Only if the target did not execute the request: a repeated POST could create a second account.
    OnlyIfNotExecuted,
}

impl RepeatPolicy {
    pub(crate) fn allows(self, error: &TargetError) -> bool {
        match error {
            TargetError::RateLimited { .. } => true,
            TargetError::Unavailable { .. } => self == Self::Always,
            _ => false,
        }
    }
}

impl RetryPolicy {
    pub(crate) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.initial_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX))
    }

    /// Pause before the next attempt; `None` if there is no further attempt.
    pub(crate) fn pause(&self, error: &TargetError, backoff: Option<Duration>) -> Option<Duration> {
        let backoff = backoff?.min(self.max_delay);
        match error {
            TargetError::RateLimited { retry_after: Some(wait) } if *wait > self.max_delay => None,
            TargetError::RateLimited { retry_after: Some(wait) } => Some(*wait),
            TargetError::RateLimited { retry_after: None } => Some(DEFAULT_PAUSE.min(self.max_delay)),
            _ => Some(backoff),
        }
    }
}

/// Reads `Retry-After`: seconds or a date. A date is compared with the response's own `Date`, because the clocks of
/// client and target may differ.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = header(headers, RETRY_AFTER)?;
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(value)?.duration_since(date(header(headers, DATE)?)?).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_follows_retry_after_up_to_the_longest_delay() {
        let seconds = Duration::from_secs;
        let retry = RetryPolicy { attempts: 3, initial_delay: seconds(1), max_delay: seconds(20) };
        let limited = |wait: Option<u64>| TargetError::RateLimited { retry_after: wait.map(seconds) };
        let fault = TargetError::Unavailable { detail: String::new() };
        for (error, backoff, expect) in [
            (&fault, Some(2), Some(2)),
            (&fault, Some(40), Some(20)),
            (&fault, None, None),
            (&limited(None), Some(2), Some(20)),
            (&limited(Some(5)), Some(2), Some(5)),
            (&limited(Some(0)), Some(2), Some(0)),
            (&limited(Some(21)), Some(2), None),
            (&limited(Some(5)), None, None),
        ] {
            assert_eq!(retry.pause(error, backoff.map(seconds)), expect.map(seconds), "{error:?}");
        }
    }

    fn check(retry_after: &str, date: Option<&str>, expect: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        assert_eq!(super::retry_after(&headers), expect.map(Duration::from_secs), "{retry_after}");
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
        check("0", None, Some(0));
        check(" 120 ", None, Some(120));
        check("99999999999999999", None, Some(86_400));
        check("Sun, 06 Nov 1994 12:00:30 GMT", Some(NOON), Some(30));
        check("Sunday, 06-Nov-94 12:00:30 GMT", Some(NOON), Some(30));
        check("Sun Nov  6 12:00:30 1994", Some(NOON), Some(30));
        check("Sun, 06 Nov 1994 11:00:00 GMT", Some(NOON), Some(0));
        check("Sun, 06 Nov 1994 12:00:30 GMT", None, None);
        check("Sun, 06 Nov 1994 12:00:30 GMT", Some("now"), None);
        check("-1", None, None);
        check("soon", Some(NOON), None);
        check("", None, None);
    }
}
