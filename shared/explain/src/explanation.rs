//! The account side of an explanation, as a value that the provision function sends to the scan function.

use serde::{Deserialize, Serialize};
use store::HistoryEvent;

use crate::item::ReportItem;

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
    /// Whether the account is active; true where the target does not tell.
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

impl AccountExplanation {
    /// Status of the user in a phrase.
    pub fn status(&self) -> String {
        let Some(RecordExplanation { status, why, .. }) = &self.record else {
            return "not scanned yet".to_owned();
        };
        match (status.as_str(), why) {
            ("in_sync", _) => "nothing is left to do".to_owned(),
            (status, Some(why)) => format!("{status}: {why}"),
            (status, None) => status.to_owned(),
        }
    }
}

/// A reason why a change waits, or is not made.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The kind of reason: a status, `configuration` or `breaker`.
    pub what: String,
    /// The reason in words.
    pub why: String,
    /// Hash for `provisioner approve`, if an approval ends the wait.
    pub approve: Option<String>,
    /// End of the wait, or of the approval, in seconds since 1970.
    pub until: Option<i64>,
}
