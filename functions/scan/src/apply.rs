//! A scan that writes: the plan, applied under the connection's lease.

use std::collections::BTreeMap;

use directory::Directory;
use futures::{StreamExt, TryStreamExt, stream};
use model::{AnchorHash, Departure, Desired, Fingerprint, HoldReason, Status, UserRecord, WithheldBy};
use plan::{RecordPlan, RemovalCandidate, Removals};
use store::{DesiredWrite, Saved, ScanLease, Snapshot, Store, StoreError, Written};

use crate::ending::{Ending, HandOver, plan_ending};
use crate::planning::{InSnapshot, PlannedUser, Planning};
use crate::{ScanContext, ScanError, ScanSummary};

/// How long a lease lasts without being renewed. Whoever dies keeps others waiting no longer than this.
const LEASE_SECONDS: i64 = 120;

/// How many records are written at a time.
const WRITES_AT_ONCE: usize = 16;

/// The fingerprint of somebody of whom nothing is known yet.
const UNLIKE_ANY: Fingerprint = Fingerprint([0; 16]);

/// The next snapshot, as changes to the last one. `None` takes a user out.
type SnapshotChanges = BTreeMap<AnchorHash, Option<Fingerprint>>;

impl InSnapshot {
    fn change_of(self, hash: AnchorHash) -> Option<(AnchorHash, Option<Fingerprint>)> {
        match self {
            Self::AsItWas => None,
            Self::Is(fingerprint) => Some((hash, Some(fingerprint))),
            Self::Gone => Some((hash, None)),
        }
    }
}

/// Reads the whole directory and writes down what changed. `progress` is told how many entries were read.
pub async fn scan(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    let now = (context.clock)();
    let mut lease =
        context.store.take_lease(context.owner, now, LEASE_SECONDS).await?.map_err(|taken| {
            ScanError::Busy { holder: taken.owner, seconds: (taken.until.0 - now.0).max(0) }
        })?;
    let outcome = scan_under(context, &mut lease, directory, progress).await;
    let last_scan = outcome.as_ref().ok().and_then(|summary| serde_json::to_value(summary).ok());
    let released = context.store.release(lease, last_scan).await;
    let summary = outcome?;
    released?;
    Ok(summary)
}

async fn scan_under(
    context: &ScanContext<'_>,
    lease: &mut ScanLease,
    directory: &mut Directory,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    let store = context.store;
    let snapshot = store.fetch_snapshot().await?;
    let mut stored = snapshot.clone();
    let mut changes = SnapshotChanges::new();
    let (mut seen, verdict) = {
        let read = directory.read().await?;
        let mut planning = Planning::new(context, &snapshot, read);
        while let Some(users) = planning.next().await? {
            let now = (context.clock)();
            let runs_out = lease.until().0 - now.0 < LEASE_SECONDS / 2;
            if runs_out && !store.renew_lease(lease, now, LEASE_SECONDS).await? {
                return Err(ScanError::LeaseLost);
            }
            stored = announce(store, lease, stored, &users).await?;
            changes.extend(write_users(store, lease, users).await?);
            progress(planning.summary().read);
        }
        planning.finish().await
    };
    let ending = plan_ending(context, directory, &mut seen, verdict).await?;
    if let Some(doubt) = &seen.summary.incomplete {
        tracing::warn!("the directory was not read completely: {doubt}; nobody is removed");
    }
    let mut summary = seen.summary.clone();
    drop(seen);
    end_scan(store, lease, ending, &mut changes, &mut summary).await?;
    summary.changed = changes.values().filter(|fingerprint| fingerprint.is_some()).count() as u64;
    if let Saved::Outdated = store.save_snapshot(lease, stored, &changes).await? {
        tracing::warn!("a later scan has saved its snapshot already; this one's is dropped");
    }
    let statuses = store.count_by_status().await?;
    summary.unmappable = statuses.get("unmappable").copied().unwrap_or_default();
    Ok(summary)
}

/// Puts newcomers into the snapshot before anything else is written about them, as users who have changed since. Should
/// this scan die and they leave before the next one, that one notices who is missing.
async fn announce(
    store: &Store,
    lease: &ScanLease,
    stored: Snapshot,
    users: &[PlannedUser],
) -> Result<Snapshot, ScanError> {
    let hashes = users.iter().map(|user| user.anchor.hash()).filter(|hash| stored.get(hash).is_none());
    let newcomers: SnapshotChanges = hashes.map(|hash| (hash, Some(UNLIKE_ANY))).collect();
    if newcomers.is_empty() {
        return Ok(stored);
    }
    match store.save_snapshot(lease, stored, &newcomers).await? {
        Saved::Done(stored) => Ok(stored),
        Saved::Outdated => Err(ScanError::LeaseLost),
    }
}

