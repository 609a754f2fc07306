//! Which failures are tried again, and after how long.

use std::time::Duration;

use backon::ExponentialBuilder;

use crate::errors::TargetError;
use crate::options::RetryPolicy;

/// How long to leave a target alone that has had enough and doesn't say how long: as Meta's sample does \[sample\].
const UNSAID: Duration = Duration::from_secs(30);

/// Whether a call may be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatPolicy {
    /// Twice is the same as once.
    Yes,
    /// Only where the target says that it did nothing: a second account must never be made.
    OnlyIfUndone,
}

impl RepeatPolicy {
    pub(crate) fn allows(self, error: &TargetError) -> bool {
        match error {
            TargetError::RateLimited { .. } => true,
            TargetError::Unavailable { .. } => self == Self::Yes,
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

    /// The pause before the next attempt; `None` when there is none.
    pub(crate) fn pause(&self, error: &TargetError, backoff: Option<Duration>) -> Option<Duration> {
        let backoff = backoff?.min(self.max_delay);
        match error {
            TargetError::RateLimited { retry_after: Some(wait) } if *wait > self.max_delay => None,
            TargetError::RateLimited { retry_after: Some(wait) } => Some(*wait),
            TargetError::RateLimited { retry_after: None } => Some(UNSAID.min(self.max_delay)),
            _ => Some(backoff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
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
}
