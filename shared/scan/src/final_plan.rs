//! The plan of a scan's end: removals, transfers and held changes, which can only be judged once the read has ended.
//!
//! After a complete read, users missing from the read are looked up once more by anchor, and held removals are judged
//! again. After an incomplete read no user is removed and no user counts as gone; a conflict is resolved only if the other
//! entry was known to be gone before.

use std::collections::{HashMap, HashSet};

use directory::Directory;
use model::{
    AnchorHash, ChangeApproval, CompleteRead, DeprovisionReason, HeldChanges, HeldRemovals, ReleasedBatch,
    SafeguardMemory, ScanVersion, Status, UserName,
};
use plan::{
    Deprovision, DirectoryMatch, RecordPlan, RemovalCandidate, RemovalVerdict, SafeguardInputs,
    check_removals,
};
use store::DIRTY;

use crate::change_safeguard::{ChangeSafeguard, ChangeVerdict};
use crate::page_plan::{FinishedRead, PlannedRemoval, ReadFindings};
use crate::read::Checkpoint;
use crate::removal_safeguard::{forget_expired, safeguard_inputs};
use crate::review::{Review, ReviewOutcome, review_read};
use crate::transfers::{
    AccountTransfer, LeaveKind, NameTransfer, TransferInputs, TransferPlan, plan_transfers, stored_conflict,
};
use crate::user_plan::{PagePlan, SnapshotEffect, UserPlan};
use crate::{ScanContext, ScanError, ScanSummary};

/// Conflicts that are fetched at once.
const BATCH: usize = 100;

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
    /// Whether the removals that an earlier scan held stay held.
    keeps_held: bool,
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
            if !self.keeps_held {
                memory.held = self.held_removals(version);
            }
            if self.released() > 0 {
                memory.released.push(ReleasedBatch { at: now, count: self.released() });
            }
            let is_held =
                changes.is_some_and(|changes| changes.effects.iter().any(|held| held.effect.is_configured()));
            // An empty directory, or a scan that writes nothing to the target, is no first load.
            let is_loaded = before.configuration.is_some() || self.summary.read > 0;
            if !is_held && is_loaded && !context.policy.options.observe {
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

    /// The removals that wait for an approval.
    pub fn held_removals(&self, version: ScanVersion) -> Option<HeldRemovals> {
        let RemovalVerdict { held, cause, .. } = &self.removals;
        let held = held.iter().map(|candidate| (candidate.anchor.hash(), candidate.reason));
        HeldRemovals::of(held.collect(), (*cause)?, version)
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
    summary.count_removals(&removals, memory.held.filter(|_| findings.keeps_waiting));
    summary.take_verdict(&verdict);
    let ChangeVerdict { plans: late, changes: held_changes, held, first_load: _ } = verdict;
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
        // A held or postponed plan is planned again by a scan that reads its entry.
        checkpoint: checkpoint.filter(|checkpoint| {
            checkpoint.is_doubtful() || !held.needs_full_scan() && findings.postponed == 0
        }),
        planned: findings.planned,
        keeps_held: findings.keeps_waiting,
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
    let deprovision = if policy.options.may_deprovision() { Deprovision::On } else { Deprovision::Off };
    let inputs = safeguard_inputs(context, memory, &candidates, directory_match).await?;
    let inputs = SafeguardInputs { deprovision, ..inputs };
    Ok(check_removals(candidates, proof, &policy.safety, &inputs))
}
