//! What a scan writes, under the connection's lease.
//!
//! Three orders make a crash harmless, wherever it comes. Beside the snapshot, whoever is about to be written is marked as
//! *unlike any*, so that the next scan looks at the record again whatever the directory says by then. Then the record
//! is written. Then the user is announced, and at the end the snapshot shows what was seen. Before any of them it is
//! remembered how much the directory's server knew: a replica that knows less than somebody acted upon is not believed.

use std::collections::{BTreeMap, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use model::{
    Anchor, AnchorHash, DeprovisionReason, Desired, DisabledOption, Fingerprint, HoldReason, SafeguardMemory,
    Status, UserRecord,
};
use plan::{RecordPlan, ReleasedRemoval, RemovalCandidate, RemovalVerdict};
use queue::ProvisionRequest;
use store::{DIRTY, DesiredWrite, RecordWrite, ScanLease, Snapshot, SnapshotSave, Store, StoreError};

use crate::ending::{FinalPlan, Transfer};
use crate::planning::{InSnapshot, UserPlan};
use crate::reading::Checkpoint;
use crate::{ScanContext, ScanError};

/// How long a lease lasts without being renewed. Whoever dies keeps others waiting no longer than this.
const LEASE_SECONDS: i64 = 120;

/// No write takes longer than this, with all that is tried again. None is begun when the lease ends sooner, so that
/// what an overtaken scan began has ended before its successor begins.
const LONGEST_WRITE_SECONDS: i64 = 40;

/// How many records are written at a time.
const WRITES_AT_ONCE: usize = 16;

/// How many are written between two looks at the lease.
const CHUNK: usize = 2 * WRITES_AT_ONCE;

/// The next snapshot, as changes to the last one. `None` takes a user out.
type SnapshotChanges = BTreeMap<AnchorHash, Option<Fingerprint>>;

/// One user's part of them.
type SnapshotChange = (AnchorHash, Option<Fingerprint>);

impl InSnapshot {
    fn change_of(self, hash: AnchorHash) -> Option<SnapshotChange> {
        match self {
            Self::AsItWas => None,
            Self::Is(fingerprint) => Some((hash, Some(fingerprint))),
            Self::Gone => Some((hash, None)),
        }
    }
}

/// Takes the connection's lease and its next version. The state has to belong to the configured target.
pub(crate) async fn take_lease(context: &ScanContext<'_>) -> Result<ScanLease, ScanError> {
    let (store, now) = (context.store, (context.clock)());
    let lease = store
        .take_lease(context.owner, now, LEASE_SECONDS)
        .await?
        .map_err(|taken| ScanError::Busy { holder: taken.owner, seconds: (taken.until.0 - now.0).max(0) })?;
    if let Err(other_target) = store.bind_target(&lease, &context.policy.target).await {
        store.release(lease, None, None).await?;
        return Err(other_target.into());
    }
    Ok(lease)
}

/// Writes for one scan.
pub(crate) struct Writer<'a> {
    context: &'a ScanContext<'a>,
    lease: &'a mut ScanLease,
    stored: Snapshot,
    changes: SnapshotChanges,
    requests: Vec<ProvisionRequest>,
    unsent: u64,
}

/// What became of one user's record.
struct WrittenUser {
    change: Option<SnapshotChange>,
    /// Who has something to be done from now on.
    due: Option<Anchor>,
}

impl<'a> Writer<'a> {
    /// Writes under this lease; `stored` is the snapshot as it is.
    pub fn new(context: &'a ScanContext<'a>, lease: &'a mut ScanLease, stored: Snapshot) -> Self {
        let (changes, requests) = Default::default();
        Self { context, lease, stored, changes, requests, unsent: 0 }
    }

    /// Remembers how much the directory's server knows, before what a page says is written.
    pub async fn mark_page(&mut self, checkpoint: &Checkpoint) -> Result<(), ScanError> {
        let Ok(checkpoint) = serde_json::to_value(checkpoint) else { return Ok(()) };
        self.keep_lease().await?;
        match self.context.store.save_checkpoint(self.lease, &checkpoint).await? {
            true => Ok(()),
            false => Err(ScanError::LeaseLost),
        }
    }

