//! The plan of a scan's end: removals, transfers and held changes, which can only be judged once the read has ended.
//!
//! After a complete read, users missing from the read are looked up once more by anchor, and held removals are judged
//! again. After an incomplete read no user is removed and no user counts as gone; a conflict is resolved only if the other
//! entry was known to be gone before.

use std::collections::{HashMap, HashSet};

use directory::{DepartureCheck, Directory};
use model::{
    AnchorHash, ChangeApproval, CompleteRead, DeprovisionReason, DisabledOption, HeldChanges, HeldRemovals,
    IncompleteRead, ReleasedBatch, RemovalSet, SafeguardMemory, ScanVersion, Status, UserName, UserRecord,
};
use plan::{
    Deprovision, DirectoryMatch, RecordPlan, RemovalCandidate, RemovalVerdict, SafeguardInputs,
    check_removals, plan_departure, plan_held, status_for,
};
use store::{DIRTY, ReadableRecords};

use crate::change_safeguard::{ChangeSafeguard, ChangeVerdict};
use crate::page_plan::{FinishedRead, PlannedRemoval, ReadFindings};
use crate::read::Checkpoint;
use crate::removal_safeguard::{forget_expired, safeguard_inputs};
use crate::transfers::{
    AccountTransfer, LeaveKind, NameTransfer, TransferInputs, TransferPlan, plan_transfers, stored_conflict,
};
use crate::user_plan::{PagePlan, SnapshotEffect, UserPlan};
use crate::{ScanContext, ScanError, ScanMode, ScanSummary};

/// Users that are looked up at once.
const BATCH: usize = 100;

/// Snapshot size from which a read that shows none of the known users, but others, is of another directory.
const MISMATCH_FROM: usize = 3;

/// Everything that is left to do once the read has ended.
#[derive(Debug, Default)]
pub struct FinalPlan {
    /// The numbers of the scan.
    pub summary: ScanSummary,
    /// Changes of earlier pages that the safeguard decides only now.
    pub late: PagePlan,
    /// Entries that take over another entry's account.
    pub account_transfers: Vec<AccountTransfer>,
    /// Records that change without a removal.
    pub changes: PagePlan,
    /// The safeguard's verdict on the removals.
    pub removals: RemovalVerdict,
    /// Entries that take over another entry's user name.
    pub name_transfers: Vec<NameTransfer>,
    /// The changes that wait for approval.
    pub held_changes: Option<HeldChanges>,
    /// What the snapshot holds for a user once the removal is released.
    pub(crate) after_removal: HashMap<AnchorHash, SnapshotEffect>,
    /// Users in the snapshot without a record.
    pub(crate) unrecorded: Vec<AnchorHash>,
    /// Where the next scan starts; `None` if it has to read all entries.
    pub(crate) checkpoint: Option<Checkpoint>,
    planned: HashSet<AnchorHash>,
}

impl FinalPlan {
    /// Whether this scan plans something for the user.
    pub fn plans_for(&self, user: &AnchorHash) -> bool {
        self.planned.contains(user)
    }

    /// Number of released removals.
    pub(crate) fn released(&self) -> u64 {
        self.removals.released.len() as u64
    }

    /// What the safeguard remembers after this scan. After an incomplete read it knows nothing new.
    pub(crate) fn memory_after(
        &self,
        context: &ScanContext<'_>,
        before: &SafeguardMemory,
        version: ScanVersion,
    ) -> SafeguardMemory {
        let now = (context.clock)();
        let mut memory = forget_expired(before.clone(), now);
        let changes = self.held_changes.as_ref();
        if self.summary.complete {
            memory.held = self.held_removals(version);
            if self.released() > 0 {
                memory.released.push(ReleasedBatch { at: now, count: self.released() });
            }
            if !changes.is_some_and(|changes| changes.effects.iter().any(|held| held.effect.is_configured()))
            {
                memory.configuration = Some(context.policy.fingerprint);
            }
            let is_used_up = |approval: &ChangeApproval| {
                let mut approved = approval.changes.effects.iter();
                approved.all(|approved| changes.is_none_or(|changes| changes.count(&approved.effect) == 0))
            };
            memory.change_approval = memory.change_approval.filter(|approval| !is_used_up(approval));
            memory.changes = changes.cloned();
        } else if let (Some(changes), None) = (changes, &memory.changes) {
            // What the read counted is above a limit, however much it missed.
            memory.changes = Some(changes.clone());
        }
        if self.summary.not_as_planned > 0 {
            // Accounts that were left out of an approved plan don't follow this configuration yet.
            memory.configuration = before.configuration.or(memory.configuration);
        }
        memory
    }

