//! The response to each kind of target error, in one place.

use model::AnchorHash;
use scim::TargetError;

use crate::Health;
use crate::outcome::Stop;

/// A user for which the target failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedAttempt {
    /// The user.
    pub(crate) user: AnchorHash,
    /// Failed attempts before this one.
    pub(crate) attempts: u32,
    /// Users that the failure concerns.
    pub(crate) scope: FailureScope,
    /// Whether a reference to another account may be the reason. A new account can be refused as a reference at first.
    pub(crate) may_be_reference: bool,
    /// Whether another user is about to free the user name.
    pub(crate) is_name_awaited: bool,
}

/// Users that a failure of the target concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureScope {
    /// This user, as far as is known.
    User,
    /// All users of the connection: the list of accounts is not served either.
    Connection,
}

/// What is done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    /// Seconds until the next attempt. `None`: the user has to change first, or an operator retries it.
    pub(crate) retry_in: Option<i64>,
    /// Failed attempts by now. A failure that concerns all users is not counted.
    pub(crate) attempts: u32,
    /// Why other users would fail now too, if they would.
    pub(crate) stop: Option<Stop>,
}

/// Shortest and longest wait between two attempts, in seconds.
const SHORTEST: i64 = 30;
const LONGEST: i64 = 3600;

/// Attempts without a wait for a user name that another user is about to free.
const NAME_ATTEMPTS: u32 = 4;

