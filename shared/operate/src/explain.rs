//! Why a user is as they are, and what would be done: everything that is known about one person, in one answer.

mod masks;
mod waits;

use directory::Directory;
use model::{Desired, Status, UnixSeconds, UserRecord};
use plan::Policy;
use plan::{Decision, explain_observation};
use scan::{Found, ScanContext, ScanError, Sighted, look_up};
use scim::Target;
use store::{Store, StoreError};

use self::masks::Masks;
use self::waits::{Waiting, waits};
use crate::explanation::{AppliedPart, EntryPart, Explanation, RecordPart};
use provision::{Look, preview};

/// How many events of the history are shown.
const EVENTS: usize = 10;

/// What an explanation is made from.
#[derive(Clone, Copy)]
pub struct Explaining<'a> {
    /// What the administrator configured.
    pub policy: &'a Policy,
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

/// Why somebody can't be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The directory or the state can't be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Explains one user, named by anchor, DN, user name or e-mail address. Nothing is written.
pub async fn explain(
    with: &Explaining<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Explanation, ExplainError> {
    // On the heap: all that is asked for one answer is much for a thread's stack.
    Box::pin(tell(with, directory, user)).await
}

async fn tell(
    with: &Explaining<'_>,
    directory: &mut Directory,
    user: &str,
) -> Result<Explanation, ExplainError> {
    let Explaining { policy, store, clock, .. } = *with;
    let context = ScanContext { policy, store, queue: None, owner: "explain", stop_at: None, clock };
    let (sighted, record) = match look_up(&context, directory, user).await? {
        Found::Several(anchors) => {
            return Ok(Explanation {
                verdict: "several entries match; name one by its anchor".to_owned(),
                several: anchors.iter().map(ToString::to_string).collect(),
                ..Explanation::default()
            });
        }
        Found::Nobody(None) => {
            return Ok(Explanation {
                verdict: "the directory has no such entry, and nothing is remembered of one".to_owned(),
                ..Explanation::default()
            });
        }
        Found::Nobody(Some(record)) => (None, Some(*record)),
        Found::One(sighted) => {
            let record = sighted.record.clone();
            (Some(sighted), record)
        }
    };
    explain_one(with, sighted.as_deref(), record.as_ref()).await
}

async fn explain_one(
    with: &Explaining<'_>,
    sighted: Option<&Sighted>,
    record: Option<&UserRecord>,
) -> Result<Explanation, ExplainError> {
    let Explaining { policy, store, clock, .. } = *with;
    let now = clock();
    let masks = Masks::of(&policy.rules.mapping);
    let recorded = record.and_then(|record| record.desired.as_ref());
    let in_directory = sighted.and_then(Sighted::desired);
    let desired = in_directory.or(recorded);
    let mut told = Explanation {
        entry: sighted.map(|sighted| entry_part(&masks, policy, sighted, now)),
        record: record.map(|record| record_part(&masks, record)),
        ..Explanation::default()
    };
    if let Some(record) = record {
        told.history = store.fetch_history(record.anchor.hash(), EVENTS).await?;
    }
    let mut seen = None;
    let is_out = sighted.is_none_or(|sighted| !sighted.scope.in_scope);
    if is_out && desired.is_some_and(|desired| desired.deprovision_reason().is_none()) {
        told.would = vec!["wait for a scan of everybody: it decides whether the account goes".to_owned()];
    } else if let Some(desired) = desired {
        seen = look_at_account(with, &mut told, &masks, record, desired).await?;
    }
    let account = seen.as_ref().and_then(|preview| preview.account.as_ref());
    told.attributes = masks.beside(in_directory, recorded, account);
    let waiting = Waiting {
        memory: &store.fetch_connection().await?.memory,
        breaker: store.fetch_breaker().await?,
        configuration: policy.fingerprint,
        now,
    };
    told.waits = waits(&waiting, sighted, record, seen.as_ref());
    told.verdict = verdict(&told, record);
    Ok(told)
}

/// What the account is, and what would be done to it.
async fn look_at_account(
    with: &Explaining<'_>,
    told: &mut Explanation,
    masks: &Masks,
    record: Option<&UserRecord>,
    desired: &Desired,
) -> Result<Option<provision::Preview>, ExplainError> {
    let Explaining { policy, store, target, clock } = *with;
    let is_over = |record: &UserRecord| {
        matches!(record.status, Status::PendingDeletion { .. }) && record.next_attempt <= clock()
    };
    let look = Look {
        record,
        desired,
        removal_released: record.is_some_and(|record| record.removal_released),
        deletion_due: policy.options.delete_after_days.is_some() && record.is_some_and(is_over),
    };
    match preview(store, target, &policy.options, look).await? {
        Err(error) => {
            told.target_error = Some(error.to_string());
            Ok(None)
        }
        Ok(preview) => {
            told.would = preview.decisions.iter().map(said).collect();
            if let Some(with) = &preview.conflict {
                told.would = vec![format!("nothing: the account belongs to another entry ({with})")];
            }
            told.account = preview.account.as_ref().map(|account| masks.account(account, &preview.decisions));
            Ok(Some(preview))
        }
    }
}

fn verdict(told: &Explanation, record: Option<&UserRecord>) -> String {
    let place = match &told.entry {
        None => "not in the directory",
        Some(entry) if !entry.in_scope => "in the directory, but out of scope",
        Some(EntryPart { says: "invalid", .. }) => "in scope, but the mapping can make no user of the entry",
        Some(EntryPart { says: "disabled", .. }) => "in scope and disabled",
        Some(_) => "in scope",
    };
    let stands = match record.map(|record| &record.status) {
        None => "not looked at by a scan yet".to_owned(),
        Some(Status::InSync) => "nothing is left to do".to_owned(),
        Some(status) => match status.detail() {
            Some(why) => format!("{}: {why}", status.word()),
            None => status.word().to_owned(),
        },
    };
    format!("{place}; {stands}")
}

fn entry_part(masks: &Masks, policy: &Policy, sighted: &Sighted, now: UnixSeconds) -> EntryPart {
    let Sighted { entry, scope, observation, .. } = sighted;
    let explained = explain_observation(&policy.rules, &entry.attributes, now);
    let (says, problem) = match observation {
        plan::Observation::Valid(Desired::Present(user)) => {
            (if user.active { "active" } else { "inactive" }, None)
        }
        plan::Observation::Valid(Desired::Absent { .. }) => ("disabled", None),
        plan::Observation::Invalid(problem) => ("invalid", Some(problem.clone())),
    };
    EntryPart {
        anchor: entry.anchor.to_string(),
        dn: masks.dn(entry),
        in_scope: scope.in_scope,
        scope: scope.conditions.clone(),
        says,
        problem,
        status: explained.status,
        expiry: explained.expiry,
        mapping: explained.mapping,
    }
}

fn record_part(masks: &Masks, record: &UserRecord) -> RecordPart {
    let applied = record.link.as_ref().and_then(|link| link.applied.as_ref());
    RecordPart {
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
        applied: applied.map(|applied| AppliedPart {
            user_name: applied.user_name.as_ref().map(|name| masks.name(name)),
            active: applied.active,
            as_recorded: match &record.desired {
                Some(Desired::Present(user)) => user.update_fingerprint() == applied.fingerprint,
                Some(Desired::Absent { .. }) => !applied.active,
                None => false,
            },
        }),
    }
}

fn said(decision: &Decision) -> String {
    match decision {
        Decision::Nothing => "nothing".to_owned(),
        Decision::Create => "create an account".to_owned(),
        Decision::Link => "link the account that is there".to_owned(),
        Decision::Update(found) => {
            let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
            format!("update {}", names.join(", "))
        }
        Decision::Deactivate(reason) => format!("make the account inactive: {reason}"),
        Decision::Delete(reason) => format!("delete the account: {reason}"),
        Decision::AwaitSafeguard(reason) => format!("wait for a scan's safety check: {reason}"),
        Decision::Skipped(by) => format!("nothing: {by}"),
    }
}
