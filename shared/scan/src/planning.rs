//! Reading and planning, page by page. Nothing is written here.

use std::collections::HashSet;

use directory::ReadItem;
use model::{Anchor, AnchorHash, CompleteRead, DnKey, Fingerprint, IncompleteRead, UnixSeconds, UserRecord};
use plan::{EntryChange, EntryDiff, RecordPlan, RemovalCandidate, SnapshotDiff, plan_change};
use store::{Snapshot, Store};

use crate::names::Names;
use crate::reading::{Checkpoint, Reading};
use crate::{ScanContext, ScanError, ScanSummary, UnidentifiedEntry};

/// One user whom this scan is about to change.
#[derive(Clone, Debug)]
pub struct UserPlan {
    /// The entry.
    pub anchor: Anchor,
    /// Where it is.
    pub dn: Option<DnKey>,
    /// What was remembered before.
    pub record: Option<UserRecord>,
    /// What the record will say.
    pub plan: RecordPlan,
    /// The other entry that has the user name.
    pub conflict: Option<Anchor>,
    /// What the next snapshot holds for this user once the plan is applied.
    pub(crate) snapshot: InSnapshot,
}

/// What the next snapshot holds for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InSnapshot {
    /// The same as the last one.
    AsItWas,
    /// This.
    Is(Fingerprint),
    /// Nothing: the user is out of scope.
    Gone,
}

/// How many entries that can't be identified are named.
const UNIDENTIFIED_SHOWN: usize = 20;

/// A read in progress, planned as it goes.
pub struct Planning<'a, 'd> {
    reading: Reading<'d>,
    store: &'a Store,
    clock: fn() -> UnixSeconds,
    seen: Seen<'a>,
    broken: Option<IncompleteRead>,
}

/// What a read has found so far, and is needed at its end.
pub struct Seen<'a> {
    pub(crate) planner: SnapshotDiff<'a>,
    pub(crate) names: Names,
    /// Users of whom something is planned already.
    pub(crate) handled: HashSet<AnchorHash>,
    /// Removals to be judged at the end, with what the snapshot would hold then.
    pub(crate) candidates: Vec<(RemovalCandidate, InSnapshot)>,
    /// Users whose name another entry has.
    pub(crate) conflicts: Vec<UserPlan>,
    /// The numbers.
    pub summary: ScanSummary,
    /// Whether the read before was of the same directory, and asked the same.
    pub(crate) asks_again: bool,
    /// Where the next scan may go on.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl<'a, 'd> Planning<'a, 'd> {
    /// Starts planning from the last snapshot.
    pub fn new(context: &ScanContext<'a>, snapshot: &'a Snapshot, reading: Reading<'d>) -> Self {
        let now = (context.clock)();
        let summary = ScanSummary {
            mode: reading.mode(),
            full_reason: reading.full_reason.clone(),
            ..ScanSummary::default()
        };
        let seen = Seen {
            planner: SnapshotDiff::new(&context.policy.rules, snapshot.pairs(), now),
            names: Names::default(),
            handled: HashSet::new(),
            candidates: Vec::new(),
            conflicts: Vec::new(),
            summary,
            asks_again: reading.asks_again,
            checkpoint: None,
        };
        Self { reading, store: context.store, clock: context.clock, seen, broken: None }
    }

    /// The numbers so far.
    pub fn summary(&self) -> &ScanSummary {
        &self.seen.summary
    }

    /// Plans the next page. `None` is the end of the read, whether it was complete or broke off.
    pub async fn next(&mut self) -> Result<Option<Vec<UserPlan>>, ScanError> {
        let sightings = match self.reading.next_page().await {
            Ok(Some(sightings)) => sightings,
            Ok(None) => return Ok(None),
            Err(incomplete) => {
                self.broken = Some(incomplete);
                return Ok(None);
            }
        };
        let changes = self.seen.look_at(sightings);
        let hashes: Vec<AnchorHash> = changes.iter().map(|change| change.anchor.hash()).collect();
        let mut records = self.store.fetch_records(&hashes).await?;
        let mut users = Vec::with_capacity(changes.len());
        for (change, hash) in changes.into_iter().zip(hashes) {
            let record = records.remove(&hash);
            let plan = plan_change(&change, record.as_ref());
            if plan != RecordPlan::Nothing {
                self.seen.handled.insert(hash);
            }
            let snapshot = InSnapshot::Is(change.fingerprint);
            match plan {
                RecordPlan::Remove(candidate) => self.seen.candidates.push((candidate, snapshot)),
                plan => {
                    let EntryChange { anchor, dn, .. } = change;
                    users.push(UserPlan { anchor, dn: Some(dn), record, plan, conflict: None, snapshot });
                }
            }
        }
        self.seen.names.find_conflicts(self.store, &mut users, (self.clock)()).await?;
        self.seen.conflicts.extend(users.iter().filter(|user| user.conflict.is_some()).cloned());
        users.iter().for_each(|user| self.seen.summary.count(user));
        Ok(Some(users))
    }

    /// What has to be remembered before anything of what was planned so far is written.
    pub(crate) async fn before_writing(&mut self) -> Option<Checkpoint> {
        self.reading.before_writing().await
    }

    /// Ends the read and says whether it saw everybody.
    pub async fn finish(self) -> (Seen<'a>, Result<CompleteRead, IncompleteRead>) {
        let Self { reading, mut seen, broken, .. } = self;
        let (verdict, checkpoint) = reading.finish().await;
        let verdict = match broken {
            Some(incomplete) => Err(incomplete),
            None => verdict,
        };
        // Who is missing on another server is not judged, but what changes on it from here on can be asked for.
        let goes_on = matches!(verdict, Ok(_) | Err(IncompleteRead::AnotherServer));
        seen.checkpoint = goes_on.then_some(checkpoint);
        seen.summary.complete = verdict.is_ok();
        seen.summary.incomplete = verdict.as_ref().err().map(ToString::to_string);
        (seen, verdict)
    }
}

impl Seen<'_> {
    /// Whether something was planned for this user in this scan.
    pub fn was_handled(&self, hash: &AnchorHash) -> bool {
        self.handled.contains(hash)
    }

    fn look_at(&mut self, sightings: Vec<ReadItem>) -> Vec<EntryChange> {
        let mut changes = Vec::new();
        for sighting in sightings {
            let entry = match sighting {
                ReadItem::Entry(entry) => entry,
                ReadItem::Unidentified { dn, why } => {
                    self.summary.unidentified += 1;
                    // Where one lacks the id, all may, and the first few tell as much.
                    if self.summary.unidentified_entries.len() < UNIDENTIFIED_SHOWN {
                        tracing::warn!(
                            "an entry can't be identified: {why}; nobody is removed after this read"
                        );
                        self.summary.unidentified_entries.push(UnidentifiedEntry { dn, why });
                    }
                    continue;
                }
            };
            match self.planner.compare(&entry) {
                EntryDiff::Unchanged => {
                    self.summary.read += 1;
                    self.summary.unchanged += 1;
                }
                EntryDiff::Changed(change) => {
                    self.summary.read += 1;
                    changes.push(*change);
                }
                EntryDiff::Duplicate(anchor) => {
                    self.summary.duplicates += 1;
                    tracing::warn!(user.anchor = %anchor, "the same anchor came twice in one read; the first counts");
                }
            }
        }
        changes
    }
}
