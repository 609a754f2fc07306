//! What a scan writes about one user.

use model::{
    Anchor, DeprovisionReason, Desired, DnKey, HoldReason, Status, UnixSeconds, UserName, UserRecord,
};

use crate::Store;
use crate::errors::{Result, StoreError, corrupt};
use crate::item::{TableItem, flag, json, number, text};
use crate::keys::DN_PK;
use crate::lease::ScanLease;
use crate::record::{
    ANCHOR, CLAIMED, DESIRED, RELEASED, REV, ScheduledStatus, StoredRecord, VERSION, anchor_in, if_claimed,
    if_linked, if_not_newer, if_rev, if_same_lease,
};
use crate::retention::{UserItems, departure, if_free, if_kept, if_own};
use crate::write::{CommitResult, ConditionResult, ItemWrite};

/// Desired user of an entry, as a scan writes it.
#[derive(Clone, Debug)]
pub struct DesiredWrite {
    /// The entry.
    pub anchor: Anchor,
    /// DN of the entry; `None` once it is deleted.
    pub dn: Option<DnKey>,
    /// The desired user.
    pub desired: Desired,
    /// Status of the user.
    pub status: Status,
    /// The record as the scan read it, if there was one. It only saves a round trip and may be stale.
    pub previous: Option<UserRecord>,
}

/// Status of a user, as a scan writes it.
#[derive(Clone, Debug)]
pub struct StatusWrite {
    /// The entry.
    pub anchor: Anchor,
    /// DN of the entry; `None` leaves the stored one.
    pub dn: Option<DnKey>,
    /// Status of the user.
    pub status: Status,
}

/// Result of a scan's write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordWrite {
    /// It is written.
    Done,
    /// The desired user is written, as a conflict: the user name belongs to another entry.
    NameTaken {
        /// That entry.
        by: Anchor,
    },
    /// A later scan has written this record. Nothing is changed.
    Outdated,
}

/// Changes of a record, or of the name that it claims, under a scan that holds the lease.
const ATTEMPTS: usize = 5;

/// A scan's write to one record, tried until the record is as expected.
struct ScanWrite<'a> {
    lease: &'a ScanLease,
    anchor: &'a Anchor,
    record: ItemWrite,
}

/// A record's change of the user name that it owns.
pub(crate) struct NameClaim<'a> {
    pub anchor: &'a Anchor,
    /// Folded name that the record is to own.
    pub wanted: &'a str,
    /// Folded name that the record owns.
    pub claimed: Option<&'a str>,
    pub now: UnixSeconds,
}

impl Store {
    /// Writes the desired user and claims the user name. Link and applied state stay, attempts begin anew, and the release
    /// of an earlier removal ends. The record expires if it is in sync and the user is to have no account; any other write
    /// keeps it again.
    pub async fn write_desired(&self, lease: &ScanLease, write: DesiredWrite) -> Result<RecordWrite> {
        let DesiredWrite { anchor, dn, desired, status, previous } = write;
        let record = self.by_scan(lease, &anchor).remove(RELEASED);
        let json = json(record.key(), &desired)?;
        let record = record.set(DESIRED, json).set_or_remove(DN_PK, dn.map(|dn| text(self.keys.dn(&dn))));
        let scheduled = match &desired {
            Desired::Present(_) => keep_recheck(&status, previous.as_ref()),
            Desired::Absent { .. } => (&status).into(),
        };
        let record = self.set_status(record, &anchor.hash(), scheduled)?;
        let scan = ScanWrite { lease, anchor: &anchor, record };
        match &desired {
            Desired::Present(user) => {
                let claimed = previous.as_ref().and_then(expected_claim);
                self.write_with_name(&scan, &user.user_name.folded(), claimed).await
            }
            // A user that is to have no account claims no name, but keeps the claimed one: another entry with that name
            // meets the entry that may own the account.
            Desired::Absent { reason, .. } if status == Status::InSync => {
                self.write_departed(&scan, *reason).await
            }
            Desired::Absent { .. } => self.write_kept(&scan).await,
        }
    }

    /// Writes a removal that the safeguard released. No other function marks a removal as released, and only `plan` can
    /// make the value that it takes.
    pub async fn write_removal(
        &self,
        lease: &ScanLease,
        removal: &plan::ReleasedRemoval,
    ) -> Result<RecordWrite> {
        let plan::RemovalCandidate { anchor, dn, user_name: _, reason: _, desired, never_written: _ } =
            removal.candidate();
        let record = self.by_scan(lease, anchor).set(RELEASED, flag(true));
        let json = json(record.key(), desired)?;
        let record = record.set(DESIRED, json).set_or_remove(DN_PK, dn.map(|dn| text(self.keys.dn(&dn))));
        let record = self.set_status(record, &anchor.hash(), &Status::Pending)?;
        self.write_kept(&ScanWrite { lease, anchor, record }).await
    }

