//! From an error's meaning to what is done about it, in one place.

use target::TargetError;

use crate::Stop;

/// What is done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try this user again by itself, after so many seconds.
    RetryIn(i64),
    /// Try again when the user changes or somebody asks for it.
    Park,
}

/// The shortest and longest wait between two tries, in seconds.
const SHORTEST: i64 = 30;
const LONGEST: i64 = 3600;

/// After so many tries a user whom the target contradicts is left to a person.
const CONTRADICTIONS: u32 = 5;

/// Decides what to do after the `attempts`-th try failed.
pub fn verdict(error: &TargetError, attempts: u32) -> (Verdict, Option<Stop>) {
    let backoff = SHORTEST.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST);
    match error {
        TargetError::RateLimited { retry_after } => {
            let asked = retry_after.map_or(0, |wait| i64::try_from(wait.as_secs()).unwrap_or(LONGEST));
            (Verdict::RetryIn(asked.max(backoff)), Some(Stop::Unavailable))
        }
        TargetError::Unavailable { .. } | TargetError::Malformed { .. } => {
            (Verdict::RetryIn(backoff), Some(Stop::Unavailable))
        }
        // The user is not to blame, so the wait does not grow.
        TargetError::Unauthorized { .. } => (Verdict::RetryIn(SHORTEST), Some(Stop::Unauthorized)),
        // Often a colleague is just giving the name up, in this very run.
        TargetError::Conflict { .. } if attempts == 1 => (Verdict::RetryIn(0), None),
        // The account vanished under our hands, or somebody else took the name: look again.
        TargetError::NotFound | TargetError::Conflict { .. } if attempts < CONTRADICTIONS => {
            (Verdict::RetryIn(backoff), None)
        }
        _ => (Verdict::Park, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_meaning_has_its_answer() {
        let detail = || "x".to_owned();
        let unavailable = TargetError::Unavailable { detail: detail() };
        assert_eq!(verdict(&unavailable, 1), (Verdict::RetryIn(30), Some(Stop::Unavailable)));
        assert_eq!(verdict(&unavailable, 3), (Verdict::RetryIn(120), Some(Stop::Unavailable)));
        assert_eq!(verdict(&unavailable, 99), (Verdict::RetryIn(3600), Some(Stop::Unavailable)));
        let limited = TargetError::RateLimited { retry_after: Some(Duration::from_secs(90)) };
        assert_eq!(verdict(&limited, 1), (Verdict::RetryIn(90), Some(Stop::Unavailable)));
        let unauthorized = TargetError::Unauthorized { detail: detail() };
        assert_eq!(verdict(&unauthorized, 9), (Verdict::RetryIn(30), Some(Stop::Unauthorized)));
        let rejected = TargetError::Rejected { attribute: None, detail: detail() };
        assert_eq!(verdict(&rejected, 1), (Verdict::Park, None));
        let conflict = TargetError::Conflict { detail: detail() };
        assert_eq!(verdict(&conflict, 1), (Verdict::RetryIn(0), None));
        assert_eq!(verdict(&conflict, 2), (Verdict::RetryIn(60), None));
        assert_eq!(verdict(&conflict, 5), (Verdict::Park, None));
        assert_eq!(verdict(&TargetError::NotFound, 1), (Verdict::RetryIn(30), None));
        assert_eq!(verdict(&TargetError::NotFound, 5), (Verdict::Park, None));
    }
}
