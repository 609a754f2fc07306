//! Outcome of provisioning a user. Writing it ends the user's lease.

use model::{
    AccountLink, Anchor, AppliedState, DeprovisionReason, MatchedAccount, Status, UnixSeconds, UserRecord,
};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::history::HistoryEvent;
use crate::item::{flag, json, number, text};
use crate::record::{
    ACCOUNT, ACTIVE, ANCHOR, APPLIED, CREATE_INTENT, LEASE, OwnedItems, RECORDED_LEASE, REFERENCES,
    ScheduledStatus, StoredRecord, UserReferences, if_linked, if_rev, set_link,
};
use crate::retention::{UserItems, departure, if_free, if_own, left_active};
use crate::user_lease::UserLease;
use crate::write::ItemWrite;

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
    /// The references. Written only with the status `in_sync`; otherwise the recorded ones stay.
    pub references: UserReferences,
    /// Line of the history.
    pub event: Option<HistoryEvent>,
}

impl UserOutcome {
    fn scheduled(&self) -> ScheduledStatus<'_> {
        let Self { status, attempts, next_attempt, .. } = self;
        ScheduledStatus { status, attempts: *attempts, next_attempt: *next_attempt }
    }
}

/// Result of writing an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeWrite {
    /// All of it is written.
    Done,
    /// A scan changed the record meanwhile. Applied state and history are written; the user is pending again, or as the
    /// scan put it (held, skipped, in conflict, invalid).
    Outdated,
}

/// Maximum of references that are remembered for a user. One transaction takes a hundred writes: all old ones may go and
/// as many new ones come.
const MAX_REFERENCES: usize = 45;
/// Changes of the record under an outcome that is being written.
const ATTEMPTS: usize = 5;

/// One attempt at writing an outcome.
struct OutcomeAttempt<'a> {
    lease: &'a UserLease,
    outcome: &'a UserOutcome,
    now: UnixSeconds,
    /// The record as it is expected to be.
    rev: u64,
    owned_items: OwnedItems,
    record: &'a UserRecord,
    /// `None` leaves the status as the scan wrote it.
    status: Option<ScheduledStatus<'a>>,
}

impl OutcomeAttempt<'_> {
    fn is_in_sync(&self) -> bool {
        self.status.is_some_and(|scheduled| *scheduled.status == Status::InSync)
    }

    fn was_active(&self) -> bool {
        self.lease.record.link.as_ref().is_some_and(left_active)
    }

    fn is_active(&self) -> bool {
        self.outcome.applied.as_ref().map_or(self.was_active(), |applied| applied.active)
    }

    /// Reason of the user's leaving, if the user has left with this outcome.
    fn departure(&self) -> Option<DeprovisionReason> {
        departure(self.record.desired.as_ref(), self.is_active()).filter(|_| self.is_in_sync())
    }

    fn items(&self) -> UserItems<'_> {
        let link = self.lease.record.link.as_ref();
        UserItems { anchor: &self.record.anchor, link, owned: &self.owned_items, now: self.now }
    }
}

