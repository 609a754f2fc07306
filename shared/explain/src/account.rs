//! Explanation of the account of one user: record, account, waits, and what provisioning would do.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Account, AccountMatch, Anchor, DeprovisionReason, Desired, DesiredUser, Managed, Options, RemoveAction,
    Status, TargetAttribute, UnixSeconds, UserRecord, Value,
};
use plan::Decision;
use provision::{Preview, PreviewSubject};
use queue::EntryState;
use scim::{Target, TargetError};
use store::{Store, StoreError};

use crate::explanation::{
    AccountExplanation, AccountSummary, AppliedExplanation, AttributeComparison, RecordExplanation, SideValue,
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
    let AccountContext { options, mask, store, clock, .. } = *context;
    let AccountSubject { anchor, record, entry } = *subject;
    let recorded = record.and_then(|record| record.desired.as_ref());
    let removal =
        record.zip(entry.and_then(|entry| entry.left)).map(|(record, reason)| absent(record, reason));
    let in_directory = match (&removal, entry) {
        (Some(removal), _) => Some(removal),
        (None, Some(entry)) => entry.desired.as_ref(),
        (None, None) => recorded,
    };
    let (mut preview, mut would, mut target_error) = (None, Vec::new(), None);
    if let Some(desired) = in_directory.or(recorded) {
        // Boxed, because the nested future types exceed a limit of the compiler.
        match Box::pin(preview_decision(context, record, desired)).await? {
            Ok(mut decided) => {
                decided.decisions.iter_mut().for_each(|decision| name_removal(decision, options));
                would = mask.preview(anchor, desired, &decided);
                preview = Some(decided);
            }
            Err(error) => target_error = Some(error.to_string()),
        }
    }
    let account = preview.as_ref().and_then(|preview| preview.account.as_ref());
    let matched = preview.as_ref().map(|preview| preview.matched).unwrap_or_default();
    let sources = WaitSources {
        memory: &store.fetch_connection().await?.memory,
        breaker: store.fetch_breaker().await?,
        options,
        now: clock(),
    };
    let skipped = preview.as_ref().and_then(|preview| match preview.decisions.last() {
        Some(Decision::Skipped(option)) => Some(*option),
        _ => None,
    });
    let planned = entry.and_then(|entry| entry.update.as_ref());
    let resolved = preview.as_ref().map(|preview| &preview.resolved);
    let references = ResolvedReferences::of(in_directory.or(recorded), resolved);
    let sides = [
        match entry {
            Some(_) => references.apply(ComparedSide::desired(in_directory)),
            None => ComparedSide::NotRead,
        },
        references.apply(ComparedSide::desired(recorded)),
        ComparedSide::account(account, matched),
    ];
    Ok(AccountExplanation {
        record: record.map(|record| explain_record(mask, record)),
        matched,
        account: account.map(AccountSummary::of),
        attributes: compare(mask, sides),
        waits: sources.waits(record, skipped, planned),
        would,
        target_error,
        history: match record {
            Some(record) => store.fetch_history(record.anchor.hash(), None, EVENTS).await?,
            None => Vec::new(),
        },
    })
}

impl AccountSummary {
    /// The account in short.
    pub fn of(account: &Account) -> Self {
        Self { id: account.id.to_string(), active: account.may_be_active() }
    }
}

/// What the directory says about a user without an entry in scope.
fn absent(record: &UserRecord, reason: DeprovisionReason) -> Desired {
    Desired::Absent { user_name: record.user_name().cloned(), reason }
}

/// Names the action that a removal amounts to; that it needs the safeguard is a wait.
fn name_removal(decision: &mut Decision, options: &Options) {
    if let Decision::AwaitSafeguard(reason) = *decision {
        *decision = match options.removal(reason) {
            RemoveAction::Disable => Decision::Deactivate(reason),
            RemoveAction::Delete => Decision::Delete(reason),
        };
    }
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

/// One side of the comparison.
enum ComparedSide {
    NotRead,
    NoUser,
    Values(AttributeValues),
}

impl ComparedSide {
    fn desired(desired: Option<&Desired>) -> Self {
        match desired {
            Some(Desired::Present(user)) => Self::Values(desired_values(user)),
            Some(Desired::Absent { .. }) | None => Self::NoUser,
        }
    }

    fn account(account: Option<&Account>, matched: AccountMatch) -> Self {
        match (account, matched) {
            (_, AccountMatch::NotRead) => Self::NotRead,
            (None, _) => Self::NoUser,
            (Some(account), _) => Self::Values(account_values(account)),
        }
    }

    fn attributes(&self) -> impl Iterator<Item = &TargetAttribute> {
        let values = if let Self::Values(values) = self { Some(values) } else { None };
        values.into_iter().flat_map(BTreeMap::keys)
    }

    fn value(&self, mask: &ValueMask, attribute: &TargetAttribute) -> SideValue {
        match self {
            Self::NotRead => SideValue::NotRead,
            Self::NoUser => SideValue::NoUser,
            Self::Values(values) => match values.get(attribute) {
                Some(Value::Reference(_)) => SideValue::Reference,
                value => SideValue::Read(value.map(|value| mask.text(attribute, value))),
            },
        }
    }
}

/// References to other users, with the accounts in their place.
struct ResolvedReferences(Vec<(TargetAttribute, Value, Value)>);

impl ResolvedReferences {
    fn of(desired: Option<&Desired>, resolved: Option<&Desired>) -> Self {
        let (Some(Desired::Present(desired)), Some(Desired::Present(resolved))) = (desired, resolved) else {
            return Self(Vec::new());
        };
        let (references, mut accounts) = (desired_values(desired), desired_values(resolved));
        let pair = |(attribute, reference): (TargetAttribute, Value)| {
            let account = accounts.remove(&attribute).filter(|account| *account != reference)?;
            Some((attribute, reference, account))
        };
        Self(references.into_iter().filter_map(pair).collect())
    }

    /// The side as the target would show it. A reference to a user without an account stays.
    fn apply(&self, mut side: ComparedSide) -> ComparedSide {
        if let ComparedSide::Values(values) = &mut side {
            for (attribute, reference, account) in &self.0 {
                if let Some(value) = values.get_mut(attribute).filter(|value| *value == reference) {
                    *value = account.clone();
                }
            }
        }
        side
    }
}

/// Compares every managed attribute of the directory, the record and the account.
fn compare(mask: &ValueMask, sides: [ComparedSide; 3]) -> Vec<AttributeComparison> {
    let managed: BTreeSet<&TargetAttribute> =
        sides.iter().take(2).flat_map(ComparedSide::attributes).collect();
    let comparison = |attribute: &TargetAttribute| {
        let values = sides.each_ref().map(|side| side.value(mask, attribute));
        AttributeComparison::of(attribute.to_string(), values)
    };
    managed.into_iter().map(comparison).collect()
}

fn account_values(account: &Account) -> AttributeValues {
    let name = account.user_name.clone().map(Value::Text);
    with_core(account.attributes.clone(), name, account.active)
}

/// Managed attributes of a present user. A cleared attribute has no value.
fn desired_values(user: &DesiredUser) -> AttributeValues {
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
