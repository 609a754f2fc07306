//! From an error's meaning to what is done about it, in one place.

use model::AnchorHash;
use scim::TargetError;

use crate::{Health, Stop};

/// What is done about a user after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try this user again by itself, after so many seconds.
    RetryIn(i64),
    /// Try again when the user changes or somebody asks for it.
    Park,
}

/// The verdict on one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is done about the user.
    pub verdict: Verdict,
    /// How often the user has been tried in vain by now. What the target does to everybody is not counted.
    pub attempts: u32,
    /// Whether it is pointless to go on with other users.
    pub stop: Option<Stop>,
}

/// The shortest and longest wait between two tries, in seconds.
const SHORTEST: i64 = 30;
const LONGEST: i64 = 3600;

/// Decides what to do after a user was tried in vain, who had been `attempts` times before.
pub fn judge(
    error: &TargetError,
    user: AnchorHash,
    attempts: u32,
    max_attempts: u32,
    health: &Health,
) -> Judgement {
    let everybody = |seconds: i64, stop: Stop| Judgement {
        verdict: Verdict::RetryIn(seconds),
        attempts,
        stop: Some(stop),
    };
    let tried = attempts.saturating_add(1);
    let backoff = SHORTEST.saturating_mul(1 << attempts.min(10)).min(LONGEST);
    let again = |seconds: i64, stop: Option<Stop>| Judgement {
        verdict: if tried < max_attempts { Verdict::RetryIn(seconds) } else { Verdict::Park },
        attempts: tried,
        stop,
    };
    match error {
        TargetError::RateLimited { retry_after } => {
            let asked = retry_after.map_or(SHORTEST, |wait| i64::try_from(wait.as_secs()).unwrap_or(LONGEST));
            everybody(asked.clamp(1, LONGEST), Stop::Throttled)
        }
        TargetError::Unauthorized { .. } => everybody(SHORTEST, Stop::Unauthorized),
        TargetError::Unavailable { .. } | TargetError::Malformed { .. } => {
            health.failed(user);
            match health.is_down() {
                true => everybody(SHORTEST, Stop::Unavailable),
                false => again(backoff, None),
            }
        }
        // Often a colleague is just giving the name up, in this very run.
        TargetError::Conflict { .. } if tried == 1 => {
            health.served();
            again(0, None)
        }
        // The account vanished under our hands, or somebody else took the name: look again.
        TargetError::NotFound | TargetError::Conflict { .. } => {
            health.served();
            again(backoff, None)
        }
        TargetError::Rejected { .. } => {
            health.served();
            Judgement { verdict: Verdict::Park, attempts: tried, stop: None }
        }
        TargetError::Insecure { .. } | TargetError::InvalidUrl { .. } => {
            Judgement { verdict: Verdict::Park, attempts: tried, stop: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAX: u32 = 5;
    const USER: AnchorHash = AnchorHash([1; 16]);

    fn judged(error: &TargetError, attempts: u32) -> (Verdict, u32, Option<Stop>) {
        let Judgement { verdict, attempts, stop } = judge(error, USER, attempts, MAX, &Health::default());
        (verdict, attempts, stop)
    }

    fn detail() -> String {
        "x".to_owned()
    }

    #[test]
    fn what_concerns_everybody_is_no_users_fault() {
        let limited = |seconds| TargetError::RateLimited { retry_after: seconds };
        let unauthorized = TargetError::Unauthorized { detail: detail() };
        let ninety = Some(Duration::from_secs(90));
        assert_eq!(judged(&limited(ninety), 7), (Verdict::RetryIn(90), 7, Some(Stop::Throttled)));
        assert_eq!(judged(&limited(None), 0), (Verdict::RetryIn(30), 0, Some(Stop::Throttled)));
        assert_eq!(judged(&unauthorized, 9), (Verdict::RetryIn(30), 9, Some(Stop::Unauthorized)));
    }

    #[test]
    fn a_target_that_fails_at_one_user_is_not_down() {
        let unavailable = TargetError::Unavailable { detail: detail() };
        assert_eq!(judged(&unavailable, 0), (Verdict::RetryIn(30), 1, None));
        assert_eq!(judged(&unavailable, 2), (Verdict::RetryIn(120), 3, None));
        assert_eq!(judged(&unavailable, 4), (Verdict::Park, 5, None));
    }

    #[test]
    fn a_target_that_is_down_parks_nobody() {
        let (health, unavailable) = (Health::default(), TargetError::Unavailable { detail: detail() });
        for number in 0..9 {
            let user = AnchorHash([number; 16]);
            let Judgement { verdict, attempts, stop } = judge(&unavailable, user, 4, MAX, &health);
            match number {
                0 | 1 => assert_eq!((verdict, attempts, stop), (Verdict::Park, 5, None)),
                _ => {
                    assert_eq!((verdict, attempts, stop), (Verdict::RetryIn(30), 4, Some(Stop::Unavailable)));
                }
            }
        }
    }

    #[test]
    fn what_concerns_the_user_alone_ends_some_time() {
        let conflict = TargetError::Conflict { detail: detail() };
        assert_eq!(judged(&conflict, 0), (Verdict::RetryIn(0), 1, None));
        assert_eq!(judged(&conflict, 1), (Verdict::RetryIn(60), 2, None));
        assert_eq!(judged(&conflict, 4), (Verdict::Park, 5, None));
        assert_eq!(judged(&TargetError::NotFound, 0), (Verdict::RetryIn(30), 1, None));
        assert_eq!(judged(&TargetError::NotFound, 4), (Verdict::Park, 5, None));
        let rejected = TargetError::Rejected { attribute: None, detail: detail() };
        assert_eq!(judged(&rejected, 0), (Verdict::Park, 1, None));
    }
}
