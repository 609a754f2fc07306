//! Items with masked values replaced.

use std::collections::BTreeSet;

use model::{
    Anchor, Desired, DesiredUser, HoldReason, Managed, RemovalApproval, Status, TargetAttribute, UnixSeconds,
    UserName, UserRecord, Value,
};
use plan::mapping::MASK;
use plan::{AttributeDifference, Decision};
use provision::{Action, Outcome, Preview};

use crate::item::{AttributeChange, ReportItem};

/// Target attributes with masked values.
#[derive(Clone, Debug)]
pub struct ValueMask(BTreeSet<TargetAttribute>);

impl ValueMask {
    /// Hides the values of these attributes.
    pub fn new(masked: BTreeSet<TargetAttribute>) -> Self {
        Self(masked)
    }

    /// Whether the attribute's values are masked.
    pub fn hides(&self, attribute: &TargetAttribute) -> bool {
        self.0.contains(attribute)
    }

    /// The value as text.
    pub fn text(&self, attribute: &TargetAttribute, value: &Value) -> String {
        if self.hides(attribute) { MASK.to_owned() } else { value.to_string() }
    }

    /// The attributes in which an account differs.
    pub fn differences(&self, found: &[AttributeDifference]) -> Vec<AttributeChange> {
        let change = |difference: &AttributeDifference| {
            let AttributeDifference { attribute, from, to } = difference;
            let text = |value: &Option<Value>| value.as_ref().map(|value| self.text(attribute, value));
            AttributeChange { attribute: attribute.to_string(), from: text(from), to: text(to) }
        };
        found.iter().map(change).collect()
    }

    /// The attributes of a new account, sorted.
    fn new_account(&self, user: &DesiredUser) -> Vec<AttributeChange> {
        let managed = user.attributes.iter().filter_map(|(attribute, managed)| match managed {
            Managed::Set(value) => Some((attribute, value)),
            Managed::Clear => None,
        });
        let mut changes: Vec<AttributeChange> = managed
            .chain(&user.create_only)
            .map(|(attribute, value)| AttributeChange {
                attribute: attribute.to_string(),
                from: None,
                to: Some(self.text(attribute, value)),
            })
            .collect();
        changes.sort_by(|a, b| a.attribute.cmp(&b.attribute));
        changes
    }

    /// An item without attributes.
    pub fn item(
        &self,
        (anchor, name): (&Anchor, Option<&UserName>),
        action: &'static str,
        why: impl Into<String>,
    ) -> ReportItem {
        let name = name.filter(|_| !self.hides(&"userName".into()));
        ReportItem {
            anchor: anchor.to_string(),
            user_name: name.map(ToString::to_string),
            dn: None,
            action: action.into(),
            why: why.into(),
            changes: Vec::new(),
            inputs: None,
        }
    }

    /// The item of a decision; `None` if nothing is to be done.
    fn decision(&self, anchor: &Anchor, desired: &Desired, decision: &Decision) -> Option<ReportItem> {
        let (action, why, changes) = match decision {
            Decision::Nothing => return None,
            Decision::Create => match desired {
                Desired::Present(user) if user.active => {
                    ("create", "in scope, and has no account".to_owned(), self.new_account(user))
                }
                Desired::Present(user) => (
                    "create-inactive",
                    "in scope and disabled; disabled users are provisioned".to_owned(),
                    self.new_account(user),
                ),
                Desired::Absent { .. } => return None,
            },
            Decision::Link => ("link", "an account with this user name exists".to_owned(), Vec::new()),
            Decision::Update(found) => (update_action(found), update_reason(found), self.differences(found)),
            Decision::Deactivate(reason) => ("deactivate", reason.to_string(), Vec::new()),
            Decision::Delete(reason) => ("delete", reason.to_string(), Vec::new()),
            Decision::AwaitSafeguard(reason) => {
                ("held", format!("{reason}; awaits the safeguard of a scan"), Vec::new())
            }
            Decision::Skipped(option) => ("skipped", option.to_string(), Vec::new()),
        };
        Some(ReportItem { changes, ..self.item((anchor, desired.user_name()), action, why) })
    }

    /// The item of an outcome; `None` if no action was performed and none is outstanding.
    pub fn outcome(&self, outcome: &Outcome) -> Option<ReportItem> {
        let (anchor, user_name, action, why) = match outcome {
            Outcome::NothingToDo | Outcome::NotYet { .. } | Outcome::Busy => return None,
            Outcome::InSync { anchor, user_name, actions, kept, waits } => {
                let (action, mut why) = performed(actions)?;
                if !kept.is_empty() {
                    let names: Vec<&str> = kept.iter().map(|kept| kept.attribute.as_str()).collect();
                    why = format!("{why}; the target kept its own {}", names.join(", "));
                }
                if *waits {
                    why = format!("{why}; a reference waits for another user's account");
                }
                let item = self.item((anchor, user_name.as_ref()), action, why);
                let changes = match actions.last() {
                    Some(Action::Update(found)) => self.differences(found),
                    _ => Vec::new(),
                };
                return Some(ReportItem { changes, ..item });
            }
            Outcome::AwaitsSafeguard { anchor, user_name } => (
                anchor,
                user_name,
                "linked",
                "disabled; the removal awaits the safeguard of a scan".to_owned(),
            ),
            Outcome::Skipped { anchor, user_name, by, .. } => (anchor, user_name, "skipped", by.to_string()),
            Outcome::Conflict { anchor, user_name, owner } => {
                (anchor, user_name, "conflict", format!("the account belongs to another entry ({owner})"))
            }
            Outcome::NotPlanned { anchor, user_name, .. } => {
                (anchor, user_name, "pending", "the action is not part of the approved plan".to_owned())
            }
            Outcome::Failed { anchor, user_name, error, retry_at, .. } => {
                let (action, next) = match retry_at {
                    Some(_) => ("retrying", "will be retried"),
                    None => ("failed", FAILED_UNTIL_CHANGE),
                };
                (anchor, user_name, action, format!("{error}; {next}"))
            }
        };
        Some(self.item((anchor, user_name.as_ref()), action, why))
    }