impl Store {
    /// Writes the outcome and gives the lease back. History and retention count from `now`. The record of a user in sync
    /// expires if the user is to have no account and has no active one.
    pub async fn write_outcome(
        &self,
        lease: UserLease,
        outcome: UserOutcome,
        now: UnixSeconds,
    ) -> Result<OutcomeWrite> {
        if outcome.applied.is_some() && lease.record.link.is_none() {
            return Err(StoreError::NotLinked);
        }
        let (lease, outcome) = (&lease, &outcome);
        let (rev, owned_items, record) = (lease.rev, lease.owned_items.clone(), &lease.record);
        let status = Some(outcome.scheduled());
        let first = OutcomeAttempt { lease, outcome, now, rev, owned_items, record, status };
        let Some(mut found) = self.try_write_outcome(first).await? else { return Ok(OutcomeWrite::Done) };
        for _ in 0..ATTEMPTS {
            let status = match &found.record.status {
                Status::InSync
                | Status::Pending
                | Status::Retrying { .. }
                | Status::Failed { .. }
                | Status::AccountGone => Some(ScheduledStatus::from(&Status::Pending)),
                // The scan has decided on these.
                Status::Conflict { .. }
                | Status::DuplicateAnchor
                | Status::PendingDeletion { .. }
                | Status::Held { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => None,
            };
            let (rev, owned_items, record) = (found.rev, found.owned_items, &found.record);
            let next = OutcomeAttempt { lease, outcome, now, rev, owned_items, record, status };
            match self.try_write_outcome(next).await? {
                None => return Ok(OutcomeWrite::Outdated),
                Some(newer) => found = newer,
            }
        }
        Err(StoreError::Throttled("write the outcome for a user"))
    }

    /// Links an account that was just created and writes the outcome, in one transaction. The status is `in_sync`.
    ///
    /// `false` if nothing is written: a scan changed the record, the account is another entry's, or other users wait for
    /// it and have to become pending before the outcome. The caller reopens users that begin to wait meanwhile.
    pub async fn write_created_outcome(
        &self,
        lease: &UserLease,
        created: &MatchedAccount,
        outcome: &UserOutcome,
    ) -> Result<bool> {
        let account = created.id();
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
        let record = self.ending(lease, *rev);
        let record = self.set_status(record, &user.anchor.hash(), outcome.scheduled())?;
        let link = AccountLink { account: account.clone(), applied: Some(applied.clone()) };
        let record = set_link(if_linked(record, None), &link)?.set(RECORDED_LEASE, number(lease.number));
        let mut writes =
            self.with_references(record, lease, (&owned_items.references, &outcome.references))?;
        let item = ItemWrite::put(self.keys.account(account))
            .set(ANCHOR, text(user.anchor.as_str()))
            .set(ACTIVE, flag(applied.active));
        writes.push(if_free(item, &user.anchor, lease.taken_at));
        writes.extend(self.claim_among_siblings(lease, account).await?);
        if let Some(event) = &outcome.event {
            writes.push(self.event(lease, event)?);
        }
        let result = self.commit(&writes).await?;
        if result.is_done() {
            return Ok(true);
        }
        let Some(item) = result.into_first_item() else { return Ok(false) };
        let found = StoredRecord::decode(&self.keys, &item)?;
        // The answer to the first attempt was lost.
        Ok(found.account() == Some(account) && is_ended(&found, lease, *rev))
    }

    /// Writes an outcome if the record is as expected; otherwise returns the record as it is.
    async fn try_write_outcome(&self, mut attempt: OutcomeAttempt<'_>) -> Result<Option<StoredRecord>> {
        let (lease, rev) = (attempt.lease, attempt.rev);
        if attempt.departure().is_none() && attempt.owned_items.expires_at.is_some() {
            self.bring_back(self.by_lease(lease), &attempt.items()).await?;
            attempt.owned_items.expires_at = None;
        }
        let result = self.commit(&self.outcome_writes(&attempt)?).await?;
        if result.is_done() {
            return Ok(None);
        }
        // Only the user's own items have conditions. A write that ended the lease or moved one of them did both.
        let item = result.into_first_item().ok_or(StoreError::LeaseLost)?;
        let found = StoredRecord::decode(&self.keys, &item)?;
        // The answer to the first attempt was lost.
        if is_ended(&found, lease, rev) {
            return Ok(None);
        }
        let is_held = found.lease_number == lease.number && found.lease_owner.is_some();
        let has_same_link = found.account() == lease.record.link.as_ref().map(|link| &link.account);
        if is_held && has_same_link && found.rev != rev {
            Ok(Some(found))
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// The writes of an outcome; the record's is the first.
    fn outcome_writes(&self, attempt: &OutcomeAttempt<'_>) -> Result<Vec<ItemWrite>> {
        let OutcomeAttempt { lease, outcome, owned_items, record: user, .. } = attempt;
        let record = self.outcome_of_record(attempt)?;
        let departure = attempt.departure();
        let mut writes = match departure {
            Some(reason) => self.let_expire(record, &attempt.items(), reason),
            None if attempt.is_in_sync() => {
                self.with_references(record, lease, (&owned_items.references, &outcome.references))?
            }
            None => vec![record],
        };
        if let Some(link) = &lease.record.link
            && departure.is_none()
            && attempt.was_active() != attempt.is_active()
        {
            let account = ItemWrite::update(self.keys.account(&link.account))
                .set(ANCHOR, text(user.anchor.as_str()))
                .set(ACTIVE, flag(attempt.is_active()));
            writes.push(if_own(account, &user.anchor));
        }
        if let Some(event) = &outcome.event {
            writes.push(self.event(lease, event)?);
        }
        Ok(writes)
    }

    /// The record's part of an outcome.
    fn outcome_of_record(&self, attempt: &OutcomeAttempt<'_>) -> Result<ItemWrite> {
        let OutcomeAttempt { lease, outcome, rev, record: user, status, .. } = attempt;
        let mut record = self.ending(lease, *rev);
        if let Some(status) = status {
            record = self.set_status(record, &user.anchor.hash(), *status)?;
        }
        let intent = lease.record.create_intent.as_ref();
        let intent = intent.map(|intent| json(record.key(), intent)).transpose()?;
        let recorded = outcome.applied.is_some() || (attempt.is_in_sync() && lease.recorded);
        record = record
            .set_or_remove(CREATE_INTENT, intent)
            .set_or_remove(RECORDED_LEASE, recorded.then(|| number(lease.number)));
        if let (Some(applied), Some(link)) = (&outcome.applied, &lease.record.link) {
            let applied = json(record.key(), applied)?;
            record = if_linked(record, Some(&link.account)).set(APPLIED, applied);
        }
        Ok(record)
    }

    /// Adds to a record's write the items of its references, in place of the old ones. The record lists them, since
    /// nothing else tells which items are this user's.
    fn with_references(
        &self,
        record: ItemWrite,
        lease: &UserLease,
        (old, new): (&UserReferences, &UserReferences),
    ) -> Result<Vec<ItemWrite>> {
        let user: &Anchor = &lease.record.anchor;
        let hash = user.hash();
        let new: UserReferences = new.iter().take(MAX_REFERENCES).map(|(dn, to)| (*dn, to.clone())).collect();
        let record = if new == *old {
            record
        } else {
            let list = (!new.is_empty()).then(|| json(record.key(), &new)).transpose()?;
            record.set_or_remove(REFERENCES, list)
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
        if_rev(self.by_lease(lease), rev).remove_all(LEASE)
    }
}

/// Whether this lease was given back by its holder: every other write that ends a lease increments `rev`.
fn is_ended(found: &StoredRecord, lease: &UserLease, rev: u64) -> bool {
    found.lease_number == lease.number && found.lease_owner.is_none() && found.rev == rev
}
