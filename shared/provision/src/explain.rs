//! Explanation of the account side of one user: record, account, decision, and what the user waits for.
//!
//! Masked values are replaced. Nothing is written.

mod mask;
mod waits;

use model::{Desired, Status, UnixSeconds, UserRecord};
use plan::{Decision, Policy};
use queue::EntryState;
use scim::Target;
use serde::Serialize;
use store::{HistoryEvent, Store, StoreError};

use self::mask::ValueMask;
use self::waits::WaitSources;
use crate::preview::{Preview, PreviewSubject, preview};

pub use self::waits::{Wait, WaitKind};

/// Number of history events in an explanation.
const EVENTS: usize = 10;

/// Sources of an explanation.
#[derive(Clone, Copy)]
pub struct AccountContext<'a> {
    /// The configured decisions.
    pub policy: &'a Policy,
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// The current time.
    pub clock: fn() -> UnixSeconds,
}

/// The account side of an explanation.
#[derive(Debug, Default, Serialize)]
pub struct AccountExplanation {
    /// The stored record.
    pub record: Option<RecordExplanation>,
    /// The account at the target.
    pub account: Option<AccountState>,
    /// Managed attributes: directory, record and account side by side.
    pub attributes: Vec<AttributeComparison>,
    /// Reasons why something waits or is not done.
    pub waits: Vec<Wait>,
    /// Actions that provisioning would perform now, in order.
    pub would: Vec<String>,
    /// The target's error, if the account could not be read.
    pub target_error: Option<String>,
    /// Actions so far, newest first.
    pub history: Vec<HistoryEvent>,
}

/// The stored record.
#[derive(Debug, Serialize)]
pub struct RecordExplanation {
    /// The immutable id.
    pub anchor: String,
    /// The status, in a word.
    pub status: &'static str,
    /// The reason for the status.
    pub why: Option<String>,
    /// The scan that last wrote the record.
    pub version: u64,
    /// The desired state: `active`, `inactive` or `absent`; `None` if the entry was never valid.
    pub says: Option<&'static str>,
    /// Failed attempts at the current change.
    pub attempts: u32,
    /// Time of the next attempt, or of the deletion, in seconds since 1970.
    pub next_attempt: Option<i64>,
    /// Id of the linked account.
    pub account: Option<String>,
    /// The state last applied to the account.
    pub applied: Option<AppliedExplanation>,
}

/// The state last applied to an account.
#[derive(Debug, Serialize)]
pub struct AppliedExplanation {
    /// The user name.
    pub user_name: Option<String>,
    /// Whether the account was left active.
    pub active: bool,
    /// Whether it equals the desired user of the record.
    pub as_recorded: bool,
}

/// The account at the target.
#[derive(Debug, Serialize)]
pub struct AccountState {
    /// The id.
    pub id: String,
    /// Whether the account is active.
    pub active: bool,
    /// Attributes that differ from the desired user.
    pub differs: Vec<ShownDifference>,
}

/// An attribute in which the account differs.
#[derive(Debug, Serialize)]
pub struct ShownDifference {
    /// The attribute.
    pub attribute: String,
    /// The value of the account.
    pub from: Option<String>,
    /// The desired value.
    pub to: Option<String>,
}

/// One attribute on all sides. An empty value and a missing side are `None`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct AttributeComparison {
    /// The attribute.
    pub attribute: String,
    /// The value that the mapping makes of the entry now.
    pub directory: Option<String>,
    /// The value that the last scan recorded.
    pub recorded: Option<String>,
    /// The value of the account.
    pub account: Option<String>,
}

/// Explains the account of one user. `entry` is `None` if the directory was not read; then the record counts.
pub async fn explain_account(
    context: &AccountContext<'_>,
    record: Option<&UserRecord>,
    entry: Option<&EntryState>,
) -> Result<AccountExplanation, StoreError> {
    let AccountContext { policy, store, clock, .. } = *context;
    let mask = ValueMask::of(&policy.rules.mapping);
    let recorded = record.and_then(|record| record.desired.as_ref());
    let in_directory = match entry {
        Some(entry) => entry.desired.as_ref(),
        None => recorded,
    };
    let mut explanation = AccountExplanation {
        record: record.map(|record| explain_record(&mask, record)),
        ..Default::default()
    };
    if let Some(record) = record {
        explanation.history = store.fetch_history(record.anchor.hash(), None, EVENTS).await?;
    }
    let desired = in_directory.or(recorded);
    let left_scope = entry.is_some_and(|entry| !entry.in_scope);
    let mut seen = None;
    if left_scope && desired.is_some_and(|desired| desired.deprovision_reason().is_none()) {
        explanation.would =
            vec!["wait for a full scan: it decides whether the account is removed".to_owned()];
    } else if let Some(desired) = desired {
        seen = explain_decision(context, &mut explanation, &mask, (record, desired)).await?;
    }
    let account = seen.as_ref().and_then(|preview| preview.account.as_ref());
    explanation.attributes = mask.compare(in_directory, recorded, account);
    let sources = WaitSources {
        memory: &store.fetch_connection().await?.memory,
        breaker: store.fetch_breaker().await?,
        configuration: policy.fingerprint,
        now: clock(),
    };
    let updates_account = entry.is_some_and(|entry| entry.updates_account);
    let decision = seen.as_ref().and_then(|preview| preview.decisions.last());
    explanation.waits = sources.waits(record, decision, updates_account);
    Ok(explanation)
}