    /// How many users in scope are dealt with.
    pub fn changed(&self) -> u64 {
        self.changes.values().filter(|fingerprint| fingerprint.is_some()).count() as u64
    }

    /// How many wake-ups the queue did not take. Their records are pending, so a later scan sends them again.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Writes what these users should be, and announces those for whom there is something to do.
    pub async fn write_users(&mut self, users: Vec<UserPlan>) -> Result<(), ScanError> {
        let hashes: Vec<AnchorHash> = users.iter().map(|user| user.anchor.hash()).collect();
        self.know(&hashes).await?;
        let touched: Vec<AnchorHash> = users
            .iter()
            .filter(|user| {
                let hash = user.anchor.hash();
                let is_known = self.stored.get(&hash).is_some();
                match user.snapshot {
                    InSnapshot::AsItWas => false,
                    // Newcomers too: should this scan die and they leave before the next one, it notices who is missing.
                    InSnapshot::Is(_) => !is_known || user.plan != RecordPlan::Nothing,
                    InSnapshot::Gone => is_known && user.plan != RecordPlan::Nothing,
                }
            })
            .map(|user| user.anchor.hash())
            .collect();
        self.announce(&touched).await?;
        let mut users = users.into_iter().peekable();
        while users.peek().is_some() {
            self.keep_lease().await?;
            let chunk: Vec<UserPlan> = users.by_ref().take(CHUNK).collect();
            let written: Vec<WrittenUser> = stream::iter(chunk)
                .map(|user| write_user(self.context, self.lease, user))
                .buffer_unordered(WRITES_AT_ONCE)
                .try_collect()
                .await?;
            for WrittenUser { change, due } in written {
                self.changes.extend(change);
                self.note_due(due);
            }
        }
        self.send_wake_ups().await
    }

    /// Writes the end of a scan.
    pub async fn write_ending(&mut self, ending: FinalPlan) -> Result<(), ScanError> {
        let FinalPlan { transfers, users, removals, after_removal, forgotten } = ending;
        let (accounts, names): (Vec<_>, Vec<_>) =
            transfers.into_iter().partition(|change| change.with_account);
        // Those whose account is taken are looked at again, should they come back.
        self.announce_known(accounts.iter().map(|change| change.from.anchor.hash())).await?;
        self.transfer(accounts).await?;
        self.changes.extend(forgotten.into_iter().map(|hash| (hash, None)));
        self.write_users(users).await?;
        match removals {
            RemovalVerdict::Released(released) => self.release(released, &after_removal).await?,
            // Those who wait keep their old place in the snapshot, so that the next scan judges them afresh.
            RemovalVerdict::Held(candidates) => self.hold(candidates).await?,
            RemovalVerdict::PartlyReleased { released, held } => {
                self.release(released, &after_removal).await?;
                self.hold(held).await?;
            }
            RemovalVerdict::Skipped(candidates) => {
                self.wait(candidates, |_| Status::Skipped { option: DisabledOption::Deprovision }).await?;
            }
        }
        // A name is free only once its owner's removal is written.
        self.transfer(names).await?;
        self.send_wake_ups().await
    }

    async fn release(
        &mut self,
        released: Vec<ReleasedRemoval>,
        after_removal: &HashMap<AnchorHash, InSnapshot>,
    ) -> Result<(), ScanError> {
        let hash_of = |removal: &ReleasedRemoval| removal.candidate().anchor.hash();
        // Where the snapshot stays as it was, it agrees with the record already.
        let moves = |hash: &AnchorHash| after_removal.get(hash) != Some(&InSnapshot::AsItWas);
        self.announce_known(released.iter().map(hash_of).filter(moves)).await?;
        for removal in &released {
            self.keep_lease().await?;
            if self.context.store.write_removal(self.lease, removal).await? == RecordWrite::Done {
                let hash = hash_of(removal);
                self.changes.extend(after_removal.get(&hash).and_then(|then| then.change_of(hash)));
                self.note_due(Some(removal.candidate().anchor.clone()));
            }
        }
        Ok(())
    }

