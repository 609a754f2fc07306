//! The entry side of an explanation: the search, scope, account status and mapping.
//!
//! Masked values are replaced, and so are the directory values that they are made of.

use directory::ScopeCondition;
use model::{Desired, Entry, UnixSeconds};
use plan::mapping::{AttributeExplained, MASK, RecordedValues};
use plan::{ExpiryExplained, Observation, Policy, StatusExplained, explain_observation};
use scan::EntryLookup;
use serde::Serialize;

use crate::explanation::AccountSummary;

/// One of several entries that match a name.
#[derive(Debug, Serialize)]
pub struct MatchingEntry {
    /// The immutable id.
    pub anchor: String,
    /// The DN; masked if it contains a masked value.
    pub dn: String,
}

/// The search for a user without an entry.
#[derive(Debug, Serialize)]
pub struct UserSearch {
    /// Base entry of the search in the directory.
    pub base: String,
    /// Attributes that were compared; empty for a search by DN.
    pub attributes: Vec<String>,
    /// Result of the search at the target, for a user that the state does not have either.
    pub target: TargetSearch,
}

/// Result of a search at the target, by user name and account id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSearch {
    /// The target was not searched.
    NotSearched,
    /// No account matches.
    NoAccount,
    /// An account that was never linked matches.
    Unmanaged(AccountSummary),
    /// The target's error.
    Failed(String),
}

/// The entry in the directory.
#[derive(Debug, Serialize)]
pub struct EntryExplanation {
    /// The immutable id.
    pub anchor: String,
    /// The DN; masked if it contains a masked value.
    pub dn: String,
    /// Whether the entry is in scope.
    pub in_scope: bool,
    /// Conditions of the scope, and whether the entry meets each.
    pub scope: Vec<ScopeCondition>,
    /// Result of the mapping: `active`, `inactive`, `disabled` or `invalid`.
    pub desired: &'static str,
    /// Why the entry is invalid.
    pub problem: Option<String>,
    /// How the account status was determined.
    pub status: StatusExplained,
    /// How the expiry was determined, if it is configured.
    pub expiry: Option<ExpiryExplained>,
    /// How each target attribute was mapped.
    pub mapping: Vec<AttributeExplained>,
}

impl EntryExplanation {
    /// Explains an entry.
    pub(crate) fn of(policy: &Policy, lookup: &EntryLookup, now: UnixSeconds) -> Self {
        let EntryLookup { entry, scope, observation, record, .. } = lookup;
        let recorded = record.as_ref().map(RecordedValues::of).unwrap_or_default();
        let explained = explain_observation(&policy.rules, &entry.attributes, now, recorded);
        let (desired, problem) = match observation {
            Observation::Valid(Desired::Present(user)) if user.active => ("active", None),
            Observation::Valid(Desired::Present(_)) => ("inactive", None),
            Observation::Valid(Desired::Absent { .. }) => ("disabled", None),
            Observation::Invalid { error, .. } => ("invalid", Some(error.clone())),
        };
        Self {
            anchor: entry.anchor.to_string(),
            dn: masked_dn(policy, entry),
            in_scope: scope.in_scope,
            scope: scope.conditions.clone(),
            desired,
            problem,
            status: explained.status,
            expiry: explained.expiry,
            mapping: explained.mapping,
        }
    }
}

/// The DN; masked if it contains a masked value.
pub(crate) fn masked_dn(policy: &Policy, entry: &Entry) -> String {
    policy.rules.mapping.shown_dn(entry).unwrap_or_else(|| MASK.to_owned())
}
