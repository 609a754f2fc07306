//! Reasons why a change of one user waits, or is not made.

use model::{DisabledOption, HoldReason, Options, SafeguardMemory, Status, UnixSeconds, UserRecord};
use queue::PlannedUpdate;
use store::Breaker;

use crate::explanation::Wait;
use crate::held::HeldSummary;

/// State that decides about waits, beside the user.
pub(crate) struct WaitSources<'a> {
    /// Held removals and changes, and their approvals.
    pub memory: &'a SafeguardMemory,
    /// The open circuit breaker, if any.
    pub breaker: Option<Breaker>,
    /// Options of the connection.
    pub options: &'a Options,
    /// The current time.
    pub now: UnixSeconds,
}

impl WaitSources<'_> {
    /// Everything that the user waits for. `skipped` is the option that stops the decision, `planned` what a scan would do
    /// to the account.
    pub fn waits(
        &self,
        record: Option<&UserRecord>,
        skipped: Option<DisabledOption>,
        planned: Option<&PlannedUpdate>,
    ) -> Vec<Wait> {
        let mut waits = Vec::from_iter(record.and_then(|record| self.by_status(record)));
        if let Some(option) = skipped
            && !waits.iter().any(|wait| wait.what == "skipped")
        {
            waits.push(Wait::of("skipped", option.to_string()));
        }
        waits.extend(planned.and_then(|planned| self.by_changes(planned)));
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
            Status::Held { hold: HoldReason::OverLimit | HoldReason::NeverWritten, .. } => {
                Some(wait.approved_by(HeldSummary::removals(self.memory, self.options, self.now)))
            }
            Status::Retrying { .. } | Status::PendingDeletion { .. } => {
                Some(Wait { until: Some(record.next_attempt.0), ..wait })
            }
            _ => Some(wait),
        }
    }

    /// Held changes that include the planned update, or a changed configuration before its changes are counted.
    fn by_changes(&self, planned: &PlannedUpdate) -> Option<Wait> {
        let PlannedUpdate { configuration, effects } = planned;
        let is_changed = self.memory.configuration? != *configuration;
        let current = self.memory.changes.as_ref().filter(|held| held.configuration == *configuration);
        let belongs = current.is_some_and(|held| {
            let mut held = held.effects.iter();
            held.any(|held| effects.contains(&held.effect) || (is_changed && held.effect.is_configured()))
        });
        if belongs {
            let held = HeldSummary::changes(self.memory, self.now)?;
            let wait = Wait::of("changes", held.what.clone());
            return Some(Wait { held: None, ..wait.approved_by(Some(held)) });
        }
        let why =
            "the configuration was changed; the next scan counts the affected users before it updates them";
        (is_changed && current.is_none()).then(|| Wait::of("configuration", why.to_owned()))
    }
}

impl Wait {
    fn of(what: &str, why: String) -> Self {
        Self { what: what.to_owned(), why, held: None, approve: None, approved_by: None, until: None }
    }

    fn approved_by(self, held: Option<HeldSummary>) -> Self {
        let Some(HeldSummary { hash, what, approved_until, approved_by, .. }) = held else { return self };
        Self { held: Some(what), approve: Some(hash), approved_by, until: approved_until, ..self }
    }
}
