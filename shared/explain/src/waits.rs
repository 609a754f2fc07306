//! Reasons why a change of one user waits, or is not made.

use model::{DisabledOption, Fingerprint, HoldReason, SafeguardMemory, Status, UnixSeconds, UserRecord};
use store::Breaker;

use crate::explanation::Wait;
use crate::held::HeldSummary;

/// State that decides about waits, beside the user.
pub(crate) struct WaitSources<'a> {
    /// Held removals and changes, and their approvals.
    pub memory: &'a SafeguardMemory,
    /// The open circuit breaker, if any.
    pub breaker: Option<Breaker>,
    /// The current time.
    pub now: UnixSeconds,
}

impl WaitSources<'_> {
    /// Everything that the user waits for. `skipped` is the option that stops the decision, `configuration` the one under
    /// which the account would be updated.
    pub fn waits(
        &self,
        record: Option<&UserRecord>,
        skipped: Option<DisabledOption>,
        configuration: Option<Fingerprint>,
    ) -> Vec<Wait> {
        let mut waits = Vec::from_iter(record.and_then(|record| self.by_status(record)));
        if let Some(option) = skipped
            && !waits.iter().any(|wait| wait.what == "skipped")
        {
            waits.push(Wait::of("skipped", option.to_string()));
        }
        waits.extend(configuration.and_then(|configuration| self.by_configuration(configuration)));
        if let Some(breaker) = self.breaker {
            let reason = breaker.reason.word();
            let why = format!("circuit breaker open ({reason}): no requests are sent to the target");
            waits.push(Wait { until: Some(breaker.until.0), ..Wait::of("breaker", why) });
        }
        waits
    }

    fn by_status(&self, record: &UserRecord) -> Option<Wait> {
        let wait = Wait::of(record.status.word(), record.status.detail().unwrap_or_default());
        match &record.status {
            Status::InSync | Status::Pending => None,
            Status::Held { hold: HoldReason::OverLimit, .. } => {
                Some(wait.approved_by(HeldSummary::removals(self.memory, self.now)))
            }
            Status::Retrying { .. } | Status::PendingDeletion { .. } => {
                Some(Wait { until: Some(record.next_attempt.0), ..wait })
            }
            _ => Some(wait),
        }
    }

    /// A configuration that differs from the one last applied.
    fn by_configuration(&self, configuration: Fingerprint) -> Option<Wait> {
        if self.memory.configuration? == configuration {
            return None;
        }
        let is_current = self.memory.change.is_some_and(|change| change.configuration == configuration);
        let Some(held) = HeldSummary::change(self.memory, self.now).filter(|_| is_current) else {
            let why = "the configuration was changed; the next scan counts the affected users before it updates them";
            return Some(Wait::of("configuration", why.to_owned()));
        };
        Some(Wait::of("configuration", held.what.clone()).approved_by(Some(held)))
    }
}

impl Wait {
    fn of(what: &str, why: String) -> Self {
        Self { what: what.to_owned(), why, approve: None, until: None }
    }

    fn approved_by(self, held: Option<HeldSummary>) -> Self {
        let until = held.as_ref().and_then(|held| held.approved_until);
        Self { approve: held.map(|held| held.hash), until, ..self }
    }
}
