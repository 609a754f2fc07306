//! How the target did lately, as one process saw it: whether it is down, or only fails at one user.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{AnchorHash, UnixSeconds};

/// So many different users in a row whom the target did not serve mean that it is down.
const FAILURES_IN_A_ROW: u32 = 3;

/// How the target did lately.
#[derive(Debug, Default)]
pub struct Health {
    lately: Mutex<Lately>,
    /// When it was last written down that the target serves, in Unix seconds; nought for never.
    noted: AtomicI64,
}

#[derive(Debug, Default)]
struct Lately {
    failures: u32,
    /// Who met the last one. The same user over and over says nothing about the target.
    last: Option<AnchorHash>,
}

/// How often it is written down that the target serves.
const DAY: i64 = 86_400;

impl Health {
    /// The target served somebody.
    pub fn served(&self) {
        *self.lately() = Lately::default();
    }

    /// Whether it is to be written down that the target served somebody now. Once a day is enough to know for how many days
    /// it has not.
    pub fn is_news(&self, now: UnixSeconds) -> bool {
        let is_old = |noted: i64| (now.0 >= noted.saturating_add(DAY)).then_some(now.0);
        self.noted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_old).is_ok()
    }

    /// The target did not serve this user.
    pub fn failed(&self, user: AnchorHash) {
        let mut lately = self.lately();
        if lately.last != Some(user) || lately.failures == 0 {
            lately.failures = lately.failures.saturating_add(1);
            lately.last = Some(user);
        }
    }

    /// Others found the target down: one more failure settles it.
    pub fn suspect(&self) {
        let mut lately = self.lately();
        *lately = Lately { failures: lately.failures.max(FAILURES_IN_A_ROW - 1), last: None };
    }

    /// Whether the target is down.
    pub fn is_down(&self) -> bool {
        self.lately().failures >= FAILURES_IN_A_ROW
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn user(number: u8) -> AnchorHash {
        AnchorHash([number; 16])
    }

    #[test]
    fn that_the_target_serves_is_news_once_a_day() {
        let health = Health::default();
        let news = [0, 60, 86_399, 86_400, 86_401, 200_000];
        let told = news.map(|at| health.is_news(UnixSeconds(1_800_000_000 + at)));
        assert_eq!(told, [true, false, false, true, false, true]);
    }

    #[test]
    fn different_users_in_a_row_mean_that_it_is_down() {
        let health = Health::default();
        for number in 1..=2 {
            health.failed(user(number));
            assert!(!health.is_down());
        }
        health.served();
        (1..=2).for_each(|number| health.failed(user(number)));
        assert!(!health.is_down());
        health.failed(user(3));
        assert!(health.is_down());
        health.served();
        assert!(!health.is_down());
    }

    #[test]
    fn one_user_over_and_over_does_not() {
        let health = Health::default();
        (0..9).for_each(|_| health.failed(user(1)));
        assert!(!health.is_down());
    }

    #[test]
    fn a_suspicion_takes_one_failure() {
        let health = Health::default();
        health.suspect();
        assert!(!health.is_down());
        health.failed(user(1));
        assert!(health.is_down());
    }
}
