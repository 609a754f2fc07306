//! Why a user is as they are, and what would be done: everything that is known about one person, in one answer.

use directory::Directory;
use model::{
    Account, Desired, DesiredUser, Managed, Status, TargetAttribute, UnixSeconds, UserRecord, Value,
};
use plan::{Decision, Difference, Observation};
use runtime::Connection;
use scan::{Found, ScanContext, ScanError, look_up};
use serde::Serialize;
use store::{HistoryEvent, Store, StoreError};
use target::Target;

use crate::preview;

/// How many events of the history are shown.
const EVENTS: usize = 10;

/// What an explanation is made from.
#[derive(Clone, Copy)]
pub struct Explaining<'a> {
    /// What the administrator configured.
    pub connection: &'a Connection,
    /// The connection's state.
    pub store: &'a Store,
    /// The account store.
    pub target: &'a Target,
    /// The time.
    pub clock: fn() -> UnixSeconds,
}

/// Everything that is known about one user. Values that the mapping masks are not shown.
#[derive(Debug, Default, Serialize)]
pub struct Explanation {
    /// The whole story in one sentence.
    pub verdict: String,
    /// The entry in the directory.
    pub entry: Option<EntryPart>,
    /// The entries, where several match.
    pub several: Vec<String>,
    /// What is remembered.
    pub record: Option<RecordPart>,
    /// The account in the target.
    pub account: Option<AccountPart>,
    /// What would be done now, in order; empty for nothing.
    pub would: Vec<String>,
    /// What the target said when it was asked.
    pub target_error: Option<String>,
    /// What was done, the newest first.
    pub history: Vec<HistoryEvent>,
}

/// The entry's part.
#[derive(Debug, Serialize)]
pub struct EntryPart {
    /// The immutable id.
    pub anchor: String,
    /// Where it is.
    pub dn: String,
    /// Whether it is in the targeted group or matches the targeted filter.
    pub in_scope: bool,
    /// What the mapping makes of it: `active`, `inactive`, `disabled` or `unmappable`.
    pub says: &'static str,
    /// What is wrong, if the mapping can make nothing of it.
    pub problem: Option<String>,
    /// The target attributes; what is mapped and empty is `null`.
    pub attributes: Vec<AttributePart>,
}

/// One attribute.
#[derive(Debug, Serialize)]
pub struct AttributePart {
    /// Which.
    pub attribute: String,
    /// Its value.
    pub value: Option<String>,
}

/// The record's part.
#[derive(Debug, Serialize)]
pub struct RecordPart {
    /// The immutable id.
    pub anchor: String,
    /// Where the user stands, in a word.
    pub status: &'static str,
    /// Why.
    pub why: Option<String>,
    /// The scan that wrote it last.
    pub version: u64,
    /// How often the current work was tried in vain.
    pub attempts: u32,
    /// When it is tried next, or the account is deleted, in seconds since 1970.
    pub next_attempt: Option<i64>,
    /// The linked account's id.
    pub account: Option<String>,
}

/// The account's part.
#[derive(Debug, Serialize)]
pub struct AccountPart {
    /// Its id.
    pub id: String,
    /// Whether it is active.
    pub active: bool,
    /// In what it differs from what it should be.
    pub differs: Vec<DifferencePart>,
}

/// One difference.
#[derive(Debug, Serialize)]
pub struct DifferencePart {
    /// Which attribute.
    pub attribute: String,
    /// What is there.
    pub from: Option<String>,
    /// What should be.
    pub to: Option<String>,
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
    let Explaining { connection, store, target, clock } = *with;
    let context = ScanContext { connection, store, queue: None, owner: "explain", stop_at: None, clock };
    let found = look_up(&context, directory, user).await?;
    let masks = Masks(connection.rules.mapping.masked());
    let mut told = Explanation::default();
    let (desired, record) = match found {
        Found::Several(anchors) => {
            told.verdict = "several entries match; name one by its anchor".to_owned();
            told.several = anchors.iter().map(ToString::to_string).collect();
            return Ok(told);
        }
        Found::Nobody(None) => {
            told.verdict = "the directory has no such entry, and nothing is remembered of one".to_owned();
            return Ok(told);
        }
        Found::Nobody(Some(record)) => (record.desired.clone(), Some(*record)),
        Found::One(sighted) => {
            told.entry = Some(masks.entry(&sighted));
            let known = sighted.record.as_ref().and_then(|record| record.desired.clone());
            (sighted.desired().cloned().or(known), sighted.record)
        }
    };
    if let Some(record) = &record {
        told.record = Some(record_part(record));
        told.history = store.fetch_history(record.anchor.hash(), EVENTS).await?;
    }
    let is_out = told.entry.as_ref().is_none_or(|entry| !entry.in_scope);
    if is_out && desired.as_ref().is_some_and(|desired| desired.departure().is_none()) {
        told.would = vec!["wait for a scan of everybody: it decides whether the account goes".to_owned()];
    } else if let Some(desired) = &desired {
        let released = record.as_ref().is_some_and(|record| record.removal_released);
        let seen = preview(store, target, &connection.options, record.as_ref(), desired, released).await?;
        match seen {
            Ok(preview) => {
                told.would = preview.decisions.iter().map(said).collect();
                if let Some(with) = &preview.conflict {
                    told.would = vec![format!("nothing: the account belongs to another entry ({with})")];
                }
                told.account =
                    preview.account.as_ref().map(|account| masks.account(account, &preview.decisions));
            }
            Err(error) => told.target_error = Some(error.to_string()),
        }
    }
    told.verdict = verdict(&told, record.as_ref());
    Ok(told)
}