    fn held_removals(&self, version: ScanVersion) -> Option<HeldRemovals> {
        let held = self.removals.held.iter();
        let held = held.map(|candidate| (candidate.anchor.hash(), candidate.reason));
        HeldRemovals::of(held.collect(), version)
    }

    /// A plan without anything to do, for a scan that ran out of time before its end was planned.
    fn out_of_time(summary: ScanSummary) -> Self {
        Self { summary: summary.out_of_time(), ..Self::default() }
    }
}

/// Plans the end of a scan. Removals need the proof that the read was complete, and an answer of the directory about
/// each user missing from the read.
pub async fn plan_final(directory: &mut Directory, read: FinishedRead<'_>) -> Result<FinalPlan, ScanError> {
    let FinishedRead { context, memory, safeguard, mut findings, verdict, is_same_query, checkpoint } = read;
    let Some(outcome) = review_read(directory, verdict, (&context, &findings, checkpoint)).await? else {
        return Ok(FinalPlan::out_of_time(findings.summary));
    };
    let ReviewOutcome { review, proof, checkpoint } = outcome;
    let (proof, incomplete) = match proof {
        Ok(proof) => (Some(proof), None),
        Err(why) => (None, Some(why)),
    };
    let is_other_directory =
        !(is_same_query && review.has_known) && review.shows_another_directory(&findings);
    let Review { removals: reviewed, mut users, unrecorded, planned, missed, unreadable, .. } = review;
    findings.planned.extend(planned);
    let mut removals = if proof.is_some() { std::mem::take(&mut findings.removals) } else { Vec::new() };
    removals.extend(reviewed);
    let frozen = freeze_duplicates(&context, &findings).await?;
    let transfers = transfers(&context, &mut findings, leaving(&removals, &users)).await?;
    let mut summary = findings.summary;
    if proof.is_some() {
        users.iter().chain(&transfers.users).for_each(|user| summary.count(user));
    }
    summary.conflicts += frozen.len() as u64;
    users.extend(frozen);
    summary.missed += missed;
    summary.unreadable += unreadable;
    (summary.complete, summary.incomplete) = (proof.is_some(), incomplete);
    let FinalChanges { verdict, changes, transfers, kept_accounts } =
        judge_changes(safeguard, (users, transfers), summary.complete);
    let TransferPlan { accounts, names, conflicts, .. } = transfers;
    summary.conflicts += conflicts;
    summary.transferred += (accounts.len() + names.len()) as u64;
    summary.freshness = proof.as_ref().map(|proof| proof.freshness().to_string());
    removals.retain(|removal| !kept_accounts.contains(&removal.candidate.anchor.hash()));
    let after_removal =
        removals.iter().map(|removal| (removal.candidate.anchor.hash(), removal.snapshot)).collect();
    let removals = match &proof {
        Some(proof) => judge(&context, &memory, removals, (proof, is_other_directory)).await?,
        None => RemovalVerdict::default(),
    };
    summary.count_removals(&removals);
    let ChangeVerdict { plans: late, changes: held_changes, held } = verdict;
    let effects = held_changes.as_ref().map(|changes| changes.effects.clone()).unwrap_or_default();
    summary.hold_changes(&held, effects);
    Ok(FinalPlan {
        summary,
        late,
        account_transfers: accounts,
        changes,
        removals,
        name_transfers: names,
        held_changes,
        after_removal,
        unrecorded,
        // A held plan is planned again by a scan that reads its entry.
        checkpoint: checkpoint.filter(|checkpoint| {
            checkpoint.is_doubtful() || (held.users.is_empty() && held.gone_transfers == 0)
        }),
        planned: findings.planned,
    })
}

