//! Why something waits, or is not done.

use model::{Fingerprint, HoldReason, SafeguardMemory, Status, UnixSeconds, UserRecord};
use plan::Decision;
use scan::Sighted;
use store::Breaker;

use crate::explanation::{WaitKind, WaitPart};
use provision::Preview;

/// What decides about waiting, beside the user.
pub(super) struct Waiting<'a> {
    /// What the safety checks remember.
    pub memory: &'a SafeguardMemory,
    /// Whether anybody is tried.
    pub breaker: Option<Breaker>,
    /// The configuration in use.
    pub configuration: Fingerprint,
    /// The time.
    pub now: UnixSeconds,
}

/// Everything that this user waits for.
pub(super) fn waits(
    waiting: &Waiting<'_>,
    sighted: Option<&Sighted>,
    record: Option<&UserRecord>,
    seen: Option<&Preview>,
) -> Vec<WaitPart> {
    let mut waits = Vec::new();
    waits.extend(record.and_then(|record| waiting.by_status(record)));
    let is_withheld = waits.iter().any(|wait| wait.what == WaitKind::Option);
    let skipped = seen.and_then(|preview| preview.decisions.last()).and_then(|decision| match decision {
        Decision::Skipped(by) if !is_withheld => Some(plain(WaitKind::Option, by.to_string())),
        _ => None,
    });
    waits.extend(skipped);
    if sighted.is_some_and(Sighted::touches_account) {
        waits.extend(waiting.by_change());
    }
    if let Some(breaker) = waiting.breaker {
        let why = format!("nobody is tried at the target ({})", breaker.reason.word());
        waits.push(WaitPart { until: Some(breaker.until.0), ..plain(WaitKind::Breaker, why) });
    }
    waits
}

impl Waiting<'_> {
    fn by_status(&self, record: &UserRecord) -> Option<WaitPart> {
        let why = record.status.detail().unwrap_or_default();
        let until = Some(record.next_attempt.0);
        Some(match &record.status {
            Status::InSync | Status::Pending => return None,
            Status::Held { hold: HoldReason::OverLimit, .. } => {
                let held = self.memory.held.as_ref();
                let approval = self.memory.approval_at(self.now);
                let approval = approval.filter(|it| held.is_some_and(|held| held.hash == it.set.hash));
                WaitPart {
                    approve: held.map(|held| held.hash.short()),
                    until: approval.map(|approval| approval.until.0),
                    ..plain(WaitKind::Removal, why)
                }
            }
            Status::Held { hold: HoldReason::AwaitingSafeguard, .. } => plain(WaitKind::Removal, why),
            Status::Skipped { .. } => plain(WaitKind::Option, why),
            Status::Conflict { .. } => plain(WaitKind::Conflict, why),
            Status::Retrying { .. } => WaitPart { until, ..plain(WaitKind::Retry, why) },
            Status::Failed { .. } => plain(WaitKind::Refusal, why),
            Status::PendingDeletion { .. } => WaitPart { until, ..plain(WaitKind::Deletion, why) },
            Status::Invalid { .. } => plain(WaitKind::Mapping, why),
        })
    }

    /// A configuration that is not yet the accounts' own.
    fn by_change(&self) -> Option<WaitPart> {
        let known = self.memory.configuration?;
        if known == self.configuration {
            return None;
        }
        let held = self.memory.change.filter(|change| change.configuration == self.configuration);
        let approval = self.memory.change_approval_at(self.now, self.configuration);
        Some(match held {
            None => plain(
                WaitKind::Change,
                "the configuration was changed; the next scan counts whom it would touch before it touches anybody"
                    .to_owned(),
            ),
            Some(change) => WaitPart {
                approve: Some(change.hash.short()),
                until: approval.map(|approval| approval.until.0),
                ..plain(
                    WaitKind::Change,
                    format!(
                        "the configuration was changed, which would update {} accounts and create {}",
                        change.updates, change.creates
                    ),
                )
            },
        })
    }
}

fn plain(what: WaitKind, why: String) -> WaitPart {
    WaitPart { what, why, approve: None, until: None }
}
