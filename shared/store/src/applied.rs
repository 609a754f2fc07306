//! What provisioning writes: the lease of one user, and the outcome.

use std::collections::BTreeMap;

use model::{
    AccountId, AccountLink, Anchor, AnchorHash, AppliedState, CreateIntent, DnKey, Status, UnixSeconds,
    UserRecord,
};

use crate::Store;
use crate::accounts::ACTIVE;
use crate::errors::StoreError;
use crate::history::HistoryEvent;
use crate::item::{json, number, text};
use crate::record::{
    ACCOUNT, ANCHOR, APPLIED, AT_ONCE, LEASE_NUMBER, LEASE_OWNER, LEASE_UNTIL, OwnedItems, RECORDED_LEASE,
    REFERENCES, StoredRecord, TRIED, flag, if_linked, if_rev,
};
use crate::retention::{departure, if_free, left_active};
use crate::write::{CommitResult, ConditionResult, ItemWrite, UpdateResult};

/// References of a user, by the DN that the directory names: the account that was sent for each, or `None` while the
/// other user has no account.
pub type UserReferences = BTreeMap<DnKey, Option<AccountId>>;

/// The right to provision one user.
#[derive(Debug)]
pub struct UserLease {
    /// The record as it was when the lease was taken, with the link as it has become since.
    pub record: UserRecord,
    rev: u64,
    number: u64,
    /// Whether the lease before this one recorded its outcome, and the link is still the same.
    pub(crate) recorded: bool,
    owned_items: OwnedItems,
    pub(crate) taken_at: UnixSeconds,
}

impl UserLease {
    /// Whether the applied state is what was last sent to the account. A lease that ended without a recorded outcome may
    /// have sent something else.
    pub fn is_recorded(&self) -> bool {
        self.recorded && self.record.link.is_some()
    }

    /// The references as they were last recorded.
    pub fn references(&self) -> &UserReferences {
        &self.owned_items.references
    }
}

/// Outcome of provisioning a user, as it is written.
#[derive(Clone, Debug)]
pub struct UserOutcome {
    /// State of the account; `None` leaves the applied state as it was.
    pub applied: Option<AppliedState>,
    /// The user's status.
    pub status: Status,
    /// Number of failed attempts; for a user in sync with a missing reference, number of rechecks.
    pub attempts: u32,
    /// Time of the next attempt. For a user in sync, time when its missing references are rechecked; zero for never.
    pub next_attempt: UnixSeconds,
    /// The references. Written only with the status `in_sync`; else those of before stay.
    pub references: UserReferences,
    /// Line of the history.
    pub event: Option<HistoryEvent>,
}

/// How an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeWrite {
    /// As told.
    Done,
    /// A scan changed the record meanwhile. AppliedState state and history are written; the user is pending again, or as the
    /// scan put it (held, skipped, in conflict, invalid).
    Outdated,
}

/// Most references that are remembered for a user. One transaction takes a hundred writes: all old ones may go and as
/// many new ones come.
const MAX_REFERENCES: usize = 45;
/// How often the record may change under an outcome that is being written.
const ATTEMPTS: usize = 5;

/// A status with its number of attempts and the time of the next one.
type StatusWrite<'a> = (&'a Status, (u32, UnixSeconds));

/// One try at writing an outcome.
struct OutcomeAttempt<'a> {
    lease: &'a UserLease,
    outcome: &'a UserOutcome,
    now: UnixSeconds,
    /// The record as it is expected to be.
    rev: u64,
    owned_items: OwnedItems,
    record: &'a UserRecord,
    /// `None` leaves the status as the scan wrote it.
    status: Option<StatusWrite<'a>>,
}

impl OutcomeAttempt<'_> {
    fn is_in_sync(&self) -> bool {
        self.status.is_some_and(|(status, _)| *status == Status::InSync)
    }
}