    async fn hold(&mut self, candidates: Vec<RemovalCandidate>) -> Result<(), ScanError> {
        let status = |candidate: &RemovalCandidate| Status::Held {
            reason: candidate.reason,
            hold: HoldReason::OverLimit,
        };
        self.wait(candidates, status).await
    }

    /// Writes down what the safety checks are to remember, before anything is done by it.
    pub async fn save_safety_memory(&mut self, memory: &SafeguardMemory) -> Result<(), ScanError> {
        self.keep_lease().await?;
        match self.context.store.save_safety_memory(self.lease, memory).await? {
            true => Ok(()),
            false => Err(ScanError::LeaseLost),
        }
    }

    /// Saves what was seen, as far as it is dealt with.
    pub async fn save(self) -> Result<(), ScanError> {
        let Self { context, lease, stored, changes, requests: _, unsent: _ } = self;
        if let SnapshotSave::Outdated = context.store.save_snapshot(lease, stored, changes).await? {
            tracing::warn!("a later scan has saved its snapshot already; this one's is dropped");
        }
        Ok(())
    }

    /// Marks these users as unlike any.
    pub async fn announce(&mut self, hashes: &[AnchorHash]) -> Result<(), ScanError> {
        self.know(hashes).await?;
        let to_mark = hashes.iter().filter(|hash| self.stored.get(hash) != Some(DIRTY));
        let to_mark: Vec<AnchorHash> = to_mark.copied().collect();
        if to_mark.is_empty() {
            return Ok(());
        }
        self.keep_lease().await?;
        Ok(self.context.store.mark(self.lease, &mut self.stored, &to_mark).await?)
    }

    /// Sees to it that the stored snapshot is known as far as these are concerned.
    async fn know(&mut self, hashes: &[AnchorHash]) -> Result<(), ScanError> {
        let stored = std::mem::take(&mut self.stored);
        self.stored = self.context.store.extend_part(stored, hashes).await?;
        Ok(())
    }

    async fn announce_known(&mut self, hashes: impl Iterator<Item = AnchorHash>) -> Result<(), ScanError> {
        let hashes: Vec<AnchorHash> = hashes.collect();
        self.know(&hashes).await?;
        let known: Vec<AnchorHash> =
            hashes.into_iter().filter(|hash| self.stored.get(hash).is_some()).collect();
        self.announce(&known).await
    }

    /// Sees to it that the lease lasts for what is done next.
    async fn keep_lease(&mut self) -> Result<(), ScanError> {
        let now = (self.context.clock)();
        if self.lease.lasts_for(now, LEASE_SECONDS / 2) {
            return Ok(());
        }
        match self.context.store.renew_lease(self.lease, now, LEASE_SECONDS).await? {
            true => Ok(()),
            false => Err(ScanError::LeaseLost),
        }
    }

    /// Marks users whose removal waits; those who are marked already are left as they are.
    async fn wait(
        &mut self,
        candidates: Vec<RemovalCandidate>,
        status: impl Fn(&RemovalCandidate) -> Status,
    ) -> Result<(), ScanError> {
        let store = self.context.store;
        for batch in candidates.chunks(100) {
            let hashes: Vec<AnchorHash> = batch.iter().map(|candidate| candidate.anchor.hash()).collect();
            let records = store.fetch_records(&hashes).await?;
            for candidate in batch {
                let status = status(candidate);
                let known =
                    records.get(&candidate.anchor.hash()).is_some_and(|record| record.status == status);
                if !known {
                    self.keep_lease().await?;
                    store.write_status(self.lease, &candidate.anchor, candidate.dn, status).await?;
                }
            }
        }
        Ok(())
    }