/// Status of a user in one phrase, for the headline of an explanation.
pub fn describe_status(record: Option<&RecordExplanation>) -> String {
    match record {
        None => "not scanned yet".to_owned(),
        Some(RecordExplanation { status: "in_sync", .. }) => "nothing is left to do".to_owned(),
        Some(RecordExplanation { status, why: Some(why), .. }) => format!("{status}: {why}"),
        Some(RecordExplanation { status, .. }) => (*status).to_owned(),
    }
}

/// Reads the account and decides, as provisioning would.
async fn explain_decision(
    context: &AccountContext<'_>,
    explanation: &mut AccountExplanation,
    mask: &ValueMask,
    (record, desired): (Option<&UserRecord>, &Desired),
) -> Result<Option<Preview>, StoreError> {
    let AccountContext { policy, store, target, clock } = *context;
    let is_over = |record: &UserRecord| {
        matches!(record.status, Status::PendingDeletion { .. }) && record.next_attempt <= clock()
    };
    let look = PreviewSubject {
        record,
        desired,
        removal_released: record.is_some_and(|record| record.removal_released),
        deletion_due: policy.options.delete_after_days.is_some() && record.is_some_and(is_over),
    };
    match preview(store, target, &policy.options, look).await? {
        Err(error) => {
            explanation.target_error = Some(error.to_string());
            Ok(None)
        }
        Ok(preview) => {
            explanation.would = match &preview.conflict {
                Some(owner) => vec![format!("nothing: the account belongs to another entry ({owner})")],
                None => preview.decisions.iter().map(describe_decision).collect(),
            };
            explanation.account =
                preview.account.as_ref().map(|account| mask.account(account, &preview.decisions));
            Ok(Some(preview))
        }
    }
}

fn explain_record(mask: &ValueMask, record: &UserRecord) -> RecordExplanation {
    let applied = record.link.as_ref().and_then(|link| link.applied.as_ref());
    RecordExplanation {
        anchor: record.anchor.to_string(),
        status: record.status.word(),
        why: record.status.detail(),
        version: record.version.0,
        says: record.desired.as_ref().map(|desired| match desired {
            Desired::Present(user) if user.active => "active",
            Desired::Present(_) => "inactive",
            Desired::Absent { .. } => "absent",
        }),
        attempts: record.attempts,
        next_attempt: match record.status {
            Status::Retrying { .. } | Status::PendingDeletion { .. } => Some(record.next_attempt.0),
            _ => None,
        },
        account: record.link.as_ref().map(|link| link.account.to_string()),
        applied: applied.map(|applied| AppliedExplanation {
            user_name: applied.user_name.as_ref().map(|name| mask.name(name)),
            active: applied.active,
            as_recorded: match &record.desired {
                Some(Desired::Present(user)) => user.update_fingerprint() == applied.fingerprint,
                Some(Desired::Absent { .. }) => !applied.active,
                None => false,
            },
        }),
    }
}

fn describe_decision(decision: &Decision) -> String {
    match decision {
        Decision::Nothing => "nothing".to_owned(),
        Decision::Create => "create an account".to_owned(),
        Decision::Link => "link the existing account".to_owned(),
        Decision::Update(found) => {
            let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
            format!("update {}", names.join(", "))
        }
        Decision::Deactivate(reason) => format!("deactivate the account: {reason}"),
        Decision::Delete(reason) => format!("delete the account: {reason}"),
        Decision::AwaitSafeguard(reason) => format!("wait for the safeguard of a scan: {reason}"),
        Decision::Skipped(option) => format!("nothing: {option}"),
    }
}