    /// The items of a preview, in order.
    pub fn preview(&self, anchor: &Anchor, desired: &Desired, preview: &Preview) -> Vec<ReportItem> {
        if let Some(owner) = &preview.conflict {
            let why = format!("the account belongs to another entry ({owner})");
            return vec![self.item((anchor, desired.user_name()), "conflict", why)];
        }
        if let Some(connection) = &preview.passes_to {
            return vec![self.item((anchor, desired.user_name()), "transfer", passes_to(connection))];
        }
        let decisions = preview.decisions.iter();
        decisions.filter_map(|decision| self.decision(anchor, desired, decision)).collect()
    }

    /// The status of a user as an item. A held removal that this approval covers is shown as approved.
    pub fn status(
        &self,
        record: &UserRecord,
        now: UnixSeconds,
        approval: Option<&RemovalApproval>,
    ) -> ReportItem {
        if let (Status::Held { reason, .. }, Some(approval)) = (&record.status, approval)
            && approval.covers(record)
        {
            let why = format!("{reason}; approved by {}, done by the next sync", approval.by);
            return self.item((&record.anchor, record.user_name()), "approved", why);
        }
        let why = record.status.detail().unwrap_or_default();
        let seconds = (record.next_attempt.0 - now.0).max(0);
        let why = match &record.status {
            Status::InSync => "nothing is left to do".to_owned(),
            Status::Pending => "will be provisioned".to_owned(),
            Status::Retrying { .. } => format!("{why}; next attempt in {seconds} s"),
            Status::Failed { .. } => format!("{why}; {FAILED_UNTIL_CHANGE}"),
            Status::PendingDeletion { .. } => format!("{why}, in {} days", (seconds + 86_399) / 86_400),
            // The limit is said once, with its numbers.
            Status::Held { reason, hold: HoldReason::OverLimit } => reason.to_string(),
            Status::AccountGone
            | Status::Held { .. }
            | Status::Skipped { .. }
            | Status::Conflict { .. }
            | Status::DuplicateAnchor
            | Status::Invalid { .. } => why,
        };
        let item = self.item((&record.anchor, record.user_name()), record.status.word(), why);
        ReportItem { dn: record.status.entry_dn().map(str::to_owned), ..item }
    }
}

/// Prospect of a user that the target refused.
const FAILED_UNTIL_CHANGE: &str = "not retried until the user changes";

/// The action that an update amounts to.
fn update_action(found: &[AttributeDifference]) -> &'static str {
    let active = found.iter().find(|difference| difference.attribute.as_str() == "active");
    match active.and_then(|difference| difference.to.as_ref()) {
        Some(Value::Boolean(true)) => "reactivate",
        Some(Value::Boolean(false)) => "deactivate",
        _ => "update",
    }
}

fn update_reason(found: &[AttributeDifference]) -> String {
    match (update_action(found), found) {
        ("deactivate", _) => "disabled in the directory".to_owned(),
        ("reactivate", _) => "in scope again".to_owned(),
        (_, [one]) => format!("{} differs", one.attribute),
        (_, several) => format!("{} attributes differ", several.len()),
    }
}

fn passes_to(connection: &str) -> String {
    format!("the account passes to the connection {connection}, which has the user now")
}

/// The last action in the past tense, and its reason.
fn performed(actions: &[Action]) -> Option<(&'static str, String)> {
    let last = actions.last()?;
    let (action, why) = match last {
        Action::Create { inactive: false } => ("created", "in scope".to_owned()),
        Action::Create { inactive: true } => ("created-inactive", "in scope and disabled".to_owned()),
        Action::Link => {
            ("linked", "an account with this user name existed, and equals the desired user".to_owned())
        }
        Action::Update(found) => match update_action(found) {
            "deactivate" => ("deactivated", "disabled in the directory".to_owned()),
            "reactivate" => ("reactivated", "in scope again".to_owned()),
            _ => ("updated", "differed from the desired user".to_owned()),
        },
        Action::Deactivate(reason) => ("deactivated", reason.to_string()),
        Action::Delete(reason) => ("deleted", reason.to_string()),
        Action::DeactivateInstead(reason) => {
            ("deactivated", format!("{reason}; the target refused to delete"))
        }
        Action::AccountGone => ("gone", "the account no longer exists at the target".to_owned()),
        Action::FreeName { account } => ("renamed", format!("account {account} got a temporary user name")),
        Action::PassTo { connection } => ("transferred", passes_to(connection)),
    };
    let is_linked = actions.contains(&Action::Link) && *last != Action::Link;
    let linked = if is_linked { "; an account with this user name existed and was linked" } else { "" };
    Some((action, format!("{why}{linked}")))
}
