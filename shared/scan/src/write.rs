//! Writes plans to the store, under the connection's lease. No other module of this crate writes records.
//!
//! The order of the writes makes a crash harmless, wherever it happens:
//!
//! 1. The checkpoint is stored: it says how current the directory's server is. Later reads of a less current replica
//!    prove nothing.
//! 2. The users are marked dirty beside the snapshot, so that the next scan plans them again whatever the directory says.
//! 3. The records are written.
//! 4. The provision requests are sent.
//! 5. At the end the snapshot is saved.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, stream};
use model::{
    Anchor, AnchorHash, DeprovisionReason, Desired, DisabledOption, Fingerprint, SafeguardMemory, Status,
    UserRecord,
};
use plan::{RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};
use queue::ProvisionRequest;
use store::{
    DIRTY, DesiredWrite, RecordWrite, ScanLease, Snapshot, SnapshotSave, StatusWrite, StoreError,
    TransferWrite,
};

use crate::final_plan::FinalPlan;
use crate::lease::keep_lease;
use crate::read::Checkpoint;
use crate::transfers::{AccountTransfer, LeaveKind, NameTransfer};
use crate::user_plan::{SnapshotEffect, UserPlan};
use crate::{ScanContext, ScanError};

/// Seconds that one write takes at most, retries included. A write only begins while the lease lasts longer, so that it has
/// ended before another scan can take the lease.
const LONGEST_WRITE_SECONDS: i64 = 40;

/// Records that are written at a time.
const WRITES_AT_ONCE: usize = 16;

/// Records that are written between two checks of the lease.
const CHUNK: usize = 2 * WRITES_AT_ONCE;

/// Users of the final plan that are written between two checks of the deadline.
const FINAL_BATCH: usize = 500;

/// Changes of the snapshot. `None` takes a user out.
type SnapshotChanges = BTreeMap<AnchorHash, Option<Fingerprint>>;

/// One user's part of these changes.
type SnapshotChange = (AnchorHash, Option<Fingerprint>);

/// Writes the plans of one scan.
pub(crate) struct PlanWriter<'a> {
    context: &'a ScanContext<'a>,
    lease: &'a mut ScanLease,
    stored: Snapshot,
    changes: SnapshotChanges,
    requests: Vec<ProvisionRequest>,
    counts: WriteCounts,
}

/// Numbers of the writes of one scan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteCounts {
    /// Records that were written.
    pub written: u64,
    /// Removals that were written.
    pub removed: u64,
    /// Provision requests that the queue did not take. Their records stay pending, so a later scan sends them again.
    pub unsent: u64,
}

/// Whether a plan was written to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinalWrite {
    Done,
    OutOfTime,
}

/// Result of writing one user.
#[derive(Default)]
struct WrittenUser {
    change: Option<SnapshotChange>,
    /// Anchor of a user that is due from now on.
    due: Option<Anchor>,
    is_written: bool,
}

impl<'a> PlanWriter<'a> {
    /// Writes under this lease; `stored` is the snapshot as it is stored.
    pub fn new(context: &'a ScanContext<'a>, lease: &'a mut ScanLease, stored: Snapshot) -> Self {
        let (changes, requests, counts) = Default::default();
        Self { context, lease, stored, changes, requests, counts }
    }

