//! Reasons why a change of one user waits, or is not made.

use model::{Fingerprint, HoldReason, SafeguardMemory, Status, UnixSeconds, UserRecord};
use plan::Decision;
use serde::Serialize;
use store::Breaker;

/// A reason why a change waits, or is not made.
#[derive(Debug, Serialize)]
pub struct Wait {
    /// The kind of reason.
    pub what: WaitKind,
    /// The reason in words.
    pub why: String,
    /// Hash for `provisioner approve`, if an approval ends the wait.
    pub approve: Option<String>,
    /// End of the wait, or of the approval, in seconds since 1970.
    pub until: Option<i64>,
}

/// A kind of wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// A removal waits for approval or for the safeguard.
    Removal,
    /// A creation or update waits, because the configuration was changed.
    Change,
    /// An option is off.
    Option,
    /// The user name or account belongs to another entry.
    Conflict,
    /// The next attempt is later.
    Retry,
    /// The target refused the user; `retry` or a change of the user ends the wait.
    Refusal,
    /// The account is deleted later.
    Deletion,
    /// The entry cannot be mapped.
    Mapping,
    /// The circuit breaker is open.
    Breaker,
}

/// State that decides about waits, beside the user.
pub(super) struct WaitSources<'a> {
    /// Held removals and changes, and their approvals.
    pub memory: &'a SafeguardMemory,
    /// The open circuit breaker, if any.
    pub breaker: Option<Breaker>,
    /// Fingerprint of the configuration in use.
    pub configuration: Fingerprint,
    /// The current time.
    pub now: UnixSeconds,
}

impl WaitSources<'_> {
    /// Everything that the user waits for.
    pub fn waits(
        &self,
        record: Option<&UserRecord>,
        decision: Option<&Decision>,
        updates_account: bool,
    ) -> Vec<Wait> {
        let mut waits = Vec::from_iter(record.and_then(|record| self.by_status(record)));
        if let Some(Decision::Skipped(option)) = decision
            && !waits.iter().any(|wait| wait.what == WaitKind::Option)
        {
            waits.push(wait(WaitKind::Option, option.to_string()));
        }
        if updates_account {
            waits.extend(self.by_configuration());
        }
        if let Some(breaker) = self.breaker {
            let why = format!(
                "circuit breaker open ({}): no requests are sent to the target",
                breaker.reason.word()
            );
            waits.push(Wait { until: Some(breaker.until.0), ..wait(WaitKind::Breaker, why) });
        }
        waits
    }

    fn by_status(&self, record: &UserRecord) -> Option<Wait> {
        let why = record.status.detail().unwrap_or_default();
        let until = Some(record.next_attempt.0);
        Some(match &record.status {
            Status::InSync | Status::Pending => return None,
            Status::Held { hold: HoldReason::OverLimit, .. } => {
                let held = self.memory.held.as_ref();
                let approval = self.memory.approval_at(self.now);
                let approval = approval.filter(|it| held.is_some_and(|held| held.hash == it.set.hash));
                Wait {
                    approve: held.map(|held| held.hash.short()),
                    until: approval.map(|approval| approval.until.0),
                    ..wait(WaitKind::Removal, why)
                }
            }
            Status::Held { hold: HoldReason::AwaitingSafeguard, .. } => wait(WaitKind::Removal, why),
            Status::Skipped { .. } => wait(WaitKind::Option, why),
            Status::Conflict { .. } => wait(WaitKind::Conflict, why),
            Status::Retrying { .. } => Wait { until, ..wait(WaitKind::Retry, why) },
            Status::Failed { .. } => wait(WaitKind::Refusal, why),
            Status::PendingDeletion { .. } => Wait { until, ..wait(WaitKind::Deletion, why) },
            Status::Invalid { .. } => wait(WaitKind::Mapping, why),
        })
    }

    /// A configuration that differs from the one last applied.
    fn by_configuration(&self) -> Option<Wait> {
        if self.memory.configuration? == self.configuration {
            return None;
        }
        let held = self.memory.change.filter(|change| change.configuration == self.configuration);
        let Some(change) = held else {
            let why = "the configuration was changed; the next scan counts the affected users before it updates them";
            return Some(wait(WaitKind::Change, why.to_owned()));
        };
        let approval = self.memory.change_approval_at(self.now, self.configuration);
        let why = format!(
            "the configuration was changed, which would update {} accounts and create {}",
            change.updates, change.creates
        );
        Some(Wait {
            approve: Some(change.hash.short()),
            until: approval.map(|approval| approval.until.0),
            ..wait(WaitKind::Change, why)
        })
    }
}

fn wait(what: WaitKind, why: String) -> Wait {
    Wait { what, why, approve: None, until: None }
}
