//! Explanation of one user: entry, record, account, waits, and what provisioning would do. Nothing is written.
//!
//! The terminal explains both sides itself. Deployed, the scan function reads the entry and the provision function explains the
//! account, because neither can reach the other's server.

use std::collections::{BTreeMap, BTreeSet};

use directory::Directory;
use model::{
    Account, Anchor, Desired, DesiredUser, Managed, Status, TargetAttribute, UnixSeconds, UserRecord, Value,
};
use plan::{Decision, Policy};
use provision::{Preview, PreviewSubject};
use queue::EntryState;
use scan::{ScanError, UserLookup, look_up};
use scim::Target;
use serde::{Deserialize, Serialize};
use store::{HistoryEvent, StoreError};

use crate::OperatorContext;
use crate::explain_entry::EntryExplanation;
use crate::item::ReportItem;
use crate::mask::ValueMask;
use crate::waits::{Wait, WaitSources};

/// Number of history events in an explanation.
const EVENTS: usize = 10;

/// All facts about one user.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The explanation in one sentence.
    pub verdict: String,
    /// Anchors of the matching entries, where several match.
    pub several: Vec<String>,
    /// The entry in the directory.
    pub entry: Option<EntryExplanation>,
    /// Record, account and decision.
    #[serde(flatten)]
    pub account: AccountExplanation,
}

/// The account side of an explanation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AccountExplanation {
    /// The stored record.
    pub record: Option<RecordExplanation>,
    /// The account at the target.
    pub account: Option<AccountSummary>,
    /// Managed attributes: directory, record and account side by side.
    pub attributes: Vec<AttributeComparison>,
    /// Reasons why something waits or is not done.
    pub waits: Vec<Wait>,
    /// Actions that provisioning would perform now, in order.
    pub would: Vec<ReportItem>,
    /// The target's error, if the account could not be read.
    pub target_error: Option<String>,
    /// Actions so far, newest first.
    pub history: Vec<HistoryEvent>,
}

/// The stored record.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordExplanation {
    /// The immutable id.
    pub anchor: String,
    /// The status, in a word.
    pub status: String,
    /// The reason for the status.
    pub why: Option<String>,
    /// The scan that last wrote the record.
    pub version: u64,
    /// The desired state: `active`, `inactive` or `absent`; `None` if the entry was never valid.
    pub desired: Option<String>,
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
#[derive(Debug, Serialize, Deserialize)]
pub struct AppliedExplanation {
    /// The user name.
    pub user_name: Option<String>,
    /// Whether the account was left active.
    pub active: bool,
    /// Whether it equals the desired user of the record.
    pub as_recorded: bool,
}

/// The account at the target.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountSummary {
    /// The id.
    pub id: String,
    /// Whether the account is active.
    pub active: bool,
}

/// One attribute on all sides. An empty value and a missing side are `None`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why a user cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The directory or the state can't be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Explains one user, named by anchor, DN, user name or e-mail address.
pub async fn explain(
    context: &OperatorContext<'_>,
    directory: &mut Directory,
    target: &Target,
    user: &str,
) -> Result<Explanation, ExplainError> {
    // Boxed, because the futures of a whole explanation are large for a thread's stack.
    let lookup = Box::pin(look_up(&context.scan(), directory, user)).await?;
    let account = match lookup.anchor() {
        None => None,
        Some(anchor) => {
            let subject =
                AccountSubject { anchor, record: lookup.record(), entry: Some(&lookup.entry_state()) };
            Some(Box::pin(explain_account(context, target, &subject)).await?)
        }
    };
    Ok(Explanation::new(context.policy, (context.clock)(), &lookup, account))
}

