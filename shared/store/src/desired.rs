//! What a scan writes about one user.

use model::{
    Anchor, DeprovisionReason, Desired, DnKey, HoldReason, Status, UnixSeconds, UserName, UserRecord,
};

use crate::errors::{StoreError, corrupt};
use crate::item::{ItemReader, TableItem, json, number, text};
use crate::keys::DN_PK;
use crate::record::{
    ANCHOR, AT_ONCE, CLAIMED, DESIRED, RELEASED, REV, StoredRecord, VERSION, flag, if_claimed, if_linked,
    if_rev, if_same_lease,
};
use crate::retention::{departure, if_free, if_kept};
use crate::write::{CommitResult, ConditionResult, ItemWrite};
use crate::{ScanLease, Store};

/// What the directory says that a user should be.
#[derive(Clone, Debug)]
pub struct DesiredWrite {
    /// The entry.
    pub anchor: Anchor,
    /// Where the entry is; `None` when it is nowhere any more.
    pub dn: Option<DnKey>,
    /// What it should be.
    pub desired: Desired,
    /// Where the user stands with that.
    pub status: Status,
    /// The record as the scan read it, if there was one. It only saves a round trip: nothing rests on its being
    /// up to date.
    pub previous: Option<UserRecord>,
}

/// How a scan's write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordWrite {
    /// It is written.
    Done,
    /// What is desired is written, as a conflict: the user name belongs to another entry.
    NameTaken {
        /// That entry.
        by: Anchor,
    },
    /// A later scan has written this record, and knows better. Nothing is changed.
    Outdated,
}

/// How often the name that a record claims may change under a scan that holds the lease.
const ATTEMPTS: usize = 5;

impl Store {
    /// Writes what a user should be, and claims the user name. The link and what was applied stay as they are; the attempts
    /// begin anew, and a removal that was released before is not any more. Who is settled and to have no account has left,
    /// and the record expires; it is kept again as soon as something else is written.
    pub async fn write_desired(
        &self,
        lease: &ScanLease,
        write: DesiredWrite,
    ) -> Result<RecordWrite, StoreError> {
        let DesiredWrite { anchor, dn, desired, status, previous } = write;
        let key = self.keys.record(&anchor.hash());
        let recheck = recheck_of(previous.as_ref());
        let record = |status: &Status| -> Result<ItemWrite, StoreError> {
            let write = self.by_scan(lease, &anchor);
            let write = write
                .set(DESIRED, json(&key, &desired)?)
                .set(RELEASED, flag(false))
                .set_or_remove(DN_PK, dn.as_ref().map(|dn| text(self.keys.dn(dn))));
            let next = match (status, &desired) {
                (Status::InSync, Desired::Present(_)) => recheck,
                _ => AT_ONCE,
            };
            self.set_status(write, &anchor.hash(), status, next)
        };

        let Desired::Present(user) = &desired else {
            // Nothing is claimed for somebody who is to have no account, and what was claimed stays, so that a
            // namesake meets the entry whose account it may be.
            return match (&desired, &status) {
                (Desired::Absent { reason, .. }, Status::InSync) => {
                    self.write_departed(lease, &anchor, *reason, record).await
                }
                _ => self.write_kept(lease, &anchor, || record(&status)).await,
            };
        };

        let wanted = user.user_name.folded();
        let mut claimed = previous.as_ref().and_then(expected_claim);
        for _ in 0..ATTEMPTS {
            let own = if_kept(record(&status)?);
            let writes = self.with_claim(own, &anchor, &wanted, claimed.as_deref(), lease.now);
            let verdicts = match self.commit(&writes).await? {
                CommitResult::Done => return Ok(RecordWrite::Done),
                CommitResult::Refused(verdicts) => verdicts,
            };
            let mut refused = verdicts.into_iter();
            let own = refused.next().unwrap_or(ConditionResult::Held);
            let name = refused.next().unwrap_or(ConditionResult::Held);
            let given_up = refused.next().unwrap_or(ConditionResult::Held);
            let own = match (own, name) {
                (ConditionResult::Held, ConditionResult::Refused(holder)) => {
                    let by = self.holder_of(&wanted, holder).await?;
                    let Some(by) = by else { continue };
                    let conflict = if_kept(record(&Status::Conflict { owner: by.clone() })?);
                    match self.commit(&[if_claimed(conflict, claimed.as_deref())]).await? {
                        CommitResult::Done => return Ok(RecordWrite::NameTaken { by }),
                        CommitResult::Refused(verdicts) => verdicts.into_iter().next(),
                    }
                }
                (ConditionResult::Held, ConditionResult::Held) if given_up.is_refused() => {
                    let key = self.keys.name(claimed.as_deref().unwrap_or_default());
                    return Err(corrupt(&key, "it belongs to another entry than the one that claims it"));
                }
                (own, _) => Some(own),
            };
            // The record is not what was expected: it is newer than this scan, its user had left, or it claims another
            // name.
            let Some(ConditionResult::Refused(found)) = own else { continue };
            claimed = match self.refused_by(&anchor, found).await? {
                None => None,
                Some(stored) if stored.record.version > lease.version() => return Ok(RecordWrite::Outdated),
                Some(stored) => self.present_again(lease, stored).await?,
            };
        }
        Err(StoreError::Throttled { action: "write what a user should be" })
    }

