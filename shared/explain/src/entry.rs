//! The entry side of an explanation: scope, account status, mapping; and both sides together.
//!
//! Masked values are replaced, and so are the directory values that they are made of.

use directory::ScopeCondition;
use model::{Desired, Entry, UnixSeconds};
use plan::mapping::{AttributeExplained, MASK, RecordedValues};
use plan::{ExpiryExplained, Observation, Policy, StatusExplained, explain_observation};
use scan::{EntryLookup, UserLookup};
use serde::Serialize;

use crate::explanation::AccountExplanation;

/// Shorter values occur in too many DNs to identify a user.
const SHORTEST_VALUE: usize = 3;

/// All facts about one user.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The explanation in one sentence.
    pub verdict: String,
    /// Anchors of the matching entries, where several match.
    pub several: Vec<String>,
    /// The entry in the directory.
    pub entry: Option<EntryExplanation>,
    /// Record, account and decision.
    #[serde(flatten)]
    pub account: AccountExplanation,
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

impl Explanation {
    /// Joins both sides. The account side is `None` where no user was found.
    pub fn new(
        policy: &Policy,
        now: UnixSeconds,
        lookup: &UserLookup,
        account: Option<AccountExplanation>,
    ) -> Self {
        let (entry, several) = match lookup {
            UserLookup::None(_) => (None, Vec::new()),
            UserLookup::Several(anchors) => (None, anchors.iter().map(ToString::to_string).collect()),
            UserLookup::One(lookup) => (Some(EntryExplanation::of(policy, lookup, now)), Vec::new()),
        };
        let verdict = match &account {
            _ if !several.is_empty() => "several entries match; name one by its anchor".to_owned(),
            None => "the directory has no such entry, and the state has no such user".to_owned(),
            Some(account) => {
                let entry = entry.as_ref().map_or("not in the directory", EntryExplanation::verdict);
                format!("{entry}; {}", account.status())
            }
        };
        Self { verdict, several, entry, account: account.unwrap_or_default() }
    }

    /// Anchor of the entry, or of the record where there is no entry.
    pub fn anchor(&self) -> Option<&str> {
        let entry = self.entry.as_ref().map(|entry| entry.anchor.as_str());
        entry.or(self.account.record.as_ref().map(|record| record.anchor.as_str()))
    }
}

impl EntryExplanation {
    /// Explains an entry.
    fn of(policy: &Policy, lookup: &EntryLookup, now: UnixSeconds) -> Self {
        let EntryLookup { entry, scope, observation, record, .. } = lookup;
        let recorded = record.as_ref().map(RecordedValues::of).unwrap_or_default();
        let explained = explain_observation(&policy.rules, &entry.attributes, now, recorded);
        let (desired, problem) = match observation {
            Observation::Valid(Desired::Present(user)) if user.active => ("active", None),
            Observation::Valid(Desired::Present(_)) => ("inactive", None),
            Observation::Valid(Desired::Absent { .. }) => ("disabled", None),
            Observation::Invalid(problem) => ("invalid", Some(problem.clone())),
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

    /// Scope and mapping in a phrase.
    fn verdict(&self) -> &'static str {
        match self.desired {
            _ if !self.in_scope => "in the directory, but out of scope",
            "invalid" => "in scope, but the entry cannot be mapped",
            "disabled" => "in scope and disabled",
            _ => "in scope",
        }
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
