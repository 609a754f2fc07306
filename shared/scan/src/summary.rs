//! What a scan found, in numbers.

use std::collections::BTreeMap;

use model::Desired;
use plan::RecordPlan;
use serde::Serialize;
use serde_json::Value;
use store::CapacityUnits;

use crate::{ScanMode, UserPlan};

/// An entry that can't be identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnidentifiedEntry {
    /// Where it is, as far as that could be read.
    pub dn: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a scan found, in numbers of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ScanSummary {
    /// Which scan this was; nought for one that wrote nothing.
    pub version: u64,
    /// How the directory was read.
    pub mode: ScanMode,
    /// Why everybody was read, where that was not the only way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_reason: Option<String>,
    /// In scope, and looked at.
    pub read: u64,
    /// As at the last scan.
    pub unchanged: u64,
    /// New or different, and written down.
    pub changed: u64,
    /// Who is to get an account: a new one, or one of that name that is there already.
    pub created: u64,
    /// Whose account is to be brought up to date.
    pub updated: u64,
    /// Whose removal was released.
    pub deprovisioned: u64,
    /// Whose user name another entry has.
    pub conflicts: u64,
    /// Who took over the account of an entry that was made anew.
    pub transferred: u64,
    /// Whose removal waits for a person.
    pub held: u64,
    /// Whose creation or update waits for a person, because the configuration was changed and would touch too many.
    pub held_changes: u64,
    /// Whose removal, creation or update an option stops.
    pub skipped: u64,
    /// Whom the target refused, or could not serve yet, or of whom the mapping can make nothing.
    pub failed: u64,
    /// Of those, not to be had by the mapping.
    pub invalid: u64,
    /// Whom the read missed although they are in scope, as a look-up by anchor showed. They are left as they are.
    pub missed: u64,
    /// Wake-ups that the queue did not take; a later scan sends them again.
    pub unsent: u64,
    /// Who was due from before and was announced once more.
    pub redriven: u64,
    /// Who was not as in the plan that was agreed on, and is left to a later scan.
    #[serde(skip)]
    pub not_as_planned: u64,
    /// Entries that came twice.
    pub duplicates: u64,
    /// Entries without a usable anchor.
    pub unidentified: u64,
    /// The first of them, for whoever reads the answer. They name persons, so they go into no log and no state.
    #[serde(skip)]
    pub unidentified_entries: Vec<UnidentifiedEntry>,
    /// DynamoDB's read units that it took, rounded up.
    pub read_units: u64,
    /// Its write units.
    pub write_units: u64,
    /// Whether the read saw everybody. If not, nobody was removed.
    pub complete: bool,
    /// Why it did not.
    pub incomplete: Option<String>,
    /// Whether time ran out. What was written stands, and another scan does the rest.
    pub out_of_time: bool,
}

/// What one scan finds like the next as long as nothing happens.
const STANDING: [&str; 8] =
    ["complete", "incomplete", "held", "held_changes", "skipped", "conflicts", "failed", "unidentified"];

/// What is about to be done to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Create,
    Update,
}

impl UserPlan {
    /// What is about to be done to this user's account, removals and conflicts aside.
    pub(crate) fn touch(&self) -> Option<Touch> {
        let Self { record, plan, conflict, .. } = self;
        let known = record.as_ref().and_then(|record| record.desired.as_ref());
        let (desired, status) = match plan {
            RecordPlan::SetDesired { desired, status } => (Some(desired), status),
            RecordPlan::SetStatus(status) => (known, status),
            RecordPlan::Nothing | RecordPlan::Remove(_) => return None,
        };
        if conflict.is_some() || !status.is_due() || !matches!(desired, Some(Desired::Present(_))) {
            return None;
        }
        let has_account = record.as_ref().is_some_and(|record| record.link.is_some());
        Some(if has_account { Touch::Update } else { Touch::Create })
    }
}

impl ScanSummary {
    /// Counts what is to be done for a user.
    pub fn count(&mut self, user: &UserPlan) {
        match user.touch() {
            None => {}
            Some(Touch::Update) => self.updated += 1,
            Some(Touch::Create) => self.created += 1,
        }
    }

    /// Takes out what a changed configuration has to wait with.
    pub(crate) fn hold_changes(&mut self, updates: u64, creates: u64) {
        self.updated = self.updated.saturating_sub(updates);
        self.created = self.created.saturating_sub(creates);
        self.held_changes = updates.saturating_add(creates);
    }

    /// Takes over how many users stand where, by the words of their statuses.
    pub(crate) fn take_statuses(&mut self, statuses: &BTreeMap<String, u64>) {
        let count = |words: &[&str]| words.iter().filter_map(|word| statuses.get(*word)).sum::<u64>();
        self.invalid = count(&["invalid"]);
        self.failed = count(&["retrying", "failed", "invalid"]);
        self.skipped = self.skipped.max(count(&["skipped"]));
    }

    /// Takes over what was consumed of the table.
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

    /// Whether there is something to tell that the scan before it did not: something was done, or other users wait, or the
    /// directory could be read less well. `before` is that scan's summary as it was stored.
    pub(crate) fn is_news(&self, before: Option<&Value>) -> bool {
        let Self { changed, created, updated, deprovisioned, transferred, .. } = *self;
        let done = [changed, created, updated, deprovisioned, transferred];
        let (Some(before), Ok(now)) = (before, serde_json::to_value(self)) else { return true };
        done.iter().any(|count| *count > 0) || STANDING.iter().any(|key| before.get(key) != now.get(key))
    }

    /// The numbers of a scan that had to stop before its end.
    pub(crate) fn out_of_time(self) -> Self {
        let why = "time ran out before everybody was read; another scan does the rest";
        Self { complete: false, incomplete: Some(why.to_owned()), out_of_time: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_news_when_it_did_something_or_others_wait() {
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

    /// The words are those of the summary, and a word of another kind would never differ.
    #[test]
    fn what_is_compared_is_in_a_summary() {
        let summary = serde_json::to_value(ScanSummary::default()).unwrap();
        assert_eq!(STANDING.iter().find(|key| summary.get(key).is_none()), None);
    }
}