fn verdict(told: &Explanation, record: Option<&UserRecord>) -> String {
    let place = match &told.entry {
        None => "not in the directory",
        Some(entry) if !entry.in_scope => "in the directory, but out of scope",
        Some(EntryPart { says: "unmappable", .. }) => {
            "in scope, but the mapping can make no user of the entry"
        }
        Some(EntryPart { says: "disabled", .. }) => "in scope and disabled",
        Some(_) => "in scope",
    };
    let stands = match record.map(|record| &record.status) {
        None => "not looked at by a scan yet".to_owned(),
        Some(Status::Settled) => "nothing is left to do".to_owned(),
        Some(status) => match status.why() {
            Some(why) => format!("{}: {why}", status.word()),
            None => status.word().to_owned(),
        },
    };
    format!("{place}; {stands}")
}

fn record_part(record: &UserRecord) -> RecordPart {
    RecordPart {
        anchor: record.anchor.to_string(),
        status: record.status.word(),
        why: record.status.why(),
        version: record.version.0,
        attempts: record.attempts,
        next_attempt: match record.status {
            Status::Retrying { .. } | Status::Leaving { .. } => Some(record.next_attempt.0),
            _ => None,
        },
        account: record.link.as_ref().map(|link| link.account.to_string()),
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
        Decision::AwaitCheck(reason) => format!("wait for a scan's safety check: {reason}"),
        Decision::Withheld(by) => format!("nothing: {by}"),
    }
}

/// The attributes whose values are not shown.
struct Masks(std::collections::BTreeSet<TargetAttribute>);

impl Masks {
    fn text(&self, attribute: &TargetAttribute, value: &Value) -> String {
        if self.0.contains(attribute) { "•••".to_owned() } else { value.to_string() }
    }

    fn entry(&self, sighted: &scan::Sighted) -> EntryPart {
        let (says, problem, attributes) = match &sighted.observation {
            Observation::Wanted(Desired::Present(user)) => {
                (if user.active { "active" } else { "inactive" }, None, self.attributes(user))
            }
            Observation::Wanted(Desired::Absent { .. }) => ("disabled", None, Vec::new()),
            Observation::Unmappable(problem) => ("unmappable", Some(problem.clone()), Vec::new()),
        };
        EntryPart {
            anchor: sighted.entry.anchor.to_string(),
            dn: sighted.entry.dn.clone(),
            in_scope: sighted.in_scope,
            says,
            problem,
            attributes,
        }
    }

    fn attributes(&self, user: &DesiredUser) -> Vec<AttributePart> {
        let DesiredUser { user_name, active: _, attributes, create_only } = user;
        let name = TargetAttribute::from("userName");
        let value = Some(self.text(&name, &Value::Text(user_name.to_string())));
        let mut parts = vec![AttributePart { attribute: name.to_string(), value }];
        parts.extend(attributes.iter().map(|(attribute, managed)| AttributePart {
            attribute: attribute.to_string(),
            value: match managed {
                Managed::Set(value) => Some(self.text(attribute, value)),
                Managed::Clear => None,
            },
        }));
        parts.extend(create_only.iter().map(|(attribute, value)| AttributePart {
            attribute: attribute.to_string(),
            value: Some(self.text(attribute, value)),
        }));
        parts
    }

    fn account(&self, account: &Account, decisions: &[Decision]) -> AccountPart {
        let differences = decisions.iter().flat_map(|decision| match decision {
            Decision::Update(found) => found.as_slice(),
            _ => &[],
        });
        AccountPart {
            id: account.id.to_string(),
            active: account.active,
            differs: differences.map(|difference| self.difference(difference)).collect(),
        }
    }

    fn difference(&self, difference: &Difference) -> DifferencePart {
        let Difference { attribute, from, to } = difference;
        DifferencePart {
            attribute: attribute.to_string(),
            from: from.as_ref().map(|value| self.text(attribute, value)),
            to: to.as_ref().map(|value| self.text(attribute, value)),
        }
    }
}