    /// Writes a status and leaves the desired user alone; an entry that was never valid gets a record without one. A status
    /// that stops a removal ends its release.
    pub async fn write_status(&self, lease: &ScanLease, write: StatusWrite) -> Result<RecordWrite> {
        let StatusWrite { anchor, dn, status } = write;
        let mut record = self.set_status(self.by_scan(lease, &anchor), &anchor.hash(), &status)?;
        if let Some(dn) = dn {
            record = record.set(DN_PK, text(self.keys.dn(&dn)));
        }
        let record = match status {
            Status::InSync
            | Status::Pending
            | Status::Retrying { .. }
            | Status::Failed { .. }
            | Status::AccountGone
            | Status::PendingDeletion { .. } => record,
            Status::Conflict { .. }
            | Status::DuplicateAnchor
            | Status::Held { .. }
            | Status::Skipped { .. }
            | Status::Invalid { .. } => record.remove(RELEASED),
        };
        let scan = ScanWrite { lease, anchor: &anchor, record };
        if status == Status::InSync
            && let Some(StoredRecord { record, .. }) = self.stored(&anchor.hash()).await?
            && let Some(reason) = departure(record.desired.as_ref(), record.has_active_account())
        {
            return self.write_departed(&scan, reason).await;
        }
        self.write_kept(&scan).await
    }

    /// Writes a record together with the claim of a name.
    async fn write_with_name(
        &self,
        scan: &ScanWrite<'_>,
        wanted: &str,
        mut claimed: Option<String>,
    ) -> Result<RecordWrite> {
        let ScanWrite { lease, anchor, record } = scan;
        for _ in 0..ATTEMPTS {
            let claim = NameClaim { anchor, wanted, claimed: claimed.as_deref(), now: lease.now };
            let CommitResult::Refused(results) =
                self.commit(&self.with_claim(if_kept(record.clone()), &claim)).await?
            else {
                return Ok(RecordWrite::Done);
            };
            let mut results = results.into_iter();
            let mut next = || results.next().unwrap_or(ConditionResult::Held);
            let found = match (next(), next(), next()) {
                // The record is newer than this scan, its user had left, or it claims another name.
                (ConditionResult::Refused(found), ..) => found,
                (_, ConditionResult::Refused(owner), _) => {
                    let Some(by) = self.name_owner(wanted, owner).await? else { continue };
                    let status = Status::Conflict { owner: by.clone() };
                    let conflict = self.set_status(if_kept(record.clone()), &anchor.hash(), &status)?;
                    let result = self.commit(&[if_claimed(conflict, claimed.as_deref())]).await?;
                    if result.is_done() {
                        return Ok(RecordWrite::NameTaken { by });
                    }
                    result.into_first_item()
                }
                (_, _, ConditionResult::Refused(_)) => {
                    let key = self.keys.name(claimed.as_deref().unwrap_or_default());
                    return Err(corrupt(&key, "it belongs to another entry than the one that claims it"));
                }
                _ => continue,
            };
            claimed = match self.refused_by(anchor, found).await? {
                None => None,
                Some(stored) if stored.record.version > lease.version() => return Ok(RecordWrite::Outdated),
                Some(stored) => self.present_again(lease, stored).await?,
            };
        }
        Err(StoreError::Throttled("write a desired user"))
    }

    /// Writes a record of a user that has not left. A record that was to expire is kept first.
    async fn write_kept(&self, scan: &ScanWrite<'_>) -> Result<RecordWrite> {
        for _ in 0..ATTEMPTS {
            let result = self.commit(&[if_kept(scan.record.clone())]).await?;
            if result.is_done() {
                return Ok(RecordWrite::Done);
            }
            let found = self.refused_by(scan.anchor, result.into_first_item()).await?;
            let Some(stored) = found else { continue };
            if stored.record.version > scan.lease.version() {
                return Ok(RecordWrite::Outdated);
            }
            self.present_again(scan.lease, stored).await?;
        }
        Err(StoreError::Throttled("write a user's record"))
    }