/// Writes the end of a scan.
async fn end_scan(
    store: &Store,
    lease: &ScanLease,
    ending: Ending,
    changes: &mut SnapshotChanges,
    summary: &mut ScanSummary,
) -> Result<(), ScanError> {
    let Ending { hand_overs, users, removals, after_removal, forgotten } = ending;
    let (accounts, names): (Vec<_>, Vec<_>) = hand_overs.into_iter().partition(|change| change.with_account);
    for change in accounts {
        changes.extend(hand_over(store, lease, change).await?);
    }
    changes.extend(forgotten.into_iter().map(|hash| (hash, None)));
    changes.extend(write_users(store, lease, users).await?);
    match removals {
        Removals::Released(released) => {
            summary.removals = released.len() as u64;
            for removal in &released {
                if store.write_removal(lease, removal).await? == Written::Done {
                    let hash = removal.candidate().anchor.hash();
                    changes.extend(after_removal.get(&hash).and_then(|then| then.change_of(hash)));
                }
            }
        }
        // Those who wait keep their old place in the snapshot, so that the next scan judges them afresh.
        Removals::Held(candidates) => {
            summary.held = candidates.len() as u64;
            let status = |candidate: &RemovalCandidate| Status::Held {
                departure: candidate.departure,
                reason: HoldReason::OverLimit,
            };
            wait(store, lease, candidates, status).await?;
        }
        Removals::Withheld(candidates) => {
            summary.withheld = candidates.len() as u64;
            wait(store, lease, candidates, |_| Status::Withheld { by: WithheldBy::Deprovision }).await?;
        }
    }
    // A name is free only once its owner's removal is written.
    for change in names {
        changes.extend(hand_over(store, lease, change).await?);
    }
    Ok(())
}

/// Marks users whose removal waits; those who are marked already are left as they are.
async fn wait(
    store: &Store,
    lease: &ScanLease,
    candidates: Vec<RemovalCandidate>,
    status: impl Fn(&RemovalCandidate) -> Status,
) -> Result<(), StoreError> {
    for batch in candidates.chunks(100) {
        let hashes: Vec<AnchorHash> = batch.iter().map(|candidate| candidate.anchor.hash()).collect();
        let records = store.fetch_records(&hashes).await?;
        for candidate in batch {
            let status = status(candidate);
            let known = records.get(&candidate.anchor.hash()).is_some_and(|record| record.status == status);
            if !known {
                store.write_status(lease, &candidate.anchor, candidate.dn, status).await?;
            }
        }
    }
    Ok(())
}

async fn write_users(
    store: &Store,
    lease: &ScanLease,
    users: Vec<PlannedUser>,
) -> Result<SnapshotChanges, StoreError> {
    stream::iter(users)
        .map(|user| write_user(store, lease, user))
        .buffer_unordered(WRITES_AT_ONCE)
        .try_filter_map(|change| async move { Ok(change) })
        .try_collect()
        .await
}

/// Writes one user, and says what the snapshot may hold from then on.
async fn write_user(
    store: &Store,
    lease: &ScanLease,
    user: PlannedUser,
) -> Result<Option<(AnchorHash, Option<Fingerprint>)>, StoreError> {
    let PlannedUser { anchor, dn, record, plan, conflict, snapshot } = user;
    let hash = anchor.hash();
    let written = match plan {
        RecordPlan::Nothing => Written::Done,
        RecordPlan::Mark(status) => store.write_status(lease, &anchor, dn, status).await?,
        RecordPlan::Desire { desired, status } => {
            let status = match conflict {
                Some(with) => Status::Conflict { with },
                None => status,
            };
            store.write_desired(lease, DesiredWrite { anchor, dn, desired, status, previous: record }).await?
        }
        // Removals are judged together, at the end.
        RecordPlan::Remove(_) => return Ok(None),
    };
    Ok(match written {
        Written::Done | Written::NameTaken { .. } => snapshot.change_of(hash),
        Written::Outdated => None,
    })
}

/// One entry takes another one's place: with the account if the other is gone, else with the name alone. Says what the
/// snapshot may hold for the other from then on.
async fn hand_over(
    store: &Store,
    lease: &ScanLease,
    change: HandOver,
) -> Result<Option<(AnchorHash, Option<Fingerprint>)>, StoreError> {
    let HandOver { from, to, with_account, snapshot } = change;
    let Some(to) = store.fetch_record(to.anchor.hash()).await? else { return Ok(None) };
    let done = if with_account {
        let reason = from.desired.as_ref().and_then(Desired::departure).unwrap_or(Departure::Deleted);
        store.hand_over(lease, &from, &to, reason).await?
    } else {
        store.claim_name(lease, &to, Some(&from.anchor)).await?
    };
    if done {
        return Ok(snapshot.change_of(from.anchor.hash()));
    }
    let UserRecord { anchor, .. } = to;
    tracing::info!(user.anchor = %anchor, "somebody else was quicker; the next scan looks again");
    Ok(None)
}
