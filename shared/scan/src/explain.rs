//! Explanation of the entry side of one user: scope, account status, mapping.
//!
//! Values that the mapping masks are replaced, and so are the directory values that they are made of.

use directory::ScopeCondition;
use model::{Desired, Entry, UnixSeconds};
use plan::mapping::{AttributeExplained, MASK};
use plan::{ExpiryExplained, Observation, Policy, StatusExplained, explain_observation};
use serde::Serialize;

use crate::user::{EntryLookup, UserLookup};

/// Shorter values occur in too many DNs to identify a user.
const SHORTEST_VALUE: usize = 3;

/// All facts about one user. `A` is the account side, which provisioning explains.
#[derive(Debug, Serialize)]
pub struct Explanation<A> {
    /// The explanation in one sentence.
    pub verdict: String,
    /// Anchors of the matching entries, where several match.
    pub several: Vec<String>,
    /// The entry in the directory.
    pub entry: Option<EntryExplanation>,
    /// Record, account and decision.
    #[serde(flatten)]
    pub account: A,
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
    pub says: &'static str,
    /// Why the entry is invalid.
    pub problem: Option<String>,
    /// How the account status was determined.
    pub status: StatusExplained,
    /// How the expiry was determined, if it is configured.
    pub expiry: Option<ExpiryExplained>,
    /// How each target attribute was mapped.
    pub mapping: Vec<AttributeExplained>,
}

impl<A: Default> Explanation<A> {
    /// Joins the entry side with the account side and the status of the record in words.
    pub fn new(policy: &Policy, now: UnixSeconds, lookup: &UserLookup, account: Option<(A, String)>) -> Self {
        let (entry, several) = match lookup {
            UserLookup::None(_) => (None, Vec::new()),
            UserLookup::Several(anchors) => (None, anchors.iter().map(ToString::to_string).collect()),
            UserLookup::One(lookup) => (Some(explain_entry(policy, lookup, now)), Vec::new()),
        };
        let verdict = match (&account, several.is_empty()) {
            (_, false) => "several entries match; name one by its anchor".to_owned(),
            (None, true) => "the directory has no such entry, and the state has no such user".to_owned(),
            (Some((_, status)), true) => format!("{}; {status}", describe_scope(entry.as_ref())),
        };
        Self { verdict, several, entry, account: account.map(|(account, _)| account).unwrap_or_default() }
    }
}

fn describe_scope(entry: Option<&EntryExplanation>) -> &'static str {
    match entry {
        None => "not in the directory",
        Some(EntryExplanation { in_scope: false, .. }) => "in the directory, but out of scope",
        Some(EntryExplanation { says: "invalid", .. }) => "in scope, but the entry cannot be mapped",
        Some(EntryExplanation { says: "disabled", .. }) => "in scope and disabled",
        Some(_) => "in scope",
    }
}

fn explain_entry(policy: &Policy, lookup: &EntryLookup, now: UnixSeconds) -> EntryExplanation {
    let EntryLookup { entry, scope, observation, .. } = lookup;
    let explained = explain_observation(&policy.rules, &entry.attributes, now);
    let (says, problem) = match observation {
        Observation::Valid(Desired::Present(user)) if user.active => ("active", None),
        Observation::Valid(Desired::Present(_)) => ("inactive", None),
        Observation::Valid(Desired::Absent { .. }) => ("disabled", None),
        Observation::Invalid(problem) => ("invalid", Some(problem.clone())),
    };
    EntryExplanation {
        anchor: entry.anchor.to_string(),
        dn: masked_dn(policy, entry),
        in_scope: scope.in_scope,
        scope: scope.conditions.clone(),
        says,
        problem,
        status: explained.status,
        expiry: explained.expiry,
        mapping: explained.mapping,
    }
}

fn masked_dn(policy: &Policy, entry: &Entry) -> String {
    let folded = entry.dn.to_lowercase();
    let sources = policy.rules.mapping.hidden_sources();
    let values = sources.iter().flat_map(|source| entry.attributes.all(source));
    let mut values = values.map(|value| String::from_utf8_lossy(value).trim().to_lowercase());
    let is_shown = values.any(|value| value.chars().count() >= SHORTEST_VALUE && folded.contains(&value));
    if is_shown { MASK.to_owned() } else { entry.dn.clone() }
}
