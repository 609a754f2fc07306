//! Planning page by page while the directory is read. Nothing is written here.

use std::collections::{BTreeMap, HashMap, HashSet};

use directory::ReadItem;
use model::{Anchor, AnchorHash, CompleteRead, IncompleteRead, SafeguardMemory, UserName};
use plan::{EntryChange, EntryDiff, RecordPlan, RemovalCandidate, SnapshotDiff, plan_change};
use store::{ReadableRecords, Snapshot};

use crate::change_safeguard::ChangeSafeguard;
use crate::names::NameClaims;
use crate::read::{Checkpoint, ScanRead};
use crate::user_plan::{PagePlan, SnapshotEffect, UserPlan};
use crate::{ScanContext, ScanError, ScanSummary, UnidentifiedEntry};

/// Unidentified entries that a summary names.
const UNIDENTIFIED_SHOWN: usize = 20;

/// Yields the plan of each page as it is read.
pub struct PagePlanner<'a, 'd> {
    context: ScanContext<'a>,
    read: ScanRead<'d>,
    memory: SafeguardMemory,
    safeguard: ChangeSafeguard,
    findings: ReadFindings<'a>,
    /// Whether the last page had plans, held ones included.
    page_has_plans: bool,
    broken_off: Option<IncompleteRead>,
}

/// A read that has ended, with everything that the final plan is made from.
pub struct FinishedRead<'a> {
    pub(crate) context: ScanContext<'a>,
    pub(crate) memory: SafeguardMemory,
    pub(crate) safeguard: ChangeSafeguard,
    pub(crate) findings: ReadFindings<'a>,
    pub(crate) verdict: Result<CompleteRead, IncompleteRead>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) is_same_query: bool,
}

/// What the pages have shown.
pub(crate) struct ReadFindings<'a> {
    pub diff: SnapshotDiff<'a>,
    pub names: NameClaims,
    /// Users with a plan in this scan.
    pub planned: HashSet<AnchorHash>,
    /// Removals, judged together at the end.
    pub removals: Vec<PlannedRemoval>,
    /// Users in conflict over a name.
    pub conflicts: Vec<UserPlan>,
    /// Users with several entries. None of the entries decides about the account.
    pub duplicates: BTreeMap<AnchorHash, Anchor>,
    /// Users that are planned by the next scan, because their creation is under way.
    pub postponed: usize,
    /// Whether held and skipped users stay as they are.
    pub keeps_waiting: bool,
    pub summary: ScanSummary,
}

/// A removal that the safeguard has not judged yet.
pub(crate) struct PlannedRemoval {
    pub candidate: RemovalCandidate,
    /// What the snapshot holds once the removal is released.
    pub snapshot: SnapshotEffect,
}

impl<'a, 'd> PagePlanner<'a, 'd> {
    /// Starts to plan. `memory` and `snapshot` are those that the read began from.
    pub fn new(
        context: &ScanContext<'a>,
        memory: &SafeguardMemory,
        snapshot: &'a Snapshot,
        read: ScanRead<'d>,
    ) -> Self {
        let (now, policy) = ((context.clock)(), context.policy);
        let summary = ScanSummary {
            mode: read.mode(),
            full_reason: read.full_reason.clone(),
            ..ScanSummary::default()
        };
        let findings = ReadFindings {
            diff: SnapshotDiff::new(&policy.rules, snapshot.pairs(), now),
            names: NameClaims::default(),
            planned: HashSet::new(),
            removals: Vec::new(),
            conflicts: Vec::new(),
            duplicates: BTreeMap::new(),
            postponed: 0,
            keeps_waiting: read.keeps_waiting,
            summary,
        };
        Self {
            context: *context,
            read,
            memory: memory.clone(),
            safeguard: ChangeSafeguard::new(policy, memory, snapshot.users(), now),
            findings,
            page_has_plans: false,
            broken_off: None,
        }
    }

    /// Whether a first load passes, because an administrator has approved it or only looks at it.
    pub fn allow_first_load(&mut self, is_allowed: bool) {
        self.safeguard.allow_first_load(is_allowed);
    }

    /// The numbers so far.
    pub fn summary(&self) -> &ScanSummary {
        &self.findings.summary
    }

    /// The plan of the next page; `None` after the last page, whether the read was complete or broke off.
    pub async fn next_page(&mut self) -> Result<Option<PagePlan>, ScanError> {
        let items = match self.read.next_page().await {
            Ok(Some(items)) => items,
            Ok(None) => return Ok(None),
            Err(incomplete) => {
                self.broken_off = Some(incomplete);
                return Ok(None);
            }
        };
        let store = self.context.store;
        let changes = self.findings.compare(items);
        let hashes: Vec<AnchorHash> = changes.iter().map(|change| change.anchor.hash()).collect();
        let records = store.fetch_readable_records(&hashes).await?;
        let mut users = self.findings.plan(changes, records);
        let names: Vec<UserName> = users.iter().filter_map(UserPlan::new_user_name).cloned().collect();
        let owners = store.fetch_name_owners(&names, (self.context.clock)()).await?;
        self.findings.check_names(&mut users, &owners);
        users.retain(|user| !user.awaits_creation());
        self.page_has_plans = !users.is_empty();
        Ok(Some(self.safeguard.check_page(users)))
    }