impl Explanation {
    /// Joins both sides. The account side is `None` where no user was found.
    pub fn new(
        policy: &Policy,
        now: UnixSeconds,
        lookup: &UserLookup,
        account: Option<AccountExplanation>,
    ) -> Self {
        let (entry, several) = match lookup {
            UserLookup::None(_) => (None, Vec::new()),
            UserLookup::Several(anchors) => (None, anchors.iter().map(ToString::to_string).collect()),
            UserLookup::One(lookup) => (Some(EntryExplanation::of(policy, lookup, now)), Vec::new()),
        };
        let verdict = match &account {
            _ if !several.is_empty() => "several entries match; name one by its anchor".to_owned(),
            None => "the directory has no such entry, and the state has no such user".to_owned(),
            Some(account) => {
                let entry = entry.as_ref().map_or("not in the directory", EntryExplanation::verdict);
                format!(
                    "{entry}; {}",
                    account.record.as_ref().map_or("not scanned yet".to_owned(), status_phrase)
                )
            }
        };
        Self { verdict, several, entry, account: account.unwrap_or_default() }
    }

    /// Anchor of the entry, or of the record where there is no entry.
    pub fn anchor(&self) -> Option<&str> {
        let entry = self.entry.as_ref().map(|entry| entry.anchor.as_str());
        entry.or(self.account.record.as_ref().map(|record| record.anchor.as_str()))
    }
}

fn status_phrase(record: &RecordExplanation) -> String {
    match (&*record.status, &record.why) {
        ("in_sync", _) => "nothing is left to do".to_owned(),
        (status, Some(why)) => format!("{status}: {why}"),
        (status, None) => status.to_owned(),
    }
}

/// The user whose account is explained.
#[derive(Clone, Copy, Debug)]
pub struct AccountSubject<'a> {
    /// The user's anchor.
    pub anchor: &'a Anchor,
    /// The stored record.
    pub record: Option<&'a UserRecord>,
    /// The entry; `None` if the directory was not read, and then the record counts.
    pub entry: Option<&'a EntryState>,
}

/// Explains the account of one user.
pub async fn explain_account(
    context: &OperatorContext<'_>,
    target: &Target,
    subject: &AccountSubject<'_>,
) -> Result<AccountExplanation, StoreError> {
    let OperatorContext { policy, store, clock, .. } = *context;
    let AccountSubject { record, entry, .. } = *subject;
    let mask = context.mask();
    let recorded = record.and_then(|record| record.desired.as_ref());
    let in_directory = entry.map_or(recorded, |entry| entry.desired.as_ref());
    let DecisionPreview { preview, would, target_error } = match in_directory.or(recorded) {
        Some(desired) => preview_decision(context, target, subject, desired).await?,
        None => DecisionPreview::default(),
    };
    let account = preview.as_ref().and_then(|preview| preview.account.as_ref());
    let sources = WaitSources {
        memory: &store.fetch_connection().await?.memory,
        breaker: store.fetch_breaker().await?,
        configuration: policy.fingerprint,
        now: clock(),
    };
    let skipped = preview.as_ref().and_then(|preview| match preview.decisions.last() {
        Some(Decision::Skipped(option)) => Some(*option),
        _ => None,
    });
    let updates_account = entry.is_some_and(|entry| entry.updates_account);
    Ok(AccountExplanation {
        record: record.map(|record| explain_record(&mask, record)),
        account: account.map(|account| AccountSummary { id: account.id.to_string(), active: account.active }),
        attributes: compare(&mask, [in_directory.map(desired_values), recorded.map(desired_values)], account),
        waits: sources.waits(record, skipped, updates_account),
        would,
        target_error,
        history: match record {
            Some(record) => store.fetch_history(record.anchor.hash(), None, EVENTS).await?,
            None => Vec::new(),
        },
    })
}

/// What provisioning would do.
#[derive(Default)]
struct DecisionPreview {
    preview: Option<Preview>,
    would: Vec<ReportItem>,
    target_error: Option<String>,
}