/// The plans of users with several entries: the account stays as it is. The snapshot marks them as dirty, so that the next
/// scan examines them whatever their entries say.
async fn freeze_duplicates(
    context: &ScanContext<'_>,
    findings: &ReadFindings<'_>,
) -> Result<Vec<UserPlan>, ScanError> {
    let hashes: Vec<AnchorHash> = findings.duplicates.keys().copied().collect();
    let mut records = context.store.fetch_records(&hashes).await?;
    let frozen = findings.duplicates.iter().map(|(hash, anchor)| {
        let record = records.remove(hash);
        let is_recorded = record.as_ref().is_some_and(|record| record.status == Status::DuplicateAnchor);
        let is_dirty = findings.diff.known_fingerprint(hash) == Some(DIRTY);
        UserPlan {
            anchor: anchor.clone(),
            dn: None,
            record,
            plan: if is_recorded {
                RecordPlan::Nothing
            } else {
                RecordPlan::SetStatus(Status::DuplicateAnchor)
            },
            conflict: None,
            snapshot: if is_dirty { SnapshotEffect::Keep } else { SnapshotEffect::Set(DIRTY) },
        }
    });
    Ok(frozen.collect())
}

/// Changes and transfers, as the safeguard releases or holds them.
struct FinalChanges {
    verdict: ChangeVerdict,
    changes: PagePlan,
    transfers: TransferPlan,
    /// Users that keep or give away their account, so that it is not removed.
    kept_accounts: HashSet<AnchorHash>,
}

/// The safeguard's verdict on the changes and transfers of the whole scan.
fn judge_changes(
    mut safeguard: ChangeSafeguard,
    (mut users, mut transfers): (Vec<UserPlan>, TransferPlan),
    is_complete: bool,
) -> FinalChanges {
    let held = safeguard.hold_transfers(&mut transfers);
    let given = transfers.accounts.iter();
    // The account of an entry that is gone waits for the approval of its transfer. One of a disabled entry is removed.
    let given = given.chain(held.accounts.iter().filter(|transfer| transfer.leave == LeaveKind::Gone));
    let kept_accounts = given.map(|transfer| transfer.from.anchor.hash()).collect();
    let (conflicts, in_conflict) = held.into_conflicts();
    transfers.conflicts += conflicts;
    users.append(&mut transfers.users);
    users.extend(in_conflict);
    let mut changes = safeguard.check(users);
    let verdict = safeguard.finish(is_complete);
    // A user with a held rename keeps the name that another entry waits for.
    let is_kept = |transfer: &NameTransfer| verdict.held.users.contains(&transfer.from.anchor.hash());
    let (kept, names) = std::mem::take(&mut transfers.names).into_iter().partition(is_kept);
    let (conflicts, in_conflict) = TransferPlan { names: kept, ..TransferPlan::default() }.into_conflicts();
    transfers.conflicts += conflicts;
    transfers.names = names;
    changes.users.extend(in_conflict);
    FinalChanges { verdict, changes, transfers, kept_accounts }
}

/// The review of a read, complete or not.
struct ReviewOutcome {
    review: Review,
    /// The proof, or why the read proves nothing about the users missing from it.
    proof: Result<CompleteRead, String>,
    checkpoint: Option<Checkpoint>,
}

impl ReviewOutcome {
    fn incomplete(why: String, checkpoint: Option<Checkpoint>) -> Self {
        Self { review: Review::default(), proof: Err(why), checkpoint }
    }
}