    /// Writes a removal that the safety check has let through. This is the only place that marks one as released, and
    /// `plan` alone can make the value that it takes.
    pub async fn write_removal(
        &self,
        lease: &ScanLease,
        removal: &plan::ReleasedRemoval,
    ) -> Result<RecordWrite, StoreError> {
        let plan::RemovalCandidate { anchor, dn, user_name: _, reason: _, desired } = removal.candidate();
        let record = || {
            let write = self
                .by_scan(lease, anchor)
                .set(DESIRED, json(&self.keys.record(&anchor.hash()), desired)?)
                .set(RELEASED, flag(true))
                .set_or_remove(DN_PK, dn.as_ref().map(|dn| text(self.keys.dn(dn))));
            self.set_status(write, &anchor.hash(), &Status::Pending, AT_ONCE)
        };
        self.write_kept(lease, anchor, record).await
    }

    /// Writes where a user stands and leaves what is desired alone; an entry that was never mappable gets a record
    /// without. A `dn` of `None` leaves the name alone too. A status that stops a removal takes its release back.
    pub async fn write_status(
        &self,
        lease: &ScanLease,
        anchor: &Anchor,
        dn: Option<DnKey>,
        status: Status,
    ) -> Result<RecordWrite, StoreError> {
        let record = |status: &Status| {
            let mut write = self.set_status(self.by_scan(lease, anchor), &anchor.hash(), status, AT_ONCE)?;
            if let Some(dn) = dn {
                write = write.set(DN_PK, text(self.keys.dn(&dn)));
            }
            Ok(match status {
                Status::InSync
                | Status::Pending
                | Status::Retrying { .. }
                | Status::Failed { .. }
                | Status::PendingDeletion { .. } => write,
                Status::Conflict { .. }
                | Status::Held { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => write.set(RELEASED, flag(false)),
            })
        };
        if status == Status::InSync
            && let Some(stored) = self.stored(&anchor.hash()).await?
            && let Some(reason) =
                departure(stored.record.desired.as_ref(), stored.record.has_active_account())
        {
            return self.write_departed(lease, anchor, reason, record).await;
        }
        self.write_kept(lease, anchor, || record(&status)).await
    }

    /// Writes a record whose user has not left, or not for good. One that was to expire is kept first.
    async fn write_kept(
        &self,
        lease: &ScanLease,
        anchor: &Anchor,
        record: impl Fn() -> Result<ItemWrite, StoreError>,
    ) -> Result<RecordWrite, StoreError> {
        for _ in 0..ATTEMPTS {
            let refused = match self.commit(&[if_kept(record()?)]).await? {
                CommitResult::Done => return Ok(RecordWrite::Done),
                CommitResult::Refused(verdicts) => verdicts.into_iter().next(),
            };
            let Some(ConditionResult::Refused(found)) = refused else { continue };
            let Some(stored) = self.refused_by(anchor, found).await? else { continue };
            if stored.record.version > lease.version() {
                return Ok(RecordWrite::Outdated);
            }
            self.present_again(lease, stored).await?;
        }
        Err(StoreError::Throttled { action: "write a user's record" })
    }

    /// Writes a record whose user has left and has no active account, so that it expires. Where provisioning says otherwise
    /// by now, the account is a matter for the next scan's safety check.
    async fn write_departed(
        &self,
        lease: &ScanLease,
        anchor: &Anchor,
        reason: DeprovisionReason,
        record: impl Fn(&Status) -> Result<ItemWrite, StoreError>,
    ) -> Result<RecordWrite, StoreError> {
        for _ in 0..ATTEMPTS {
            let stored = self.stored(&anchor.hash()).await?;
            let stored = match stored {
                None => StoredRecord::new(anchor.clone()),
                Some(stored) if stored.record.version > lease.version() => return Ok(RecordWrite::Outdated),
                Some(stored) if stored.record.has_active_account() => {
                    let held = Status::Held { reason, hold: HoldReason::AwaitingSafeguard };
                    return self.write_kept(lease, anchor, || record(&held)).await;
                }
                Some(stored) => stored,
            };
            let StoredRecord { record: user, owned_items, rev, .. } = &stored;
            // An account may be about to be made.
            let own = record(&Status::InSync)?.only_if("attribute_not_exists(#tried)", []);
            let own = if_same_lease(if_rev(own, *rev), &stored);
            let own = if_linked(own, user.link.as_ref().map(|link| &link.account));
            let own = if_claimed(own, owned_items.claimed.as_deref());
            match self.commit(&self.let_expire(own, user, reason, owned_items, lease.now)).await? {
                CommitResult::Done => return Ok(RecordWrite::Done),
                CommitResult::Refused(verdicts)
                    if verdicts.first().is_some_and(ConditionResult::is_refused) => {}
                // It had expired already, and others took what was this user's.
                CommitResult::Refused(_) => drop(self.present_again(lease, stored).await?),
            }
        }
        Err(StoreError::Throttled { action: "write that a user has left" })
    }

    /// Keeps a record that was to expire, and says which name it claims then.
    async fn present_again(
        &self,
        lease: &ScanLease,
        stored: StoredRecord,
    ) -> Result<Option<String>, StoreError> {
        let StoredRecord { record: user, owned_items, .. } = stored;
        if owned_items.expires_at.is_none() {
            return Ok(owned_items.claimed);
        }
        self.bring_back(self.by_scan(lease, &user.anchor), &user, &owned_items, lease.now).await?;
        Ok(self.stored(&user.anchor.hash()).await?.and_then(|stored| stored.owned_items.claimed))
    }

    /// The record that a write met: as the refusal told, else by looking.
    async fn refused_by(
        &self,
        anchor: &Anchor,
        told: Option<TableItem>,
    ) -> Result<Option<StoredRecord>, StoreError> {
        match told {
            Some(item) => StoredRecord::decode(&self.keys, &item).map(Some),
            None => self.stored(&anchor.hash()).await,
        }
    }

    /// What every write of a scan does to a record: it is refused by a later scan's, and provisioning notices it.
    pub(crate) fn by_scan(&self, lease: &ScanLease, anchor: &Anchor) -> ItemWrite {
        ItemWrite::update(self.keys.record(&anchor.hash()))
            .set(ANCHOR, text(anchor.as_str()))
            .set(VERSION, number(lease.version()))
            .bump(REV)
            .only_if(
                "attribute_not_exists(#version) OR #version <= :scan",
                [("scan", number(lease.version()))],
            )
    }

    /// The writes that bring a record the name it wants. A record that has it already is written alone.
    pub(crate) fn with_claim(
        &self,
        record: ItemWrite,
        anchor: &Anchor,
        wanted: &str,
        claimed: Option<&str>,
        now: UnixSeconds,
    ) -> Vec<ItemWrite> {
        let record = if_claimed(record, claimed);
        if claimed == Some(wanted) {
            return vec![record];
        }
        let claim = ItemWrite::put(self.keys.name(wanted)).set(ANCHOR, text(anchor.as_str()));
        let claim = if_free(claim, anchor, now);
        let mut writes = vec![record.set(CLAIMED, text(wanted)), claim];
        writes.extend(claimed.map(|old| self.give_up_name(anchor, old)));
        writes
    }

    /// Gives a name up that a record claims.
    pub(crate) fn give_up_name(&self, anchor: &Anchor, name: &str) -> ItemWrite {
        ItemWrite::delete(self.keys.name(name))
            .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", text(anchor.as_str()))])
    }

    /// Who a name belongs to: as the refused write told, else by looking.
    async fn holder_of(&self, name: &str, told: Option<TableItem>) -> Result<Option<Anchor>, StoreError> {
        let item = match told {
            Some(item) => Some(item),
            None => self.get(&self.keys.name(name)).await?,
        };
        item.map(|item| owner_in(&item)).transpose()
    }
}

/// The entry that a name's or an account's item belongs to.
pub(crate) fn owner_in(item: &TableItem) -> Result<Anchor, StoreError> {
    let read = ItemReader::new(item);
    let text = read.required(ANCHOR, read.text(ANCHOR)?)?;
    Anchor::from_text(text).map_err(|_| read.wrong(ANCHOR, "is not an anchor"))
}

/// When the missing references of a user that stays in sync are rechecked: as before.
fn recheck_of(previous: Option<&UserRecord>) -> (u32, UnixSeconds) {
    match previous {
        Some(UserRecord { status: Status::InSync, attempts, next_attempt, .. }) => (*attempts, *next_attempt),
        _ => AT_ONCE,
    }
}

/// The name that a record of this content should claim. Where that is wrong, the write is refused and told.
fn expected_claim(record: &UserRecord) -> Option<String> {
    match record.status {
        Status::Conflict { .. } => None,
        _ => record.desired.as_ref()?.user_name().map(UserName::folded),
    }
}
