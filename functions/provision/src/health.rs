//! How the target did lately, as one process saw it: whether it is down, or only fails at one user.

use std::sync::{Mutex, MutexGuard, PoisonError};

use model::AnchorHash;

/// So many different users in a row whom the target did not serve mean that it is down.
const FAILURES_IN_A_ROW: u32 = 3;

/// How the target did lately.
#[derive(Debug, Default)]
pub struct Health(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    failures: u32,
    /// Who met the last one. The same user over and over says nothing about the target.
    last: Option<AnchorHash>,
}

impl Health {
    /// The target served somebody.
    pub fn served(&self) {
        *self.lately() = Lately::default();
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn user(number: u8) -> AnchorHash {
        AnchorHash([number; 16])
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
