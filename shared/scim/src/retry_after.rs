//! How long a target wants to be left alone.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Nobody means more than a day; whoever says so would only break sums.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `Retry-After`: seconds, or a date. A date counts from the answer's own `Date`, because our clock and the
/// target's need not agree.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = header(headers, RETRY_AFTER)?;
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let seconds = seconds(value)?.checked_sub(seconds(header(headers, DATE)?)?)?;
            Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(date: &str) -> Option<i64> {
    rfc2822::parse(date).ok().map(|date| date.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(retry_after: &str, date: Option<&str>, expect: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        assert_eq!(super::retry_after(&headers), expect.map(Duration::from_secs), "{retry_after}");
    }

    #[test]
    fn seconds_and_dates() {
        const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
        check("0", None, Some(0));
        check(" 120 ", None, Some(120));
        check("99999999999999999", None, Some(86_400));
        check("Sun, 06 Nov 1994 12:00:30 GMT", Some(NOON), Some(30));
        check("Sun, 06 Nov 1994 11:00:00 GMT", Some(NOON), Some(0));
        check("Sun, 06 Nov 1994 12:00:30 GMT", None, None);
        check("Sun, 06 Nov 1994 12:00:30 GMT", Some("now"), None);
        check("-1", None, None);
        check("soon", Some(NOON), None);
        check("", None, None);
    }
}