    async fn transfer(&mut self, changes: Vec<Transfer>) -> Result<(), ScanError> {
        for change in changes {
            self.keep_lease().await?;
            let taker = change.to.anchor.clone();
            if let Some(change) = transfer(self.context.store, self.lease, change).await? {
                self.changes.extend(change);
                self.note_due(Some(taker));
            }
        }
        Ok(())
    }

    fn note_due(&mut self, user: Option<Anchor>) {
        let connection = &self.context.policy.name;
        self.requests.extend(user.filter(|_| self.context.queue.is_some()).map(|anchor| ProvisionRequest {
            connection: connection.clone(),
            anchor,
            version: self.lease.version(),
        }));
    }

    async fn send_wake_ups(&mut self) -> Result<(), ScanError> {
        let requests = std::mem::take(&mut self.requests);
        let Some(queue) = self.context.queue.filter(|_| !requests.is_empty()) else { return Ok(()) };
        let sent = queue.send(&requests).await?;
        if let Some(problem) = sent.problem {
            tracing::warn!(
                unsent = sent.unsent.len(),
                "the queue did not take all wake-ups: {problem}; a later scan sends them"
            );
        }
        self.unsent += sent.unsent.len() as u64;
        Ok(())
    }
}

/// Writes one user, and says what the snapshot may hold from then on.
async fn write_user(
    context: &ScanContext<'_>,
    lease: &ScanLease,
    user: UserPlan,
) -> Result<WrittenUser, ScanError> {
    let store = context.store;
    let UserPlan { anchor, dn, record, plan, conflict, snapshot } = user;
    if plan != RecordPlan::Nothing && !lease.lasts_for((context.clock)(), LONGEST_WRITE_SECONDS) {
        return Err(ScanError::LeaseLost);
    }
    let hash = anchor.hash();
    let is_due;
    let written = match plan {
        RecordPlan::Nothing => {
            is_due = false;
            RecordWrite::Done
        }
        RecordPlan::SetStatus(status) => {
            is_due = status.is_due();
            store.write_status(lease, &anchor, dn, status).await?
        }
        RecordPlan::SetDesired { desired, status } => {
            let status = match conflict {
                Some(with) => Status::Conflict { owner: with },
                None => status,
            };
            is_due = status.is_due();
            let write = DesiredWrite { anchor: anchor.clone(), dn, desired, status, previous: record };
            store.write_desired(lease, write).await?
        }
        // Removals are judged together, at the end.
        RecordPlan::Remove(_) => return Ok(WrittenUser { change: None, due: None }),
    };
    Ok(match written {
        RecordWrite::Done => WrittenUser { change: snapshot.change_of(hash), due: is_due.then_some(anchor) },
        RecordWrite::NameTaken { .. } => WrittenUser { change: snapshot.change_of(hash), due: None },
        RecordWrite::Outdated => WrittenUser { change: None, due: None },
    })
}

/// One entry takes another one's place: with the account if the other is gone, else with the name alone. Says what the
/// snapshot may hold for the other from then on; `None` if somebody else was quicker.
async fn transfer(
    store: &Store,
    lease: &ScanLease,
    change: Transfer,
) -> Result<Option<Option<SnapshotChange>>, StoreError> {
    let Transfer { from, to, with_account, snapshot } = change;
    let Some(to) = store.fetch_record(to.anchor.hash()).await? else { return Ok(None) };
    let done = if with_account {
        let reason =
            from.desired.as_ref().and_then(Desired::deprovision_reason).unwrap_or(DeprovisionReason::Deleted);
        store.transfer(lease, &from, &to, reason).await?
    } else {
        store.claim_name(lease, &to, Some(&from.anchor)).await?
    };
    if done {
        let hash = from.anchor.hash();
        return Ok(Some(snapshot.change_of(hash)));
    }
    let UserRecord { anchor, .. } = to;
    tracing::info!(user.anchor = %anchor, "somebody else was quicker; the next scan looks again");
    Ok(None)
}
