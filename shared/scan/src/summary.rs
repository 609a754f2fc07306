//! The numbers of a scan.

use std::collections::BTreeMap;

use model::{HeldEffect, HeldRemovals, Status};
use plan::RemovalVerdict;
use serde::Serialize;
use serde_json::Value;
use store::CapacityUnits;

use crate::change_safeguard::{ChangeVerdict, HeldPlans};
use crate::read::ScanMode;
use crate::user_plan::{AccountEffect, UserPlan};

/// An entry without a usable anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnidentifiedEntry {
    /// The entry's DN, as far as it could be read.
    pub dn: String,
    /// What is wrong with the entry.
    pub why: String,
}

/// The numbers of a scan; most of them count users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    /// Version of the scan; 0 for a dry run.
    pub version: u64,
    /// How the directory was read.
    pub mode: ScanMode,
    /// Why all entries were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_reason: Option<String>,
    /// Entries in scope that were examined.
    pub read: u64,
    /// Entries that equal the snapshot.
    pub unchanged: u64,
    /// New or different entries, with records to write.
    pub changed: u64,
    /// Users that get an account: a new one, or an existing account with their user name.
    pub created: u64,
    /// Users with an account to update.
    pub updated: u64,
    /// Users with a released removal.
    pub deprovisioned: u64,
    /// Users in conflict over a user name.
    pub conflicts: u64,
    /// Users that took over the account or the user name of another entry.
    pub transferred: u64,
    /// Users with a held removal.
    pub held: u64,
    /// Users with a creation, an update or a transfer that waits for approval.
    pub held_changes: u64,
    /// Users of a first load, held or not; 0 once accounts follow a configuration.
    #[serde(skip)]
    pub first_load: u64,
    /// Effects above their limits, for which these users wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_effects: Vec<HeldEffect>,
    /// Users with a creation, update or removal that an option stops.
    pub skipped: u64,
    /// Users that the target refused or could not serve yet, or with an entry that can't be mapped.
    pub failed: u64,
    /// Failed users with an entry that can't be mapped.
    pub invalid: u64,
    /// Users with a stored record that can't be read. They are skipped.
    pub unreadable: u64,
    /// Users missing from the read that a search by anchor found in scope. Nothing is done for them.
    pub missed: u64,
    /// Provision requests that the queue did not take; a later scan sends them again.
    pub unsent: u64,
    /// Provision requests that were sent again for users due since an earlier scan.
    pub redriven: u64,
    /// Users that differ from the approved plan and are left to a later scan.
    #[serde(skip)]
    pub not_as_planned: u64,
    /// Entries that the read returned twice.
    pub duplicates: u64,
    /// Entries without a usable anchor.
    pub unidentified: u64,
    /// The first of these entries. They hold names, so they go into no log and no state.
    #[serde(skip)]
    pub unidentified_entries: Vec<UnidentifiedEntry>,
    /// Attributes of the mapping that no entry of a full read shows: they are misspelled, hidden or unused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absent_attributes: Vec<String>,
    /// Time of the scan's end, in seconds since 1970; 0 for a dry run.
    pub ended_at: i64,
    /// DynamoDB read units of the scan, rounded up.
    pub read_units: u64,
    /// DynamoDB write units of the scan, rounded up.
    pub write_units: u64,
    /// Records that were written, of any kind. A scan that ran out of time has made progress if there are any.
    #[serde(skip)]
    pub written: u64,
    /// Whether the read was complete. After an incomplete read no account is deprovisioned.
    pub complete: bool,
    /// Why the read was incomplete.
    pub incomplete: Option<String>,
    /// What has shown that the server's data is recent enough for removals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<String>,
    /// Whether the scan ran out of time. Its writes stand, and the next scan continues.
    pub out_of_time: bool,
    /// Housekeeping steps that failed after the save. The scan's writes stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub housekeeping_failures: Vec<String>,
}

/// Keys with values that stay the same from scan to scan while nothing changes.
const STANDING: [&str; 8] =
    ["complete", "incomplete", "held", "held_changes", "skipped", "conflicts", "failed", "unidentified"];