/// Decides what to do after a failure.
pub(crate) fn respond_to_error(
    error: &TargetError,
    failed: FailedAttempt,
    max_attempts: u32,
    health: &Health,
) -> ErrorResponse {
    let FailedAttempt { user, attempts, scope, may_be_reference, is_name_awaited } = failed;
    let all_users =
        |seconds: i64, stop: Stop| ErrorResponse { retry_in: Some(seconds), attempts, stop: Some(stop) };
    let failures = attempts.saturating_add(1);
    let give_up = ErrorResponse { retry_in: None, attempts: failures, stop: None };
    let backoff = SHORTEST.saturating_mul(1 << attempts.min(10)).min(LONGEST);
    let this_user = |seconds: i64| ErrorResponse {
        retry_in: (failures < max_attempts).then_some(seconds),
        attempts: failures,
        stop: None,
    };
    match error {
        TargetError::RateLimited { retry_after } => {
            let asked = retry_after.map_or(SHORTEST, |wait| i64::try_from(wait.as_secs()).unwrap_or(LONGEST));
            all_users(asked.clamp(1, LONGEST), Stop::Throttled)
        }
        TargetError::Unauthorized { .. } => all_users(SHORTEST, Stop::Unauthorized),
        TargetError::Unavailable { .. } | TargetError::Malformed { .. } => {
            health.failed(user);
            match scope == FailureScope::Connection || health.is_down() {
                true => all_users(SHORTEST, Stop::Unavailable),
                false => this_user(backoff),
            }
        }
        // Often another user gives the name up in the same run.
        TargetError::Conflict { .. } if failures == 1 || is_name_awaited && failures < NAME_ATTEMPTS => {
            health.served();
            this_user(0)
        }
        // The account is gone, another user took the name meanwhile, or the answers lag behind the change.
        TargetError::NotFound | TargetError::Conflict { .. } | TargetError::NotApplied { .. } => {
            health.served();
            this_user(backoff)
        }
        TargetError::Rejected { .. } if may_be_reference => {
            health.served();
            this_user(backoff)
        }
        TargetError::Rejected { .. } | TargetError::Unsupported { .. } | TargetError::OtherAccount { .. } => {
            health.served();
            give_up
        }
        TargetError::Insecure { .. } | TargetError::InvalidUrl { .. } => give_up,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MAX: u32 = 5;
    const USER: AnchorHash = AnchorHash([1; 16]);
    const FAILED: FailedAttempt = FailedAttempt {
        user: USER,
        attempts: 0,
        scope: FailureScope::User,
        may_be_reference: false,
        is_name_awaited: false,
    };

    fn response(error: &TargetError, attempts: u32) -> (Option<i64>, u32, Option<Stop>) {
        respond(error, FailedAttempt { attempts, ..FAILED }, &Health::default())
    }

    fn respond(
        error: &TargetError,
        failed: FailedAttempt,
        health: &Health,
    ) -> (Option<i64>, u32, Option<Stop>) {
        let ErrorResponse { retry_in, attempts, stop } = respond_to_error(error, failed, MAX, health);
        (retry_in, attempts, stop)
    }

    fn detail() -> String {
        "x".to_owned()
    }

    #[test]
    fn failure_for_all_users_is_not_counted() {
        let limited = |seconds| TargetError::RateLimited { retry_after: seconds };
        let unauthorized = TargetError::Unauthorized { detail: detail() };
        let ninety = Some(Duration::from_secs(90));
        assert_eq!(response(&limited(ninety), 7), (Some(90), 7, Some(Stop::Throttled)));
        assert_eq!(response(&limited(None), 0), (Some(30), 0, Some(Stop::Throttled)));
        assert_eq!(response(&unauthorized, 9), (Some(30), 9, Some(Stop::Unauthorized)));
    }

    #[test]
    fn failure_for_one_user_is_not_an_outage() {
        let unavailable = TargetError::Unavailable { detail: detail() };
        assert_eq!(response(&unavailable, 0), (Some(30), 1, None));
        assert_eq!(response(&unavailable, 2), (Some(120), 3, None));
        assert_eq!(response(&unavailable, 4), (None, 5, None));
    }

    #[test]
    fn outage_fails_no_user() {
        let (health, unavailable) = (Health::default(), TargetError::Unavailable { detail: detail() });
        for number in 0..9 {
            let user = AnchorHash([number; 16]);
            let response = respond(&unavailable, FailedAttempt { user, attempts: 4, ..FAILED }, &health);
            match number {
                0 | 1 => assert_eq!(response, (None, 5, None)),
                _ => assert_eq!(response, (Some(30), 4, Some(Stop::Unavailable))),
            }
        }
    }

    #[test]
    fn failed_probe_makes_an_outage_of_the_first_failure() {
        let unavailable = TargetError::Unavailable { detail: detail() };
        let failed = FailedAttempt { attempts: 4, scope: FailureScope::Connection, ..FAILED };
        let response = respond(&unavailable, failed, &Health::default());
        assert_eq!(response, (Some(30), 4, Some(Stop::Unavailable)));
    }

    #[test]
    fn refused_reference_is_tried_again() {
        let rejected = TargetError::Rejected { attribute: Some("manager".to_owned()), detail: detail() };
        let failed = |attempts| FailedAttempt { attempts, may_be_reference: true, ..FAILED };
        assert_eq!(respond(&rejected, failed(0), &Health::default()), (Some(30), 1, None));
        assert_eq!(respond(&rejected, failed(4), &Health::default()), (None, 5, None));
    }

    #[test]
    fn failure_of_one_user_is_given_up_after_max_attempts() {
        let conflict = TargetError::Conflict { detail: detail() };
        assert_eq!(response(&conflict, 0), (Some(0), 1, None));
        assert_eq!(response(&conflict, 1), (Some(60), 2, None));
        assert_eq!(response(&conflict, 4), (None, 5, None));
        let awaited = |attempts| FailedAttempt { attempts, is_name_awaited: true, ..FAILED };
        assert_eq!(respond(&conflict, awaited(2), &Health::default()), (Some(0), 3, None));
        assert_eq!(respond(&conflict, awaited(3), &Health::default()), (Some(240), 4, None));
        assert_eq!(response(&TargetError::NotFound, 0), (Some(30), 1, None));
        assert_eq!(response(&TargetError::NotFound, 4), (None, 5, None));
        let not_applied = TargetError::NotApplied { detail: detail() };
        assert_eq!(response(&not_applied, 0), (Some(30), 1, None));
        assert_eq!(response(&not_applied, 4), (None, 5, None));
        for refused in [
            TargetError::Rejected { attribute: None, detail: detail() },
            TargetError::Unsupported { detail: detail() },
            TargetError::OtherAccount { detail: detail() },
        ] {
            assert_eq!(response(&refused, 0), (None, 1, None));
        }
    }
}