async fn preview_decision(
    context: &OperatorContext<'_>,
    target: &Target,
    subject: &AccountSubject<'_>,
    desired: &Desired,
) -> Result<DecisionPreview, StoreError> {
    let OperatorContext { policy, store, clock, .. } = *context;
    let AccountSubject { anchor, record, entry } = *subject;
    let (mask, user) = (context.mask(), (anchor, desired.user_name()));
    let left_scope = entry.is_some_and(|entry| !entry.in_scope);
    if left_scope && desired.deprovision_reason().is_none() {
        let why = "a full scan decides whether the account is removed";
        return Ok(DecisionPreview {
            would: vec![mask.item(user, "held", why)],
            ..DecisionPreview::default()
        });
    }
    let is_over = |record: &UserRecord| {
        matches!(record.status, Status::PendingDeletion { .. }) && record.next_attempt <= clock()
    };
    let subject = PreviewSubject {
        record,
        desired,
        removal_released: record.is_some_and(|record| record.removal_released),
        deletion_due: policy.options.delete_after_days.is_some() && record.is_some_and(is_over),
    };
    let preview = match provision::preview(store, target, &policy.options, subject).await? {
        Ok(preview) => preview,
        Err(error) => {
            return Ok(DecisionPreview {
                target_error: Some(error.to_string()),
                ..DecisionPreview::default()
            });
        }
    };
    let would = match &preview.conflict {
        Some(owner) => {
            let why = format!("the account belongs to another entry ({owner})");
            vec![mask.item(user, "conflict", why)]
        }
        None => {
            let decisions = preview.decisions.iter();
            decisions.filter_map(|decision| mask.decision(anchor, desired, decision)).collect()
        }
    };
    Ok(DecisionPreview { preview: Some(preview), would, target_error: None })
}

fn explain_record(mask: &ValueMask, record: &UserRecord) -> RecordExplanation {
    let applied = record.link.as_ref().and_then(|link| link.applied.as_ref());
    let name = |name| mask.text(&"userName".into(), &Value::Text(name));
    RecordExplanation {
        anchor: record.anchor.to_string(),
        status: record.status.word().to_owned(),
        why: record.status.detail(),
        version: record.version.0,
        desired: record.desired.as_ref().map(|desired| match desired {
            Desired::Present(user) if user.active => "active".to_owned(),
            Desired::Present(_) => "inactive".to_owned(),
            Desired::Absent { .. } => "absent".to_owned(),
        }),
        attempts: record.attempts,
        next_attempt: match record.status {
            Status::Retrying { .. } | Status::PendingDeletion { .. } => Some(record.next_attempt.0),
            _ => None,
        },
        account: record.link.as_ref().map(|link| link.account.to_string()),
        applied: applied.map(|applied| AppliedExplanation {
            user_name: applied.user_name.as_ref().map(|user_name| name(user_name.to_string())),
            active: applied.active,
            as_recorded: match &record.desired {
                Some(Desired::Present(user)) => user.update_fingerprint() == applied.fingerprint,
                Some(Desired::Absent { .. }) => !applied.active,
                None => false,
            },
        }),
    }
}

type AttributeValues = BTreeMap<TargetAttribute, Value>;

/// Compares every managed attribute of the directory, the record and the account.
fn compare(
    mask: &ValueMask,
    desired: [Option<AttributeValues>; 2],
    account: Option<&Account>,
) -> Vec<AttributeComparison> {
    let [directory, recorded] = desired.map(Option::unwrap_or_default);
    let account = account.map(|account| {
        let name = account.user_name.clone().map(Value::Text);
        with_core(account.attributes.clone(), name, account.active)
    });
    let account = account.unwrap_or_default();
    let managed: BTreeSet<&TargetAttribute> = directory.keys().chain(recorded.keys()).collect();
    let comparison = |attribute: &TargetAttribute| {
        let text = |side: &AttributeValues| side.get(attribute).map(|value| mask.text(attribute, value));
        AttributeComparison {
            attribute: attribute.to_string(),
            directory: text(&directory),
            recorded: text(&recorded),
            account: text(&account),
        }
    };
    managed.into_iter().map(comparison).collect()
}

/// Managed attributes of a present user. A cleared attribute has no value.
fn desired_values(desired: &Desired) -> AttributeValues {
    let Desired::Present(user) = desired else { return AttributeValues::new() };
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let set = attributes.iter().filter_map(|(attribute, managed)| match managed {
        Managed::Set(value) => Some((attribute.clone(), value.clone())),
        Managed::Clear => None,
    });
    with_core(set.collect(), Some(Value::Text(user_name.to_string())), *active)
}

fn with_core(mut values: AttributeValues, name: Option<Value>, active: bool) -> AttributeValues {
    values.extend(name.map(|name| ("userName".into(), name)));
    values.insert("active".into(), Value::Boolean(active));
    values
}