/// Reviews the users missing from a complete or doubtful read. `None`: the scan is out of time.
async fn review_read(
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
struct Review {
    removals: Vec<PlannedRemoval>,
    users: Vec<UserPlan>,
    unrecorded: Vec<AnchorHash>,
    planned: HashSet<AnchorHash>,
    /// Number of users in the snapshot that are missing from the read.
    departed: usize,
    /// Users in scope that are missing from the read.
    missed: u64,
    /// Users with a record that can't be read.
    unreadable: u64,
    /// Whether the directory still has any of the users missing from the read.
    has_known: bool,
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
    for word in ["held", "skipped"] {
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
    fn shows_another_directory(&self, findings: &ReadFindings<'_>) -> bool {
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
        DisabledOption::Create => options.create,
        DisabledOption::Update => options.update,
        DisabledOption::Deprovision => options.deprovision,
    };
    match &record.desired {
        Some(desired) if is_on => RecordPlan::SetStatus(status_for(desired, Some(record))),
        _ => RecordPlan::Nothing,
    }
}

/// The users that leave in this scan.
fn leaving(removals: &[PlannedRemoval], users: &[UserPlan]) -> HashMap<AnchorHash, LeaveKind> {
    let removals = removals.iter().map(|removal| {
        let is_disabled = removal.candidate.reason == DeprovisionReason::Disabled;
        let kind = if is_disabled { LeaveKind::Disabled } else { LeaveKind::Gone };
        (removal.candidate.anchor.hash(), kind)
    });
    let inactive = users.iter().filter(|user| user.snapshot == SnapshotEffect::Remove);
    removals.chain(inactive.map(|user| (user.anchor.hash(), LeaveKind::Gone))).collect()
}

/// Plans the transfers among the conflicts of this read and the stored ones.
async fn transfers(
    context: &ScanContext<'_>,
    findings: &mut ReadFindings<'_>,
    leaving: HashMap<AnchorHash, LeaveKind>,
) -> Result<TransferPlan, ScanError> {
    let store = context.store;
    let mut waiting = std::mem::take(&mut findings.conflicts);
    let mut after = None;
    loop {
        let page = store.fetch_by_status("conflict", after, BATCH).await?;
        let stored =
            page.items.into_iter().filter(|record| !findings.planned.contains(&record.anchor.hash()));
        waiting.extend(stored.filter_map(stored_conflict));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names: Vec<UserName> = waiting.iter().filter_map(UserPlan::desired_user_name).cloned().collect();
    let owners = store.fetch_name_owners(&names, (context.clock)()).await?;
    let conflicts = waiting.iter().filter_map(|user| user.conflict.as_ref());
    let anchors: Vec<AnchorHash> = owners.values().chain(conflicts).map(|anchor| anchor.hash()).collect();
    let records = store.fetch_records(&anchors).await?;
    let in_scope = |hash: &AnchorHash| findings.diff.has_seen(hash);
    let inputs = TransferInputs { owners, records, leaving, names: &findings.names, in_scope: &in_scope };
    Ok(plan_transfers(waiting, &inputs))
}

/// The safeguard's verdict on all removals of the scan.
async fn judge(
    context: &ScanContext<'_>,
    memory: &SafeguardMemory,
    removals: Vec<PlannedRemoval>,
    (proof, is_other_directory): (&CompleteRead, bool),
) -> Result<RemovalVerdict, ScanError> {
    let candidates: Vec<RemovalCandidate> = removals.into_iter().map(|removal| removal.candidate).collect();
    let directory_match = if is_other_directory { DirectoryMatch::Mismatch } else { DirectoryMatch::Same };
    let policy = context.policy;
    let deprovision = if policy.options.deprovision { Deprovision::On } else { Deprovision::Off };
    let inputs = safeguard_inputs(context, memory, &candidates, directory_match).await?;
    let inputs = SafeguardInputs { deprovision, ..inputs };
    Ok(check_removals(candidates, proof, &policy.safety, &inputs))
}
