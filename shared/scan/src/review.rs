//! Review of a read that has ended: users missing from it are looked up once more, and held and skipped users are planned again.

use std::collections::HashSet;

use directory::{DepartureCheck, Directory};
use model::{
    AnchorHash, CompleteRead, DeprovisionReason, DisabledOption, IncompleteRead, RemovalSet, Status,
    UserRecord,
};
use plan::{RecordPlan, plan_departure, plan_held, status_for};
use store::ReadableRecords;

use crate::page_plan::{PlannedRemoval, ReadFindings};
use crate::read::Checkpoint;
use crate::user_plan::{SnapshotEffect, UserPlan};
use crate::{ScanContext, ScanError, ScanMode};

/// Users that are looked up at once.
const BATCH: usize = 100;

/// Snapshot size from which a read that shows none of the known users, but others, is of another directory.
const MISMATCH_FROM: usize = 3;

/// The review of a read, complete or not.
pub(crate) struct ReviewOutcome {
    pub review: Review,
    /// The proof, or why the read proves nothing about the users missing from it.
    pub proof: Result<CompleteRead, String>,
    pub checkpoint: Option<Checkpoint>,
}

impl ReviewOutcome {
    fn incomplete(why: String, checkpoint: Option<Checkpoint>) -> Self {
        Self { review: Review::default(), proof: Err(why), checkpoint }
    }
}

/// Reviews the users missing from a complete or doubtful read. `None`: the scan is out of time.
pub(crate) async fn review_read(
    directory: &mut Directory,
    verdict: Result<CompleteRead, IncompleteRead>,
    (context, findings, checkpoint): (&ScanContext<'_>, &ReadFindings<'_>, Checkpoint),
) -> Result<Option<ReviewOutcome>, ScanError> {
    let departed = match &verdict {
        Ok(proof) => findings.diff.departed(proof),
        Err(IncompleteRead::Doubtful(read)) => findings.diff.doubtful(read),
        Err(error @ IncompleteRead::Behind(_)) => {
            let why = checkpoint.with_acceptance(error);
            return Ok(Some(ReviewOutcome::incomplete(why, Some(checkpoint))));
        }
        Err(error) => {
            // An incremental read that was refused would be refused again.
            let is_refused = findings.summary.mode == ScanMode::Incremental && !checkpoint.is_resumable();
            let checkpoint = is_refused.then_some(checkpoint);
            return Ok(Some(ReviewOutcome::incomplete(error.to_string(), checkpoint)));
        }
    };
    let review = match review(context, directory, findings, departed).await {
        Ok(Some(review)) => review,
        Ok(None) => return Ok(None),
        Err(ScanError::Directory(error)) => {
            return Ok(Some(ReviewOutcome::incomplete(error.to_string(), None)));
        }
        Err(error) => return Err(error),
    };
    let doubtful = match verdict {
        Ok(proof) => {
            return Ok(Some(ReviewOutcome { review, proof: Ok(proof), checkpoint: Some(checkpoint) }));
        }
        Err(IncompleteRead::Doubtful(read)) => read,
        Err(error) => return Ok(Some(ReviewOutcome::incomplete(error.to_string(), None))),
    };
    let removals = review.removal_set(findings);
    Ok(Some(match doubtful.confirm(removals) {
        Ok(proof) => ReviewOutcome { review, proof: Ok(proof), checkpoint: Some(checkpoint.confirmed()) },
        Err(doubtful) => {
            let wait = format!("{doubtful}; {} removals wait for {}", removals.count, doubtful.awaits());
            let checkpoint = checkpoint.doubted(removals);
            ReviewOutcome::incomplete(checkpoint.with_acceptance(&wait), Some(checkpoint))
        }
    }))
}

/// Plans for users that the pages did not show, or showed unchanged.
#[derive(Default)]
pub(crate) struct Review {
    pub removals: Vec<PlannedRemoval>,
    pub users: Vec<UserPlan>,
    pub unrecorded: Vec<AnchorHash>,
    pub planned: HashSet<AnchorHash>,
    /// Number of users in the snapshot that are missing from the read.
    departed: usize,
    /// Users in scope that are missing from the read.
    pub missed: u64,
    /// Users with a record that can't be read.
    pub unreadable: u64,
    /// Whether the directory still has any of the users missing from the read.
    pub has_known: bool,
}