    /// The checkpoint to store before the last page is written; `None` if it has no plans, or the store has it already.
    pub(crate) async fn checkpoint_before_writes(&mut self) -> Option<Checkpoint> {
        if self.page_has_plans { self.read.checkpoint_before_writes().await } else { None }
    }

    /// Ends the read.
    pub async fn finish(self) -> FinishedRead<'a> {
        let Self { context, read, memory, mut safeguard, mut findings, broken_off, .. } = self;
        safeguard.withdraw(&findings.duplicates);
        findings.withdraw_duplicates();
        // Where no account is locked, no entry shows the attribute of the status.
        let status = context.policy.rules.status.attribute();
        let absent = read.absent_attributes().into_iter().filter(|name| Some(name.as_str()) != status);
        findings.summary.absent_attributes = absent.collect();
        for attribute in &findings.summary.absent_attributes {
            tracing::warn!(attribute, "no entry in scope shows an attribute of the mapping");
        }
        let is_same_query = read.is_same_query;
        let (verdict, checkpoint) = read.finish().await;
        let verdict = match broken_off {
            Some(incomplete) => Err(incomplete),
            None => verdict,
        };
        FinishedRead { context, memory, safeguard, findings, verdict, checkpoint, is_same_query }
    }
}

impl ReadFindings<'_> {
    /// The entries of a page that are new or differ from the snapshot.
    fn compare(&mut self, items: Vec<ReadItem>) -> Vec<EntryChange> {
        let mut changes = Vec::new();
        for item in items {
            let entry = match item {
                ReadItem::Entry(entry) => entry,
                ReadItem::Unidentified { dn, why } => {
                    self.note_unidentified(dn, why);
                    continue;
                }
            };
            match self.diff.compare(&entry) {
                EntryDiff::Unchanged => {
                    self.summary.read += 1;
                    self.summary.unchanged += 1;
                }
                EntryDiff::Changed(change) => {
                    self.summary.read += 1;
                    changes.push(*change);
                }
                EntryDiff::Repeated => self.summary.duplicates += 1,
                EntryDiff::Duplicate(anchor) => {
                    self.summary.duplicates += 1;
                    tracing::warn!(
                        user.anchor = %anchor,
                        "several entries have this anchor; none of them changes the account"
                    );
                    let hash = anchor.hash();
                    changes.retain(|change: &EntryChange| change.anchor != anchor);
                    self.planned.insert(hash);
                    self.duplicates.insert(hash, anchor);
                }
            }
        }
        changes
    }

    /// Takes back what earlier pages planned for users with several entries.
    fn withdraw_duplicates(&mut self) {
        let duplicates = &self.duplicates;
        let is_kept = |anchor: &Anchor| !duplicates.contains_key(&anchor.hash());
        self.removals.retain(|removal| is_kept(&removal.candidate.anchor));
        self.conflicts.retain(|user| is_kept(&user.anchor));
    }

    fn note_unidentified(&mut self, dn: String, why: String) {
        self.summary.unidentified += 1;
        // Where one entry lacks the anchor attribute all may, so only the first ones are logged and named.
        if self.summary.unidentified_entries.len() < UNIDENTIFIED_SHOWN {
            tracing::warn!(
                "an entry can't be identified: {why}; no accounts will be deprovisioned after this read"
            );
            self.summary.unidentified_entries.push(UnidentifiedEntry { dn, why });
        }
    }

    /// Plans the changed entries of a page; removals are kept for the end.
    fn plan(
        &mut self,
        changes: Vec<EntryChange>,
        ReadableRecords { mut records, unreadable }: ReadableRecords,
    ) -> Vec<UserPlan> {
        let mut users = Vec::with_capacity(changes.len());
        for mut change in changes {
            let hash = change.anchor.hash();
            if unreadable.contains(&hash) {
                self.summary.unreadable += 1;
                continue;
            }
            let record = records.remove(&hash);
            self.diff.keep_recorded(&mut change, record.as_ref());
            let plan = plan_change(&change, record.as_ref());
            if plan != RecordPlan::Nothing {
                self.planned.insert(hash);
            }
            let snapshot = SnapshotEffect::Set(change.fingerprint);
            match plan {
                RecordPlan::Remove(candidate) => self.removals.push(PlannedRemoval { candidate, snapshot }),
                plan => {
                    let EntryChange { anchor, dn, .. } = change;
                    users.push(UserPlan { anchor, dn: Some(dn), record, plan, conflict: None, snapshot });
                }
            }
        }
        users
    }

    fn check_names(&mut self, users: &mut [UserPlan], owners: &HashMap<String, Anchor>) {
        self.names.mark_conflicts(users, owners);
        let (postponed, users): (Vec<&UserPlan>, Vec<&UserPlan>) =
            users.iter().partition(|user| user.awaits_creation());
        self.postponed += postponed.len();
        self.conflicts.extend(users.iter().filter(|user| user.conflict.is_some()).copied().cloned());
        users.into_iter().for_each(|user| self.summary.count(user));
    }
}
