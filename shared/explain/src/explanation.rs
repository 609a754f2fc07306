//! The account side of an explanation, as a value that the provision function sends to the scan function.

use model::AccountMatch;
use serde::{Deserialize, Serialize};
use store::HistoryEvent;

use crate::item::ReportItem;

/// The account side of an explanation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AccountExplanation {
    /// The stored record.
    pub record: Option<RecordExplanation>,
    /// How the account was found.
    pub matched: AccountMatch,
    /// The account at the target.
    pub account: Option<AccountSummary>,
    /// Managed attributes: directory, record and account side by side.
    pub attributes: Vec<AttributeComparison>,
    /// Reasons why something waits or is not done.
    pub waits: Vec<Wait>,
    /// Outstanding actions, in order. A removal also needs the release of the safeguard.
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
    /// Whether the account is active; true where the target does not tell.
    pub active: bool,
}

/// One attribute on all sides.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeComparison {
    /// The attribute.
    pub attribute: String,
    /// The value that the mapping makes of the entry now.
    pub directory: SideValue,
    /// The value that the last scan recorded.
    pub recorded: SideValue,
    /// The value of the account.
    pub account: SideValue,
    /// Whether two sides that were read have different values.
    pub differs: bool,
}

/// Value of an attribute on one side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SideValue {
    /// The side was not read.
    NotRead,
    /// The side was read, and the user has no account there, or should have none.
    NoUser,
    /// A reference to another user, for which no account is known.
    Reference,
    /// The value; `None` for empty.
    Read(Option<String>),
}

impl AttributeComparison {
    /// Compares the sides. A side without a value, empty or not, differs from none.
    pub fn of(attribute: String, sides: [SideValue; 3]) -> Self {
        let mut read = sides.iter().filter(|side| matches!(side, SideValue::Read(_)));
        let differs = read.next().is_some_and(|first| read.any(|other| other != first));
        let [directory, recorded, account] = sides;
        Self { attribute, directory, recorded, account, differs }
    }
}

/// A reason why a change waits, or is not made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The kind of reason: a status, `configuration` or `breaker`.
    pub what: String,
    /// The reason in words.
    pub why: String,
    /// The held removals or changes, with the limit that they exceed.
    pub held: Option<String>,
    /// Hash for `provisioner approve`, if an approval ends the wait.
    pub approve: Option<String>,
    /// The approver's name, once the wait is approved.
    pub approved_by: Option<String>,
    /// End of the wait, or of the approval, in seconds since 1970.
    pub until: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_without_a_value_differs_from_none() {
        let read = |text: &str| SideValue::Read(Some(text.to_owned()));
        let empty = || SideValue::Read(None);
        for (sides, differs) in [
            ([read("a"), read("a"), SideValue::NotRead], false),
            ([read("a"), SideValue::NotRead, SideValue::NotRead], false),
            ([SideValue::NoUser, read("a"), SideValue::NotRead], false),
            ([SideValue::Reference, SideValue::Reference, empty()], false),
            ([read("a"), SideValue::NoUser, SideValue::NoUser], false),
            ([read("a"), read("b"), SideValue::NotRead], true),
            ([read("a"), read("a"), empty()], true),
            ([empty(), empty(), empty()], false),
        ] {
            let shown = format!("{sides:?}");
            assert_eq!(AttributeComparison::of("title".to_owned(), sides).differs, differs, "{shown}");
        }
    }

    /// The scan function parses what the provision function writes.
    #[test]
    fn sides_are_told_apart_in_json() {
        let read = SideValue::Read(Some("not_read".to_owned()));
        for (side, json) in [
            (SideValue::NotRead, r#""not_read""#),
            (SideValue::NoUser, r#""no_user""#),
            (SideValue::Read(None), r#"{"read":null}"#),
            (read, r#"{"read":"not_read"}"#),
        ] {
            assert_eq!(serde_json::to_string(&side).unwrap(), json);
            assert_eq!(serde_json::from_str::<SideValue>(json).unwrap(), side);
        }
    }
}