/// Reviews departed and waiting users, in batches. `None`: the scan is out of time.
async fn review(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    findings: &ReadFindings<'_>,
    departed: Vec<AnchorHash>,
) -> Result<Option<Review>, ScanError> {
    let mut review = Review { departed: departed.len(), ..Review::default() };
    let mut check = directory.check_departures();
    for hashes in departed.chunks(BATCH) {
        if context.is_out_of_time() {
            return Ok(None);
        }
        let ReadableRecords { records, unreadable } = context.store.fetch_readable_records(hashes).await?;
        review.unreadable += unreadable.len() as u64;
        let is_unrecorded = |hash: &&AnchorHash| !records.contains_key(hash) && !unreadable.contains(hash);
        review.unrecorded.extend(hashes.iter().filter(is_unrecorded));
        review.take_unseen(&mut check, records.into_values().collect()).await?;
    }
    let waiting: &[&str] = if findings.keeps_waiting { &[] } else { &["held", "skipped"] };
    for word in waiting {
        let mut after = None;
        loop {
            if context.is_out_of_time() {
                return Ok(None);
            }
            let page = context.store.fetch_by_status(word, after, BATCH).await?;
            let unseen = review.take_waiting(context, findings, page.items);
            let unseen = unseen.into_iter().filter(|record| {
                // Users in the snapshot were looked up above.
                departed.binary_search(&record.anchor.hash()).is_err()
            });
            review.take_unseen(&mut check, unseen.collect()).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(Some(review))
}

impl Review {
    fn take(&mut self, record: UserRecord, plan: RecordPlan, snapshot: SnapshotEffect) {
        match plan {
            RecordPlan::Remove(candidate) => self.removals.push(PlannedRemoval { candidate, snapshot }),
            plan => self.users.push(UserPlan::of_record(record, plan, snapshot)),
        }
    }

    /// Plans users missing from the read. Each is looked up once more: the read may have missed the entry.
    async fn take_unseen(
        &mut self,
        check: &mut DepartureCheck<'_>,
        records: Vec<UserRecord>,
    ) -> Result<(), ScanError> {
        let anchors: Vec<_> = records.iter().map(|record| record.anchor.clone()).collect();
        let reasons = check.departures(&anchors).await?;
        for record in records {
            let reason = reasons.get(&record.anchor);
            self.has_known |= reason != Some(&DeprovisionReason::Deleted);
            match reason {
                Some(reason) => {
                    self.planned.insert(record.anchor.hash());
                    let plan = plan_departure(&record, *reason);
                    self.take(record, plan, SnapshotEffect::Remove);
                }
                None => self.missed += 1,
            }
        }
        Ok(())
    }

    /// Plans held and skipped users. Returns those missing from the read.
    fn take_waiting(
        &mut self,
        context: &ScanContext<'_>,
        findings: &ReadFindings<'_>,
        records: Vec<UserRecord>,
    ) -> Vec<UserRecord> {
        let mut unseen = Vec::new();
        for record in records {
            let hash = record.anchor.hash();
            if findings.planned.contains(&hash) || self.planned.contains(&hash) {
                continue;
            }
            if !findings.diff.has_seen(&hash) {
                unseen.push(record);
                continue;
            }
            self.planned.insert(hash);
            let plan = match &record.status {
                Status::Skipped { option } if *option != DisabledOption::Deprovision => {
                    resume(&record, *option, context)
                }
                _ => plan_held(&record),
            };
            self.take(record, plan, SnapshotEffect::Keep);
        }
        unseen
    }

    /// All users that leave by this read.
    fn removal_set(&self, findings: &ReadFindings<'_>) -> RemovalSet {
        let removals = findings.removals.iter().chain(&self.removals);
        let removals = removals.map(|removal| removal.candidate.anchor.hash());
        let inactive = self.users.iter().filter(|user| user.snapshot == SnapshotEffect::Remove);
        RemovalSet::of(removals.chain(inactive.map(|user| user.anchor.hash())).collect())
    }

    /// Whether a full read showed none of the known users, but others. Then it is of another directory, or the anchor
    /// attribute was changed.
    pub fn shows_another_directory(&self, findings: &ReadFindings<'_>) -> bool {
        findings.summary.mode == ScanMode::Full
            && self.departed == findings.diff.known()
            && self.departed >= MISMATCH_FROM
            && findings.summary.read > 0
    }
}

/// A user skipped by `create` or `update` goes on once the option is on again.
fn resume(record: &UserRecord, by: DisabledOption, context: &ScanContext<'_>) -> RecordPlan {
    let options = &context.policy.options;
    let is_on = match by {
        DisabledOption::Create => options.may_create(),
        DisabledOption::Update => options.may_update(),
        DisabledOption::Deprovision => options.may_deprovision(),
    };
    match &record.desired {
        Some(desired) if is_on => RecordPlan::SetStatus(status_for(desired, Some(record))),
        _ => RecordPlan::Nothing,
    }
}