impl ScanSummary {
    /// Counts what a plan does to the user's account.
    pub fn count(&mut self, user: &UserPlan) {
        match user.account_effect() {
            None => {}
            Some(AccountEffect::Update) => self.updated += 1,
            Some(AccountEffect::Create) => self.created += 1,
        }
    }

    /// Counts the removals by the safeguard's verdict, and those that stay held.
    pub(crate) fn count_removals(&mut self, removals: &RemovalVerdict, kept: Option<HeldRemovals>) {
        let RemovalVerdict { released, held, skipped, cause: _ } = removals;
        let kept = kept.map_or(0, |kept| kept.count);
        (self.deprovisioned, self.held) = (released.len() as u64, kept.saturating_add(held.len() as u64));
        self.skipped = skipped.len() as u64;
    }

    /// Moves the changes that the safeguard holds from the planned ones to the held ones.
    pub(crate) fn take_verdict(&mut self, verdict: &ChangeVerdict) {
        let ChangeVerdict { plans: _, changes, held, first_load } = verdict;
        let HeldPlans { updates, creates, transfers, gone_transfers: _, users: _ } = held;
        self.updated = self.updated.saturating_sub(*updates);
        self.created = self.created.saturating_sub(*creates);
        self.held_changes = updates.saturating_add(*creates).saturating_add(*transfers);
        self.held_effects = changes.as_ref().map(|changes| changes.effects.clone()).unwrap_or_default();
        self.first_load = *first_load;
    }

    /// Takes the numbers of users by status.
    pub(crate) fn take_statuses(&mut self, statuses: &BTreeMap<String, u64>) {
        let count = |words: &[&str]| words.iter().filter_map(|word| statuses.get(*word)).sum::<u64>();
        self.invalid = count(&["invalid"]);
        self.failed = count(&Status::FAILED_WORDS);
        self.skipped = self.skipped.max(count(&["skipped"]));
    }

    /// Takes the units that the scan consumed.
    pub(crate) fn take_units(&mut self, consumed: CapacityUnits) {
        let CapacityUnits { reads, writes } = consumed;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number that is not negative"
        )]
        let whole = |units: f64| units.max(0.0).ceil() as u64;
        (self.read_units, self.write_units) = (whole(reads), whole(writes));
    }

    /// Whether the scan did something, or its standing numbers differ from those of the scan before. `before` is that
    /// scan's summary as it was stored.
    pub(crate) fn is_news(&self, before: Option<&Value>) -> bool {
        let Self { changed, created, updated, deprovisioned, transferred, .. } = *self;
        let done = [changed, created, updated, deprovisioned, transferred];
        let (Some(before), Ok(now)) = (before, serde_json::to_value(self)) else { return true };
        done.iter().any(|count| *count > 0) || STANDING.iter().any(|key| before.get(key) != now.get(key))
    }

    /// The numbers of a scan that had to stop before its end.
    pub(crate) fn out_of_time(self) -> Self {
        let why = "the scan ran out of time; the next scan continues";
        Self { complete: false, incomplete: Some(why.to_owned()), out_of_time: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scan_is_news_when_it_did_something_or_a_standing_number_changed() {
        let quiet = ScanSummary { version: 7, read: 9, held: 2, complete: true, ..ScanSummary::default() };
        let before = serde_json::to_value(&quiet).unwrap();
        let is_news = |summary: ScanSummary| summary.is_news(Some(&before));
        assert!(quiet.is_news(None), "the first one");
        assert!(!is_news(ScanSummary { version: 8, mode: ScanMode::Full, read: 10, ..quiet.clone() }));
        for news in [
            ScanSummary { updated: 1, ..quiet.clone() },
            ScanSummary { deprovisioned: 1, ..quiet.clone() },
            ScanSummary { held: 3, ..quiet.clone() },
            ScanSummary { failed: 1, ..quiet.clone() },
            ScanSummary { complete: false, incomplete: Some("a limit".into()), ..quiet.clone() },
        ] {
            assert!(is_news(news.clone()), "{news:?}");
        }
    }

    /// A key that no summary has would never differ.
    #[test]
    fn standing_keys_are_keys_of_a_summary() {
        let summary = serde_json::to_value(ScanSummary::default()).unwrap();
        assert_eq!(STANDING.iter().find(|key| summary.get(key).is_none()), None);
    }
}
