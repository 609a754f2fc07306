//! One user in a plan or a report: who, what, why, attribute by attribute.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::Style;
use model::{Anchor, Desired, DesiredUser, Managed, TargetAttribute, UserName, Value};
use plan::{AttributeDifference, Decision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BAD, CHANGED, FAINT, GONE, NEW, paint, plain};

/// One user in a plan or a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportItem {
    /// The entry's immutable id.
    pub anchor: String,
    /// The name to show; where there is none, or it is masked, the entry's id stands for it.
    pub user_name: Option<String>,
    /// What is done: `create`, `create-inactive`, `link`, `update`, `reactivate`, `deactivate`, `delete`,
    /// `transfer`, `conflict`, `held`, `skipped`, `invalid`, `failed`, `waits`.
    pub action: Cow<'static, str>,
    /// Why.
    pub why: String,
    /// Attribute by attribute.
    pub changes: Vec<AttributeChange>,
    /// What the plan was made from, where this is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<PlanInputs>,
}

/// What a user's part of a plan was made from, by fingerprint: equal ones mean that nothing has moved, hidden values
/// included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanInputs {
    /// What the entry says that the user should be.
    pub entry: Option<String>,
    /// What was remembered of the user.
    pub record: Option<String>,
    /// What the account had in the attributes that are mapped.
    pub account: Option<String>,
}

/// One attribute of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributeChange {
    /// Which.
    pub attribute: String,
    /// What is there.
    pub from: Option<String>,
    /// What will be.
    pub to: Option<String>,
}

/// Which values may be shown.
#[derive(Clone, Debug)]
pub struct ValueMask {
    /// These may not.
    pub masked: BTreeSet<TargetAttribute>,
}

impl ValueMask {
    fn value(&self, attribute: &TargetAttribute, value: &Value) -> String {
        if self.masked.contains(attribute) { "•••".into() } else { value.to_string() }
    }

    fn name(&self, name: &UserName) -> Option<String> {
        (!self.masked.contains(&"userName".into())).then(|| name.to_string())
    }

    fn difference(&self, difference: &AttributeDifference) -> AttributeChange {
        let AttributeDifference { attribute, from, to } = difference;
        AttributeChange {
            attribute: attribute.to_string(),
            from: from.as_ref().map(|value| self.value(attribute, value)),
            to: to.as_ref().map(|value| self.value(attribute, value)),
        }
    }

    /// The attributes in which an account differs.
    pub fn differences(&self, found: &[AttributeDifference]) -> Vec<AttributeChange> {
        found.iter().map(|difference| self.difference(difference)).collect()
    }

    /// The attributes that a new account gets.
    pub fn new_account(&self, user: &DesiredUser) -> Vec<AttributeChange> {
        let managed = user.attributes.iter().filter_map(|(attribute, managed)| match managed {
            Managed::Set(value) => Some((attribute, value)),
            Managed::Clear => None,
        });
        let mut lines: Vec<AttributeChange> = managed
            .chain(&user.create_only)
            .map(|(attribute, value)| AttributeChange {
                attribute: attribute.to_string(),
                from: None,
                to: Some(self.value(attribute, value)),
            })
            .collect();
        lines.sort_by(|a, b| a.attribute.cmp(&b.attribute));
        lines
    }

    /// An item without attributes.
    pub fn item(
        &self,
        anchor: &Anchor,
        name: Option<&UserName>,
        action: &'static str,
        why: impl Into<String>,
    ) -> ReportItem {
        let user_name = name.and_then(|name| self.name(name));
        ReportItem {
            anchor: anchor.to_string(),
            user_name,
            action: action.into(),
            why: why.into(),
            changes: Vec::new(),
            seen: None,
        }
    }

    /// A decision of the plan.
    pub fn decision(&self, anchor: &Anchor, desired: &Desired, decision: &Decision) -> Option<ReportItem> {
        let name = desired.user_name();
        let item = |action, why: String| self.item(anchor, name, action, why);
        Some(match decision {
            Decision::Nothing => return None,
            Decision::Create => match desired {
                Desired::Present(user) if user.active => ReportItem {
                    changes: self.new_account(user),
                    ..item("create", "in scope, and has no account".into())
                },
                Desired::Present(user) => ReportItem {
                    changes: self.new_account(user),
                    ..item("create-inactive", "in scope and disabled; disabled users are provisioned".into())
                },
                Desired::Absent { .. } => return None,
            },
            Decision::Link => item("link", "an account of this name exists".into()),
            Decision::Update(found) => ReportItem {
                changes: self.differences(found),
                ..item(update_word(found), update_reason(found))
            },
            Decision::Deactivate(reason) => item("deactivate", reason.to_string()),
            Decision::Delete(reason) => item("delete", reason.to_string()),
            Decision::AwaitSafeguard(reason) => item("held", format!("{reason}; awaits the safety check")),
            Decision::Skipped(by) => item("skipped", by.to_string()),
        })
    }
}

/// What an update amounts to.
pub fn update_word(found: &[AttributeDifference]) -> &'static str {
    let active = found.iter().find(|difference| difference.attribute.as_str() == "active");
    match active.and_then(|difference| difference.to.as_ref()) {
        Some(Value::Boolean(true)) => "reactivate",
        Some(Value::Boolean(false)) => "deactivate",
        _ => "update",
    }
}

/// Why it is made.
pub fn update_reason(found: &[AttributeDifference]) -> String {
    match update_word(found) {
        "deactivate" => "disabled in the directory".into(),
        "reactivate" => "in scope again".into(),
        _ => match found {
            [one] => format!("{} differs", one.attribute),
            several => format!("{} attributes differ", several.len()),
        },
    }
}

impl ReportItem {
    fn mark(&self) -> (&'static str, Style) {
        match &*self.action {
            "create" | "create-inactive" | "created" | "created-inactive" => ("+", NEW),
            "link" | "linked" | "transfer" => ("=", NEW),
            "update" | "reactivate" | "updated" | "reactivated" => ("~", CHANGED),
            "deactivate" | "delete" | "deactivated" | "deleted" => ("-", GONE),
            "held" | "skipped" | "pending_deletion" | "waits" => ("·", CHANGED),
            _ => ("!", BAD),
        }
    }

    /// The item as text, in one line and one more for each attribute.
    pub fn text(&self) -> String {
        let (mark, style) = self.mark();
        let name = plain(self.user_name.as_deref().unwrap_or(&self.anchor));
        let mut text =
            format!("{} {name:<32} {}", paint(style, mark), paint(style, &format!("{:<16}", self.action)));
        let _ = write!(text, " {}", paint(FAINT, &plain(&self.why)));
        for AttributeChange { attribute, from, to } in &self.changes {
            let shown = match (from, to) {
                (None, Some(to)) => quoted(to),
                (Some(from), Some(to)) => format!("{} → {}", quoted(from), quoted(to)),
                (Some(from), None) => format!("{} → (empty)", quoted(from)),
                (None, None) => String::new(),
            };
            let _ = write!(text, "\n      {attribute:<28} {shown}");
        }
        text
    }
}

/// A value as it is shown: not all of a long one.
fn quoted(value: &str) -> String {
    let clean = plain(value);
    let mut short: String = clean.chars().take(80).collect();
    if short.len() < clean.len() {
        short.push('…');
    }
    format!("\"{short}\"")
}
