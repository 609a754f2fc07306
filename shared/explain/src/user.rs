//! Both sides of an explanation together, and the result.

use model::{Entry, UnixSeconds};
use plan::Policy;
use scan::{DirectorySearch, UserLookup};
use serde::Serialize;

use crate::entry::{EntryExplanation, MatchingEntry, TargetSearch, UserSearch, masked_dn};
use crate::explanation::AccountExplanation;
use crate::next_step::{OperatorStep, conclude};

/// All facts about one user.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The result in one line.
    pub result: String,
    /// What the operator does next.
    pub next: OperatorStep,
    /// The matching entries, where several match.
    pub several: Vec<MatchingEntry>,
    /// The search, where no entry matches.
    pub searched: Option<UserSearch>,
    /// The entry in the directory.
    pub entry: Option<EntryExplanation>,
    /// Record, account and decision.
    #[serde(flatten)]
    pub account: AccountExplanation,
}

impl Explanation {
    /// Joins both sides. The account side is `None` where no user was found.
    pub fn new(
        policy: &Policy,
        now: UnixSeconds,
        lookup: &UserLookup,
        account: Option<AccountExplanation>,
    ) -> Self {
        let (mut several, mut searched, mut entry) = (Vec::new(), None, None);
        match lookup {
            UserLookup::None { record: _, searched: DirectorySearch { base, attributes } } => {
                let (base, attributes) = (base.clone(), attributes.clone());
                searched = Some(UserSearch { base, attributes, target: TargetSearch::NotSearched });
            }
            UserLookup::Several(entries) => {
                let matching =
                    |it: &Entry| MatchingEntry { anchor: it.anchor.to_string(), dn: masked_dn(policy, it) };
                several = entries.iter().map(matching).collect();
            }
            UserLookup::One(lookup) => entry = Some(EntryExplanation::of(policy, lookup, now)),
        }
        let account = account.unwrap_or_default();
        let (result, next) = conclude(&several, searched.as_ref(), entry.as_ref(), &account);
        Self { result, next, several, searched, entry, account }
    }

    /// Adds the result of a search at the target.
    pub fn with_target(mut self, target: TargetSearch) -> Self {
        if let Some(searched) = &mut self.searched {
            searched.target = target;
        }
        let Self { several, searched, entry, account, .. } = &self;
        (self.result, self.next) = conclude(several, searched.as_ref(), entry.as_ref(), account);
        self
    }

    /// Whether the directory, the state or the target has the user.
    pub fn is_known(&self) -> bool {
        let is_unmanaged = |searched: &UserSearch| matches!(searched.target, TargetSearch::Unmanaged(_));
        self.entry.is_some()
            || self.account.record.is_some()
            || self.searched.as_ref().is_some_and(is_unmanaged)
    }

    /// Anchor of the entry, or of the record where there is no entry.
    pub fn anchor(&self) -> Option<&str> {
        let entry = self.entry.as_ref().map(|entry| entry.anchor.as_str());
        entry.or(self.account.record.as_ref().map(|record| record.anchor.as_str()))
    }
}
