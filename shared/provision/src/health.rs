//! Health of the target, as one process observes it: whether it is down, or fails for single users only.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{AnchorHash, UnixSeconds};

/// Different users in a row with an unserved request that mean an outage.
const OUTAGE_FAILURES: u32 = 3;

/// Seconds between two records of the time at which the target served a request. Keep-alive counts days.
const RECORD_SECONDS: i64 = 86_400;

/// Health of the target.
#[derive(Debug, Default)]
pub struct Health {
    recent: Mutex<RecentFailures>,
    /// Time of the last record that the target served a request; 0 for none.
    recorded_at: AtomicI64,
}

#[derive(Debug, Default)]
struct RecentFailures {
    /// Different users in a row.
    count: u32,
    /// User of the last failure. Repeated failures for one user say nothing about the target.
    last: Option<AnchorHash>,
}

impl Health {
    /// Notes a served request.
    pub fn served(&self) {
        *self.recent() = RecentFailures::default();
    }

    /// Whether the store should record now that the target served a request; at most once a day.
    pub fn should_record_served(&self, now: UnixSeconds) -> bool {
        let is_old = |at: i64| (now.0 >= at.saturating_add(RECORD_SECONDS)).then_some(now.0);
        self.recorded_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_old).is_ok()
    }

    /// Notes an unserved request for this user.
    pub fn failed(&self, user: AnchorHash) {
        let mut recent = self.recent();
        if recent.last != Some(user) || recent.count == 0 {
            recent.count = recent.count.saturating_add(1);
            recent.last = Some(user);
        }
    }

    /// Notes that other workers found the target down: one more failure means an outage.
    pub fn suspect(&self) {
        let mut recent = self.recent();
        *recent = RecentFailures { count: recent.count.max(OUTAGE_FAILURES - 1), last: None };
    }

    /// Whether the target is down.
    pub fn is_down(&self) -> bool {
        self.recent().count >= OUTAGE_FAILURES
    }

    fn recent(&self) -> MutexGuard<'_, RecentFailures> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_request_is_recorded_once_a_day() {
        let health = Health::default();
        let times = [0, 60, 86_399, 86_400, 86_401, 200_000];
        let recorded = times.map(|at| health.should_record_served(UnixSeconds(1_800_000_000 + at)));
        assert_eq!(recorded, [true, false, false, true, false, true]);
    }

    /// `+` is a served request, `?` a suspicion, and a digit a failure of the user with this number.
    #[test]
    fn failures_of_different_users_in_a_row_mean_an_outage() {
        for (events, expected) in [
            ("12", false),
            ("123", true),
            ("12+12", false),
            ("123+", false),
            ("111111", false),
            ("?", false),
            ("?1", true),
        ] {
            let health = Health::default();
            for event in events.bytes() {
                match event {
                    b'+' => health.served(),
                    b'?' => health.suspect(),
                    user => health.failed(AnchorHash([user; 16])),
                }
            }
            assert_eq!(health.is_down(), expected, "{events}");
        }
    }
}