    /// Stores the checkpoint before a page is written.
    pub async fn save_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), ScanError> {
        let Ok(checkpoint) = serde_json::to_value(checkpoint) else { return Ok(()) };
        self.keep_lease().await?;
        match self.context.store.save_checkpoint(self.lease, &checkpoint).await? {
            true => Ok(()),
            false => Err(ScanError::LeaseLost),
        }
    }

    /// Number of users in scope with a change in the snapshot.
    pub fn changed(&self) -> u64 {
        self.changes.values().filter(|fingerprint| fingerprint.is_some()).count() as u64
    }

    /// The numbers so far.
    pub fn counts(&self) -> WriteCounts {
        self.counts
    }

    /// Writes the records of these users, and sends requests for those that are due.
    pub async fn write_users(&mut self, users: Vec<UserPlan>) -> Result<(), ScanError> {
        let hashes: Vec<AnchorHash> = users.iter().map(|user| user.anchor.hash()).collect();
        self.load_snapshot(&hashes).await?;
        let needs_mark = |user: &&UserPlan| {
            let is_known = self.stored.get(&user.anchor.hash()).is_some();
            match user.snapshot {
                SnapshotEffect::Keep => false,
                // New users too: if this scan dies and a user leaves before the next one, that one notices.
                SnapshotEffect::Set(_) => !is_known || user.plan != RecordPlan::Nothing,
                SnapshotEffect::Remove => is_known && user.plan != RecordPlan::Nothing,
            }
        };
        let to_mark: Vec<AnchorHash> =
            users.iter().filter(needs_mark).map(|user| user.anchor.hash()).collect();
        self.mark_dirty(&to_mark).await?;
        let mut users = users.into_iter().peekable();
        while users.peek().is_some() {
            self.keep_lease().await?;
            let chunk: Vec<UserPlan> = users.by_ref().take(CHUNK).collect();
            let written: Vec<Result<WrittenUser, ScanError>> = stream::iter(chunk)
                .map(|user| write_user(self.context, self.lease, user))
                .buffer_unordered(WRITES_AT_ONCE)
                .collect()
                .await;
            let mut result = Ok(());
            for user in written {
                match user {
                    Ok(user) => self.note(user),
                    Err(error) => result = Err(error),
                }
            }
            result?;
        }
        self.send_requests().await
    }

    /// Writes the final plan, as far as the time allows. Accounts are transferred before the records of departed users
    /// change, and names after the removals: a name is free only once its owner's removal is written.
    pub async fn write_final(&mut self, plan: FinalPlan) -> Result<FinalWrite, ScanError> {
        let FinalPlan { late, account_transfers, changes, removals, name_transfers, .. } = plan;
        if self.write_batches(late.users).await? == FinalWrite::OutOfTime {
            return Ok(FinalWrite::OutOfTime);
        }
        // If the entry that gives its account away comes back, it is planned again.
        let givers = account_transfers.iter().map(|transfer| transfer.from.anchor.hash());
        self.mark_known_dirty(givers).await?;
        for transfer in account_transfers {
            if self.context.is_out_of_time() {
                return self.stop().await;
            }
            self.transfer_account(transfer).await?;
        }
        self.changes.extend(plan.unrecorded.into_iter().map(|hash| (hash, None)));
        if self.write_batches(changes.users).await? == FinalWrite::OutOfTime
            || self.write_removals(removals, &plan.after_removal).await? == FinalWrite::OutOfTime
        {
            return self.stop().await;
        }
        for transfer in name_transfers {
            if self.context.is_out_of_time() {
                return self.stop().await;
            }
            self.transfer_name(transfer).await?;
        }
        self.send_requests().await?;
        Ok(FinalWrite::Done)
    }

    async fn stop(&mut self) -> Result<FinalWrite, ScanError> {
        self.send_requests().await?;
        Ok(FinalWrite::OutOfTime)
    }

    async fn write_batches(&mut self, users: Vec<UserPlan>) -> Result<FinalWrite, ScanError> {
        let mut users = users.into_iter().peekable();
        while users.peek().is_some() {
            if self.context.is_out_of_time() {
                return Ok(FinalWrite::OutOfTime);
            }
            self.write_users(users.by_ref().take(FINAL_BATCH).collect()).await?;
        }
        Ok(FinalWrite::Done)
    }

    async fn write_removals(
        &mut self,
        removals: RemovalVerdict,
        after_removal: &HashMap<AnchorHash, SnapshotEffect>,
    ) -> Result<FinalWrite, ScanError> {
        let hold = |candidate: &RemovalCandidate| Status::Held {
            reason: candidate.reason,
            hold: candidate.hold_reason(),
        };
        let skip = |_: &RemovalCandidate| Status::Skipped { option: DisabledOption::Deprovision };
        let RemovalVerdict { released, held, skipped, cause: _ } = removals;
        // A held or skipped user keeps its part of the snapshot, so that the next scan judges it again.
        if self.write_released(released, after_removal).await? == FinalWrite::OutOfTime
            || self.write_waiting(held, hold).await? == FinalWrite::OutOfTime
        {
            return Ok(FinalWrite::OutOfTime);
        }
        self.write_waiting(skipped, skip).await
    }

    async fn write_released(
        &mut self,
        released: Vec<ReleasedRemoval>,
        after_removal: &HashMap<AnchorHash, SnapshotEffect>,
    ) -> Result<FinalWrite, ScanError> {
        let hash_of = |removal: &ReleasedRemoval| removal.candidate().anchor.hash();
        // A part of the snapshot that stays as it is agrees with the record already.
        let changes = |hash: &AnchorHash| after_removal.get(hash) != Some(&SnapshotEffect::Keep);
        self.mark_known_dirty(released.iter().map(hash_of).filter(changes)).await?;
        for removal in &released {
            if self.context.is_out_of_time() {
                return Ok(FinalWrite::OutOfTime);
            }
            self.keep_lease().await?;
            if self.context.store.write_removal(self.lease, removal).await? == RecordWrite::Done {
                let hash = hash_of(removal);
                self.counts.removed += 1;
                self.note(WrittenUser {
                    change: after_removal.get(&hash).and_then(|effect| effect.change_of(hash)),
                    due: Some(removal.candidate().anchor.clone()),
                    is_written: true,
                });
            }
        }
        Ok(FinalWrite::Done)
    }

    /// Sets the status of users with a waiting removal, unless they have it already.
    async fn write_waiting(
        &mut self,
        candidates: Vec<RemovalCandidate>,
        status: impl Fn(&RemovalCandidate) -> Status,
    ) -> Result<FinalWrite, ScanError> {
        let store = self.context.store;
        for batch in candidates.chunks(100) {
            if self.context.is_out_of_time() {
                return Ok(FinalWrite::OutOfTime);
            }
            let hashes: Vec<AnchorHash> = batch.iter().map(|candidate| candidate.anchor.hash()).collect();
            let records = store.fetch_records(&hashes).await?;
            for candidate in batch {
                let status = status(candidate);
                let record = records.get(&candidate.anchor.hash());
                if record.is_none_or(|record| record.status != status) {
                    self.keep_lease().await?;
                    let RemovalCandidate { anchor, dn, .. } = candidate;
                    let write = StatusWrite { anchor: anchor.clone(), dn: *dn, status };
                    store.write_status(self.lease, write).await?;
                    self.counts.written += 1;
                }
            }
        }
        Ok(FinalWrite::Done)
    }

    /// Saves what the safeguard remembers, before anything is done by it.
    pub async fn save_memory(&mut self, memory: &SafeguardMemory) -> Result<(), ScanError> {
        self.keep_lease().await?;
        match self.context.store.save_safety_memory(self.lease, memory).await? {
            true => Ok(()),
            false => Err(ScanError::LeaseLost),
        }
    }

    /// Saves the snapshot, as far as its users are written.
    pub async fn save(self) -> Result<(), ScanError> {
        let Self { context, lease, stored, changes, .. } = self;
        if let SnapshotSave::Outdated = context.store.save_snapshot(lease, stored, changes).await? {
            tracing::warn!(
                "a later scan has saved its snapshot already; the snapshot of this scan is dropped"
            );
        }
        Ok(())
    }

    async fn mark_dirty(&mut self, hashes: &[AnchorHash]) -> Result<(), ScanError> {
        self.load_snapshot(hashes).await?;
        let to_mark = hashes.iter().filter(|hash| self.stored.get(hash) != Some(DIRTY));
        let to_mark: Vec<AnchorHash> = to_mark.copied().collect();
        if to_mark.is_empty() {
            return Ok(());
        }
        self.keep_lease().await?;
        Ok(self.context.store.mark_dirty(self.lease, &mut self.stored, &to_mark).await?)
    }

    /// Marks those of these users dirty that are in the snapshot.
    async fn mark_known_dirty(&mut self, hashes: impl Iterator<Item = AnchorHash>) -> Result<(), ScanError> {
        let hashes: Vec<AnchorHash> = hashes.collect();
        self.load_snapshot(&hashes).await?;
        let known: Vec<AnchorHash> =
            hashes.into_iter().filter(|hash| self.stored.get(hash).is_some()).collect();
        self.mark_dirty(&known).await
    }

    /// Loads the parts of the stored snapshot that hold these users.
    async fn load_snapshot(&mut self, hashes: &[AnchorHash]) -> Result<(), ScanError> {
        let stored = std::mem::take(&mut self.stored);
        self.stored = self.context.store.extend_part(stored, hashes).await?;
        Ok(())
    }

    async fn keep_lease(&mut self) -> Result<(), ScanError> {
        keep_lease(self.context, self.lease).await
    }

    /// Transfers an account, unless one of the two records has changed meanwhile.
    async fn transfer_account(&mut self, transfer: AccountTransfer) -> Result<(), ScanError> {
        let AccountTransfer { from, to, leave, snapshot } = transfer;
        self.keep_lease().await?;
        let store = self.context.store;
        let Some(to) = store.fetch_record(to.anchor.hash()).await? else { return Ok(()) };
        let recorded = || from.desired.as_ref().and_then(Desired::deprovision_reason);
        let reason = match leave {
            LeaveKind::Disabled => DeprovisionReason::Disabled,
            LeaveKind::Gone => recorded().unwrap_or(DeprovisionReason::Deleted),
        };
        let transfer = TransferWrite { from: &from, to: &to, reason };
        let is_done = store.transfer(self.lease, transfer).await?;
        self.note_transfer(&to, is_done, snapshot.change_of(from.anchor.hash()));
        Ok(())
    }

    /// Transfers a user name, unless one of the two records has changed meanwhile.
    async fn transfer_name(&mut self, transfer: NameTransfer) -> Result<(), ScanError> {
        let NameTransfer { from, to, leave: _ } = transfer;
        self.keep_lease().await?;
        let store = self.context.store;
        let Some(to) = store.fetch_record(to.anchor.hash()).await? else { return Ok(()) };
        let is_done = store.claim_name(self.lease, &to, Some(&from.anchor)).await?;
        self.note_transfer(&to, is_done, None);
        Ok(())
    }

    fn note_transfer(&mut self, to: &UserRecord, is_done: bool, change: Option<SnapshotChange>) {
        if is_done {
            self.note(WrittenUser { change, due: Some(to.anchor.clone()), is_written: true });
        } else {
            tracing::info!(
                user.anchor = %to.anchor,
                "the user record changed concurrently; the next scan plans the transfer again"
            );
        }
    }

    fn note(&mut self, user: WrittenUser) {
        let WrittenUser { change, due, is_written } = user;
        self.changes.extend(change);
        self.counts.written += u64::from(is_written);
        let (connection, version) = (&self.context.policy.name, self.lease.version());
        let due = due.filter(|_| self.context.queue.is_some());
        let request = |anchor| ProvisionRequest { connection: connection.clone(), anchor, version };
        self.requests.extend(due.map(request));
    }

    async fn send_requests(&mut self) -> Result<(), ScanError> {
        let requests = std::mem::take(&mut self.requests);
        let Some(queue) = self.context.queue.filter(|_| !requests.is_empty()) else { return Ok(()) };
        let sent = queue.send(&requests).await?;
        if let Some(problem) = sent.problem {
            tracing::warn!(
                unsent = sent.unsent.len(),
                "the queue did not take all provision requests: {problem}; a later scan sends them again"
            );
        }
        self.counts.unsent += sent.unsent.len() as u64;
        Ok(())
    }
}