impl Store {
    /// Takes a user's lease. `None` if another owner has it, or if there is no record. The same owner can take it again
    /// at once; the earlier lease is void then.
    #[expect(clippy::too_many_arguments, reason = "user, owner, time and duration are each plain")]
    pub async fn lease_user(
        &self,
        hash: AnchorHash,
        owner: &str,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Option<UserLease>, StoreError> {
        let write = ItemWrite::update(self.keys.record(&hash))
            .set(LEASE_OWNER, text(owner))
            .set(LEASE_UNTIL, number(now.plus(seconds).0))
            .bump(LEASE_NUMBER)
            .only_if("attribute_exists(#anchor)", [])
            .only_if(
                "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
                [("now", number(now.0)), ("owner", text(owner))],
            );
        match self.update_and_read(&write).await? {
            UpdateResult::Refused(_) => Ok(None),
            UpdateResult::Now(item) => {
                let StoredRecord { record, rev, owned_items, lease_number: number, recorded_lease, .. } =
                    StoredRecord::decode(&self.keys, &item)?;
                let recorded = recorded_lease.is_some_and(|recorded| recorded + 1 == number);
                Ok(Some(UserLease { record, rev, number, recorded, owned_items, taken_at: now }))
            }
        }
    }

    /// Writes the outcome and gives the lease back. History and retention count from `now`. The record of a user in sync
    /// who is to have no account and has no active one expires.
    pub async fn write_outcome(
        &self,
        lease: UserLease,
        outcome: UserOutcome,
        now: UnixSeconds,
    ) -> Result<OutcomeWrite, StoreError> {
        if outcome.applied.is_some() && lease.record.link.is_none() {
            return Err(StoreError::NotLinked);
        }
        let status = Some((&outcome.status, (outcome.attempts, outcome.next_attempt)));
        let (rev, owned_items, record) = (lease.rev, lease.owned_items.clone(), &lease.record);
        let first =
            OutcomeAttempt { lease: &lease, outcome: &outcome, now, rev, owned_items, record, status };
        let Some(mut found) = self.try_write_outcome(first).await? else { return Ok(OutcomeWrite::Done) };
        for _ in 0..ATTEMPTS {
            let status = match &found.record.status {
                Status::InSync | Status::Pending | Status::Retrying { .. } | Status::Failed { .. } => {
                    Some((&Status::Pending, AT_ONCE))
                }
                // The scan has decided on these.
                Status::Conflict { .. }
                | Status::PendingDeletion { .. }
                | Status::Held { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => None,
            };
            let (rev, owned_items, record) = (found.rev, found.owned_items, &found.record);
            let next =
                OutcomeAttempt { lease: &lease, outcome: &outcome, now, rev, owned_items, record, status };
            match self.try_write_outcome(next).await? {
                None => return Ok(OutcomeWrite::Outdated),
                Some(newer) => found = newer,
            }
        }
        Err(StoreError::Throttled { action: "write the outcome for a user" })
    }

    /// Gives a lease back without an outcome: nothing was sent.
    pub async fn return_lease(&self, lease: UserLease) -> Result<(), StoreError> {
        let mut write = self.by_lease(&lease).remove(LEASE_OWNER).remove(LEASE_UNTIL);
        if lease.recorded {
            write = write.set(RECORDED_LEASE, number(lease.number));
        }
        // Refused means that another owner has the lease by now: there is nothing to give back.
        self.commit(&[write]).await.map(drop)
    }

    /// Writes that an account is about to be created, because the answer may be lost: then the next lease looks for the
    /// account, even if the user has left by then. `false` if a scan changed the record: nothing may be created.
    pub async fn store_create_intent(
        &self,
        lease: &mut UserLease,
        intent: CreateIntent,
    ) -> Result<bool, StoreError> {
        if lease.record.create_intent.as_ref() == Some(&intent) {
            return Ok(true);
        }
        let write = if_rev(self.by_lease(lease), lease.rev).only_if("attribute_not_exists(#account)", []);
        let key = write.key().clone();
        let write = write.set(TRIED, json(&key, &intent)?);
        let done = self.commit(&[write]).await? == CommitResult::Done;
        if done {
            lease.record.create_intent = Some(intent);
        }
        Ok(done)
    }

    /// Links an account that was just created and writes the outcome, in one transaction. The status is `in_sync`.
    ///
    /// `false` if nothing is written: a scan changed the record, the account is another entry's, or other users wait for
    /// it and have to be woken before the outcome. The caller wakes users that begin to wait meanwhile.
    pub async fn write_created_outcome(
        &self,
        lease: &UserLease,
        account: &AccountId,
        outcome: &UserOutcome,
    ) -> Result<bool, StoreError> {
        let UserLease { record: user, rev, owned_items, .. } = lease;
        let Some(applied) = outcome.applied.as_ref().filter(|_| outcome.status == Status::InSync) else {
            return Ok(false);
        };
        if user.link.is_some() || owned_items.expires_at.is_some() {
            return Ok(false);
        }
        if let Some(dn) = user.dn
            && !self.fetch_referrers(dn, account).await?.is_empty()
        {
            return Ok(false);
        }
        let attempt = (outcome.attempts, outcome.next_attempt);
        let record = self.ending(lease, *rev);
        let record = self.set_status(record, &user.anchor.hash(), &outcome.status, attempt)?;
        let link = AccountLink { account: account.clone(), applied: Some(applied.clone()) };
        let record = self.set_link(if_linked(record, None), Some(&link))?;
        let record = record.set(RECORDED_LEASE, number(lease.number));
        let mut writes =
            self.with_references(record, &user.anchor, &owned_items.references, &outcome.references)?;
        let item = ItemWrite::put(self.keys.account(account))
            .set(ANCHOR, text(user.anchor.as_str()))
            .set(ACTIVE, flag(applied.active));
        writes.push(if_free(item, &user.anchor, lease.taken_at));
        if let Some(event) = &outcome.event {
            writes.push(self.event(user, event, outcome.attempts)?);
        }
        let results = match self.commit(&writes).await? {
            CommitResult::Done => return Ok(true),
            CommitResult::Refused(results) => results,
        };
        let Some(ConditionResult::Refused(Some(item))) = results.into_iter().next() else {
            return Ok(false);
        };
        let found = StoredRecord::decode(&self.keys, &item)?;
        let is_linked = found.record.link.as_ref().is_some_and(|link| link.account == *account);
        // The answer to the first try was lost.
        Ok(is_linked && is_ended(&found, lease, *rev))
    }

    /// Writes an outcome if the record is as expected, else gives back the record as it is.
    async fn try_write_outcome(
        &self,
        mut attempt: OutcomeAttempt<'_>,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let OutcomeAttempt { lease, outcome, now, rev, record: user, .. } = attempt;
        let link = lease.record.link.as_ref();
        let was_active = link.is_some_and(left_active);
        let is_active = outcome.applied.as_ref().map_or(was_active, |applied| applied.active);
        let left = match attempt.is_in_sync() {
            true => departure(user.desired.as_ref(), is_active),
            false => None,
        };
        if left.is_none() && attempt.owned_items.expires_at.is_some() {
            self.bring_back(self.by_lease(lease), user, &attempt.owned_items, now).await?;
            attempt.owned_items.expires_at = None;
        }
        let record = self.outcome_of_record(&attempt)?;
        let owned_items = &attempt.owned_items;
        let mut writes = match left {
            Some(reason) => {
                let user = UserRecord { link: link.cloned(), ..user.clone() };
                self.let_expire(record, &user, reason, owned_items, now)
            }
            None if attempt.is_in_sync() => {
                self.with_references(record, &user.anchor, &owned_items.references, &outcome.references)?
            }
            None => vec![record],
        };
        if let Some(link) = link.filter(|_| left.is_none() && was_active != is_active) {
            let me = text(user.anchor.as_str());
            let account = ItemWrite::update(self.keys.account(&link.account))
                .set(ANCHOR, me.clone())
                .set(ACTIVE, flag(is_active))
                .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", me)]);
            writes.push(account);
        }
        if let Some(event) = &outcome.event {
            writes.push(self.event(&lease.record, event, outcome.attempts)?);
        }
        let results = match self.commit(&writes).await? {
            CommitResult::Done => return Ok(None),
            CommitResult::Refused(results) => results,
        };
        // Only the user's own items have conditions. A write that ended the lease or moved one of them did both.
        let Some(ConditionResult::Refused(Some(item))) = results.into_iter().next() else {
            return Err(StoreError::LeaseLost);
        };
        let found = StoredRecord::decode(&self.keys, &item)?;
        // The answer to the first try was lost.
        if is_ended(&found, lease, rev) {
            return Ok(None);
        }
        let held = found.lease_number == lease.number && found.lease_owner.is_some();
        let same_link =
            found.record.link.as_ref().map(|link| &link.account) == link.map(|link| &link.account);
        if held && same_link && found.rev != rev { Ok(Some(found)) } else { Err(StoreError::LeaseLost) }
    }

    /// The record's part of an outcome.
    fn outcome_of_record(&self, attempt: &OutcomeAttempt<'_>) -> Result<ItemWrite, StoreError> {
        let OutcomeAttempt { lease, outcome, rev, record: user, status, .. } = attempt;
        let mut record = self.ending(lease, *rev);
        let key = record.key().clone();
        if let Some((status, next)) = status {
            record = self.set_status(record, &user.anchor.hash(), status, *next)?;
        }
        let tried = lease.record.create_intent.as_ref().map(|tried| json(&key, tried)).transpose()?;
        let recorded = outcome.applied.is_some() || (attempt.is_in_sync() && lease.recorded);
        record = record
            .set_or_remove(TRIED, tried)
            .set_or_remove(RECORDED_LEASE, recorded.then(|| number(lease.number)));
        if let (Some(applied), Some(link)) = (&outcome.applied, &lease.record.link) {
            record = if_linked(record, Some(&link.account)).set(APPLIED, json(&key, applied)?);
        }
        Ok(record)
    }

    /// Adds to a record's write the items of its references, in place of the old ones. The record lists them, since
    /// nothing else tells which items are this user's.
    #[expect(clippy::too_many_arguments, reason = "old and new are of one type and told apart by name")]
    fn with_references(
        &self,
        record: ItemWrite,
        user: &Anchor,
        old: &UserReferences,
        new: &UserReferences,
    ) -> Result<Vec<ItemWrite>, StoreError> {
        let (hash, key) = (user.hash(), record.key().clone());
        let new: UserReferences = new.iter().take(MAX_REFERENCES).map(|(dn, to)| (*dn, to.clone())).collect();
        let record = match new == *old {
            true => record,
            false => {
                let list = (!new.is_empty()).then(|| json(&key, &new)).transpose()?;
                record.set_or_remove(REFERENCES, list)
            }
        };
        let mut writes = vec![record];
        for (dn, account) in &new {
            let item = ItemWrite::put(self.keys.reference(dn, &hash)).set(ANCHOR, text(user.as_str()));
            match account {
                Some(account) if old.get(dn) == Some(&Some(account.clone())) => {}
                Some(account) => writes.push(item.set(ACCOUNT, text(account.as_str()))),
                None => writes.push(item),
            }
        }
        let stale = old.keys().filter(|dn| !new.contains_key(*dn));
        writes.extend(stale.map(|dn| ItemWrite::delete(self.keys.reference(dn, &hash))));
        Ok(writes)
    }

    /// The record's write that ends a lease, if no scan has written since.
    fn ending(&self, lease: &UserLease, rev: u64) -> ItemWrite {
        if_rev(self.by_lease(lease), rev).remove(LEASE_OWNER).remove(LEASE_UNTIL)
    }

    /// A write to the record that only the holder of the lease may do.
    pub(crate) fn by_lease(&self, lease: &UserLease) -> ItemWrite {
        ItemWrite::update(self.keys.record(&lease.record.anchor.hash())).only_if(
            "attribute_exists(#lease_owner) AND #lease_number = :lease",
            [("lease", number(lease.number))],
        )
    }
}

/// Whether this lease was given back by its holder: every other write that ends a lease raises `rev`.
fn is_ended(found: &StoredRecord, lease: &UserLease, rev: u64) -> bool {
    found.lease_number == lease.number && found.lease_owner.is_none() && found.rev == rev
}