    /// Writes a record of a user that has left and has no active account, so that it expires. If the account is active
    /// again meanwhile, the user is held for the safeguard of the next scan.
    async fn write_departed(&self, scan: &ScanWrite<'_>, reason: DeprovisionReason) -> Result<RecordWrite> {
        let ScanWrite { lease, anchor, record } = scan;
        for _ in 0..ATTEMPTS {
            let stored = self.stored(&anchor.hash()).await?;
            let stored = stored.unwrap_or_else(|| StoredRecord::new((*anchor).clone()));
            if stored.record.version > lease.version() {
                return Ok(RecordWrite::Outdated);
            }
            if stored.record.has_active_account() {
                let status = Status::Held { reason, hold: HoldReason::AwaitingSafeguard };
                let held = self.set_status(record.clone(), &anchor.hash(), &status)?;
                let record = held.remove(RELEASED);
                return self.write_kept(&ScanWrite { lease, anchor, record }).await;
            }
            let StoredRecord { record: user, owned_items: owned, rev, .. } = &stored;
            // No POST may be in progress.
            let own = record.clone().only_if("attribute_not_exists(#create_intent)", []);
            let own = if_linked(if_same_lease(if_rev(own, *rev), &stored), stored.account());
            let own = if_claimed(own, owned.claimed.as_deref());
            let items = UserItems { anchor, link: user.link.as_ref(), owned, now: lease.now };
            match self.commit(&self.let_expire(own, &items, reason)).await? {
                CommitResult::Done => return Ok(RecordWrite::Done),
                CommitResult::Refused(results)
                    if results.first().is_some_and(ConditionResult::is_refused) => {}
                // The record had expired already, and other entries took its name or account.
                CommitResult::Refused(_) => drop(self.present_again(lease, stored).await?),
            }
        }
        Err(StoreError::Throttled("write that a user has left"))
    }

    /// Keeps a record that was to expire; returns the name that it claims afterwards.
    async fn present_again(&self, lease: &ScanLease, stored: StoredRecord) -> Result<Option<String>> {
        let StoredRecord { record: user, owned_items: owned, .. } = stored;
        if owned.expires_at.is_none() {
            return Ok(owned.claimed);
        }
        let items =
            UserItems { anchor: &user.anchor, link: user.link.as_ref(), owned: &owned, now: lease.now };
        self.bring_back(self.by_scan(lease, &user.anchor), &items).await?;
        Ok(self.stored(&user.anchor.hash()).await?.and_then(|stored| stored.owned_items.claimed))
    }

    /// The record that a write met: from the refusal, otherwise by a read.
    async fn refused_by(&self, anchor: &Anchor, refusal: Option<TableItem>) -> Result<Option<StoredRecord>> {
        match refusal {
            Some(item) => StoredRecord::decode(&self.keys, &item).map(Some),
            None => self.stored(&anchor.hash()).await,
        }
    }

    /// Part of each of a scan's writes to a record: a later scan refuses it, and provisioning notices it.
    pub(crate) fn by_scan(&self, lease: &ScanLease, anchor: &Anchor) -> ItemWrite {
        let write = ItemWrite::update(self.keys.record(&anchor.hash()))
            .set(ANCHOR, text(anchor.as_str()))
            .set(VERSION, number(lease.version()))
            .bump(REV);
        if_not_newer(write, lease.version())
    }

    /// The writes that give a record the name that it wants. A record that owns it already is written alone.
    pub(crate) fn with_claim(&self, record: ItemWrite, claim: &NameClaim<'_>) -> Vec<ItemWrite> {
        let NameClaim { anchor, wanted, claimed, now } = *claim;
        let record = if_claimed(record, claimed);
        if claimed == Some(wanted) {
            return vec![record];
        }
        let name = ItemWrite::put(self.keys.name(wanted)).set(ANCHOR, text(anchor.as_str()));
        let mut writes = vec![record.set(CLAIMED, text(wanted)), if_free(name, anchor, now)];
        writes.extend(claimed.map(|old| self.give_up_name(anchor, old)));
        writes
    }

    /// Gives up a name that a record claims.
    pub(crate) fn give_up_name(&self, anchor: &Anchor, name: &str) -> ItemWrite {
        if_own(ItemWrite::delete(self.keys.name(name)), anchor)
    }

    /// The owner of a name: from the refusal, otherwise by a read.
    async fn name_owner(&self, name: &str, refusal: Option<TableItem>) -> Result<Option<Anchor>> {
        let item = match refusal {
            Some(item) => Some(item),
            None => self.get(&self.keys.name(name)).await?,
        };
        item.map(|item| anchor_in(&item)).transpose()
    }
}

/// The status with the recheck of missing references that is already planned for a user that stays in sync.
fn keep_recheck<'a>(status: &'a Status, previous: Option<&UserRecord>) -> ScheduledStatus<'a> {
    match (status, previous) {
        (Status::InSync, Some(&UserRecord { status: Status::InSync, attempts, next_attempt, .. })) => {
            ScheduledStatus { status, attempts, next_attempt }
        }
        _ => status.into(),
    }
}

/// The name that a record of this content should claim. If that is wrong, the write is refused.
fn expected_claim(record: &UserRecord) -> Option<String> {
    match record.status {
        Status::Conflict { .. } => None,
        _ => record.desired.as_ref()?.user_name().map(UserName::folded),
    }
}