/// Writes one user's record.
async fn write_user(
    context: &ScanContext<'_>,
    lease: &ScanLease,
    user: UserPlan,
) -> Result<WrittenUser, ScanError> {
    let store = context.store;
    let UserPlan { anchor, dn, record, plan, conflict, snapshot } = user;
    let change = snapshot.change_of(anchor.hash());
    if plan == RecordPlan::Nothing {
        return Ok(WrittenUser { change, ..WrittenUser::default() });
    }
    if !lease.lasts_for((context.clock)(), LONGEST_WRITE_SECONDS) {
        return Err(ScanError::LeaseLost);
    }
    let (written, is_due) = match plan {
        RecordPlan::SetStatus(status) => {
            let is_due = status.is_due();
            let write = StatusWrite { anchor: anchor.clone(), dn, status };
            (store.write_status(lease, write).await?, is_due)
        }
        RecordPlan::SetDesired { desired, status } => {
            let status = conflict.map_or(status, |owner| Status::Conflict { owner });
            let is_due = status.is_due();
            let write = DesiredWrite { anchor: anchor.clone(), dn, desired, status, previous: record };
            match store.write_desired(lease, write).await {
                // One user with values that are too large stops no other user.
                Err(error @ StoreError::TooLarge(_)) => {
                    let status = Status::Invalid { error: error.to_string(), dn: None };
                    let write = StatusWrite { anchor: anchor.clone(), dn, status };
                    (store.write_status(lease, write).await?, false)
                }
                written => (written?, is_due),
            }
        }
        // Removals are written from the final plan, once they are released.
        RecordPlan::Nothing | RecordPlan::Remove(_) => return Ok(WrittenUser::default()),
    };
    Ok(match written {
        RecordWrite::Done => WrittenUser { change, due: is_due.then_some(anchor), is_written: true },
        RecordWrite::NameTaken { .. } => WrittenUser { change, due: None, is_written: true },
        RecordWrite::Outdated => WrittenUser::default(),
    })
}
