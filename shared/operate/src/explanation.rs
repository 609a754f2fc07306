//! Everything that is known about one user, as it is told. Values that the mapping masks are in none of it, and neither
//! are the directory's values that they are made of.

use directory::ScopeCondition;
use plan::mapping::AttributeExplained;
use plan::{ExpiryExplained, StatusExplained};
use serde::Serialize;
use store::HistoryEvent;

/// Everything that is known about one user.
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
    /// What should be, beside what was and what is.
    pub attributes: Vec<BesidePart>,
    /// Why something waits or is not done.
    pub waits: Vec<WaitPart>,
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
    /// Where it is. Hidden if a value that is not to be shown is part of the name.
    pub dn: String,
    /// Whether it is in the targeted group or matches the targeted filter.
    pub in_scope: bool,
    /// Each condition of the scope, and whether the entry meets it.
    pub scope: Vec<ScopeCondition>,
    /// What the mapping makes of it: `active`, `inactive`, `disabled` or `invalid`.
    pub says: &'static str,
    /// What is wrong, if the mapping can make nothing of it.
    pub problem: Option<String>,
    /// How the account status came about.
    pub status: StatusExplained,
    /// How the account's expiry was judged, where that counts.
    pub expiry: Option<ExpiryExplained>,
    /// How each target attribute came about.
    pub mapping: Vec<AttributeExplained>,
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
    /// What that scan found: `active`, `inactive` or `absent`; nothing if the entry was never mappable.
    pub says: Option<&'static str>,
    /// How often the current work was tried in vain.
    pub attempts: u32,
    /// When it is tried next, or the account is deleted, in seconds since 1970.
    pub next_attempt: Option<i64>,
    /// The linked account's id.
    pub account: Option<String>,
    /// What the account was last made to be.
    pub applied: Option<AppliedPart>,
}

/// What an account was last made to be.
#[derive(Debug, Serialize)]
pub struct AppliedPart {
    /// Its user name then.
    pub user_name: Option<String>,
    /// Whether it was left active.
    pub active: bool,
    /// Whether that is what the last scan wrote, attribute by attribute.
    pub as_recorded: bool,
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

/// One attribute as it should be, was and is. What is empty, or unknown because there is no such side, is `null`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BesidePart {
    /// Which.
    pub attribute: String,
    /// What the directory says now.
    pub directory: Option<String>,
    /// What the last scan wrote down.
    pub recorded: Option<String>,
    /// What the account has.
    pub account: Option<String>,
}

/// Why something waits, or is not done.
#[derive(Debug, Serialize)]
pub struct WaitPart {
    /// What it is.
    pub what: WaitKind,
    /// Why.
    pub why: String,
    /// What `approve` takes to let it through.
    pub approve: Option<String>,
    /// Until when it waits, or until when it is approved, in seconds since 1970.
    pub until: Option<i64>,
}

/// What waits, or is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// A removal, for a person's word or for the next scan's check.
    Removal,
    /// A creation or an update, because the configuration was changed.
    Change,
    /// What an option stops.
    Option,
    /// A name or an account, which another entry has.
    Conflict,
    /// The next try.
    Retry,
    /// A person who looks at what the target refused.
    Refusal,
    /// A deletion, until the account's time is over.
    Deletion,
    /// An entry that can be mapped.
    Mapping,
    /// A target that serves anybody.
    Breaker,
}
