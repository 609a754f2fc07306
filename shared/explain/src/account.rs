//! Explanation of the account of one user: record, account, waits, and what provisioning would do.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Account, Anchor, Desired, DesiredUser, Managed, Options, Status, TargetAttribute, UnixSeconds,
    UserRecord, Value,
};
use plan::Decision;
use provision::{Preview, PreviewSubject};
use queue::EntryState;
use scim::{Target, TargetError};
use store::{Store, StoreError};

use crate::explanation::{
    AccountExplanation, AccountSummary, AppliedExplanation, AttributeComparison, RecordExplanation,
};
use crate::mask::ValueMask;
use crate::waits::WaitSources;

/// Number of history events in an explanation.
const EVENTS: usize = 10;

/// The user of an explanation.
#[derive(Clone, Copy, Debug)]
pub struct AccountSubject<'a> {
    /// The user's anchor.
    pub anchor: &'a Anchor,
    /// The stored record.
    pub record: Option<&'a UserRecord>,
    /// The entry; `None` if the directory was not read, and then the record counts.
    pub entry: Option<&'a EntryState>,
}

/// What the account side of an explanation is made from.
#[derive(Clone, Copy)]
pub struct AccountContext<'a> {
    /// Capabilities that are on.
    pub options: &'a Options,
    /// Target attributes with masked values.
    pub mask: &'a ValueMask,
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// The current time.
    pub clock: fn() -> UnixSeconds,
}

/// Explains the account of one user. Nothing is written.
pub async fn explain_account(
    context: &AccountContext<'_>,
    subject: &AccountSubject<'_>,
) -> Result<AccountExplanation, StoreError> {
    let AccountContext { mask, store, clock, .. } = *context;
    let AccountSubject { anchor, record, entry } = *subject;
    let recorded = record.and_then(|record| record.desired.as_ref());
    let in_directory = entry.map_or(recorded, |entry| entry.desired.as_ref());
    let desired = in_directory.or(recorded);
    let left_scope = entry.is_some_and(|entry| !entry.in_scope)
        && desired.is_some_and(|desired| desired.deprovision_reason().is_none());
    let (mut preview, mut would, mut target_error) = (None, Vec::new(), None);
    match desired {
        None => {}
        Some(desired) if left_scope => {
            let why = "a full scan decides whether the account is removed";
            would.push(mask.item((anchor, desired.user_name()), "held", why));
        }
        // Boxed, because the nested future types exceed a limit of the compiler.
        Some(desired) => match Box::pin(preview_decision(context, record, desired)).await? {
            Ok(decided) => {
                would = mask.preview(anchor, desired, &decided);
                preview = Some(decided);
            }
            Err(error) => target_error = Some(error.to_string()),
        },
    }
    let account = preview.as_ref().and_then(|preview| preview.account.as_ref());
    let sources = WaitSources {
        memory: &store.fetch_connection().await?.memory,
        breaker: store.fetch_breaker().await?,
        now: clock(),
    };
    let skipped = preview.as_ref().and_then(|preview| match preview.decisions.last() {
        Some(Decision::Skipped(option)) => Some(*option),
        _ => None,
    });
    let planned = entry.and_then(|entry| entry.update.as_ref());
    Ok(AccountExplanation {
        record: record.map(|record| explain_record(mask, record)),
        account: account
            .map(|account| AccountSummary { id: account.id.to_string(), active: account.may_be_active() }),
        attributes: compare(
            mask,
            [
                in_directory.map(desired_values).unwrap_or_default(),
                recorded.map(desired_values).unwrap_or_default(),
                account.map(account_values).unwrap_or_default(),
            ],
        ),
        waits: sources.waits(record, skipped, planned),
        would,
        target_error,
        history: match record {
            Some(record) => store.fetch_history(record.anchor.hash(), None, EVENTS).await?,
            None => Vec::new(),
        },
    })
}

/// Decides as provisioning would, without a write.
async fn preview_decision(
    context: &AccountContext<'_>,
    record: Option<&UserRecord>,
    desired: &Desired,
) -> Result<Result<Preview, TargetError>, StoreError> {
    let AccountContext { options, store, target, clock, .. } = *context;
    let is_over = |record: &UserRecord| {
        matches!(record.status, Status::PendingDeletion { .. }) && record.next_attempt <= clock()
    };
    let subject = PreviewSubject {
        record,
        desired,
        removal_released: record.is_some_and(|record| record.removal_released),
        deletion_due: options.delete_after_days.is_some() && record.is_some_and(is_over),
    };
    provision::preview(store, target, options, subject).await
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
fn compare(mask: &ValueMask, sides: [AttributeValues; 3]) -> Vec<AttributeComparison> {
    let managed: BTreeSet<&TargetAttribute> = sides.iter().take(2).flat_map(BTreeMap::keys).collect();
    let comparison = |attribute: &TargetAttribute| {
        let text = |side: &AttributeValues| side.get(attribute).map(|value| mask.text(attribute, value));
        let [directory, recorded, account] = sides.each_ref().map(text);
        AttributeComparison { attribute: attribute.to_string(), directory, recorded, account }
    };
    managed.into_iter().map(comparison).collect()
}

fn account_values(account: &Account) -> AttributeValues {
    let name = account.user_name.clone().map(Value::Text);
    with_core(account.attributes.clone(), name, account.active)
}

/// Managed attributes of a present user. A cleared attribute has no value.
fn desired_values(desired: &Desired) -> AttributeValues {
    let Desired::Present(user) = desired else { return AttributeValues::new() };
    let DesiredUser { user_name, active, attributes, create_only: _ } = user;
    let set = attributes.iter().filter_map(|(attribute, managed)| match managed {
        Managed::Set(value) => Some((attribute.clone(), value.clone())),
        Managed::Clear => None,
    });
    with_core(set.collect(), Some(Value::Text(user_name.to_string())), Some(*active))
}

fn with_core(mut values: AttributeValues, name: Option<Value>, active: Option<bool>) -> AttributeValues {
    values.extend(name.map(|name| ("userName".into(), name)));
    values.extend(active.map(|active| ("active".into(), Value::Boolean(active))));
    values
}
