//! What provisioning writes: it takes one user, and leaves the outcome.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    AccountId, AccountLink, AnchorHash, AppliedState, CreateIntent, DnKey, Status, UnixSeconds, UserRecord,
};

use crate::Store;
use crate::accounts::ACTIVE;
use crate::errors::StoreError;
use crate::history::HistoryEvent;
use crate::item::{json, number, text};
use crate::record::{
    ACCOUNT, ANCHOR, APPLIED, AT_ONCE, BEFORE, LEASE_NUMBER, LEASE_OWNER, LEASE_UNTIL, OwnedItems, REFERS,
    SURE, StoredRecord, TRIED, WAITS, flag, if_linked, if_rev,
};
use crate::retention::{departure, if_free, left_active};
use crate::write::{CommitResult, ConditionResult, ItemWrite, UpdateResult};

/// The right to provision one user.
#[derive(Debug)]
pub struct UserLease {
    /// The record as it was when the lease was taken, with the link as it has become since.
    pub record: UserRecord,
    rev: u64,
    number: u64,
    /// Whether it is known for sure what the account was left as: nobody has worked on the user since who may have sent
    /// something of which nothing was heard.
    pub(crate) sure: bool,
    owned_items: OwnedItems,
    pub(crate) taken_at: UnixSeconds,
}

impl UserLease {
    /// Whether it is known for sure what the account was left as.
    pub fn is_sure(&self) -> bool {
        self.sure && self.record.link.is_some()
    }

    /// The names of those for whom the user waits.
    pub fn waits_for(&self) -> &[DnKey] {
        &self.owned_items.waits
    }

    /// The names of those to whom the account refers, and the accounts that were sent for them.
    pub fn refers_to(&self) -> &BTreeMap<DnKey, AccountId> {
        &self.owned_items.refers
    }
}

/// What came out of provisioning a user.
#[derive(Clone, Debug)]
pub struct UserOutcome {
    /// What the account now is; `None` leaves what was applied before.
    pub applied: Option<AppliedState>,
    /// Where the user stands now.
    pub status: Status,
    /// How often the work was tried.
    pub attempts: u32,
    /// When to try next.
    pub next_attempt: UnixSeconds,
    /// Names that could not be resolved to accounts yet.
    pub waiting_for: Vec<DnKey>,
    /// Those that could, and the accounts.
    pub refers_to: BTreeMap<DnKey, AccountId>,
    /// What to remember of it.
    pub event: Option<HistoryEvent>,
}

/// How an outcome was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeWrite {
    /// As told.
    Done,
    /// The question changed meanwhile. What was applied and the history are written; the user is pending once more, or
    /// as the scan put it (held, skipped, in conflict, invalid).
    Outdated,
}

/// The most names that are written down in one transaction, and the most that are taken away again: it has room for a
/// hundred writes.
const MAX_NAMES: usize = 45;
/// How often the record may change under an outcome that is being written.
const ATTEMPTS: usize = 5;

/// A record as an outcome expects it.
struct ExpectedRecord<'a> {
    rev: u64,
    owned_items: OwnedItems,
    record: &'a UserRecord,
}

impl Store {
    /// Takes a user's lease. `None` when somebody else has it, or when there is no record. Under the same owner it can be
    /// taken again at once; the earlier lease is void then.
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
                let StoredRecord { record, rev, owned_items, lease_number: number, sure, .. } =
                    StoredRecord::decode(&self.keys, &item)?;
                // Whoever had the lease in between may have died after a call, and left no word of it.
                let sure = sure.is_some_and(|sure| sure + 1 == number);
                Ok(Some(UserLease { record, rev, number, sure, owned_items, taken_at: now }))
            }
        }
    }

    /// Writes the outcome and gives the lease back. `now` is when history and retention count from: who is settled, is to
    /// have no account and has no active one, has left, and the record expires.
    pub async fn write_outcome(
        &self,
        lease: UserLease,
        outcome: UserOutcome,
        now: UnixSeconds,
    ) -> Result<OutcomeWrite, StoreError> {
        if outcome.applied.is_some() && lease.record.link.is_none() {
            return Err(StoreError::NotLinked);
        }
        let stand = Some((&outcome.status, (outcome.attempts, outcome.next_attempt)));
        let known =
            ExpectedRecord { rev: lease.rev, owned_items: lease.owned_items.clone(), record: &lease.record };
        let mut found = match self.try_write_outcome(&lease, &outcome, now, known, stand).await? {
            None => return Ok(OutcomeWrite::Done),
            Some(found) => found,
        };
        for _ in 0..ATTEMPTS {
            let stand = match &found.record.status {
                Status::InSync | Status::Pending | Status::Retrying { .. } | Status::Failed { .. } => {
                    Some((&Status::Pending, AT_ONCE))
                }
                // The scan has said where the user stands, and there is nothing to do about that here.
                Status::Conflict { .. }
                | Status::PendingDeletion { .. }
                | Status::Held { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => None,
            };
            let known =
                ExpectedRecord { rev: found.rev, owned_items: found.owned_items, record: &found.record };
            match self.try_write_outcome(&lease, &outcome, now, known, stand).await? {
                None => return Ok(OutcomeWrite::Outdated),
                Some(newer) => found = newer,
            }
        }
        Err(StoreError::Throttled { action: "write the outcome for a user" })
    }

    /// Gives a lease back without an outcome: there was nothing to do.
    pub async fn return_lease(&self, lease: UserLease) -> Result<(), StoreError> {
        let mut write = self.by_lease(&lease).remove(LEASE_OWNER).remove(LEASE_UNTIL);
        if lease.sure {
            write = write.set(SURE, number(lease.number));
        }
        // Refused means that somebody else has the lease by now, and then there is nothing to give back.
        self.commit(&[write]).await.map(drop)
    }

    /// Writes down that an account is about to be made, because the answer may be lost: then whoever comes next looks for
    /// it, even if the user has left by then. `false` says that the question has changed, and that it must not be made.
    pub async fn store_create_intent(
        &self,
        lease: &mut UserLease,
        tried: CreateIntent,
    ) -> Result<bool, StoreError> {
        if lease.record.create_intent.as_ref() == Some(&tried) {
            return Ok(true);
        }
        let write = if_rev(self.by_lease(lease), lease.rev).only_if("attribute_not_exists(#account)", []);
        let key = write.key().clone();
        let write = write.set(TRIED, json(&key, &tried)?);
        let done = self.commit(&[write]).await? == CommitResult::Done;
        if done {
            lease.record.create_intent = Some(tried);
        }
        Ok(done)
    }

    /// Links an account that was made for a user just now and writes the outcome, all at once.
    ///
    /// `false` when that can't be, and then nothing is written: the question has changed, the account is another entry's, or
    /// somebody waits for it, who has to be woken after the link and before the outcome. Whoever begins to wait while this
    /// looks for those who do leaves a word in the record ([`await_account`](Self::await_account)), or finds the link.
    pub async fn write_created_outcome(
        &self,
        lease: &UserLease,
        account: &AccountId,
        outcome: &UserOutcome,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let UserLease { record: user, rev, owned_items, .. } = lease;
        if user.link.is_some() || owned_items.expires_at.is_some() {
            return Ok(false);
        }
        let Some(applied) = &outcome.applied else { return Ok(false) };
        if let Some(dn) = user.dn
            && !self.fetch_waiting(dn, account).await?.is_empty()
        {
            return Ok(false);
        }
        let record = self.ending(lease, *rev).only_if("attribute_not_exists(#awaited)", []);
        let attempt = (outcome.attempts, outcome.next_attempt);
        let record = self.set_status(record, &user.anchor.hash(), &outcome.status, attempt)?;
        let link = AccountLink { account: account.clone(), applied: Some(applied.clone()) };
        let record = self.set_link(if_linked(record, None), Some(&link))?.set(SURE, number(lease.number));
        let settled = outcome.status == Status::InSync;
        let record = if settled { record.remove(BEFORE) } else { record };
        let mut writes = self.with_waits(record, user, outcome, settled, owned_items, now)?;
        let item = ItemWrite::put(self.keys.account(account))
            .set(ANCHOR, text(user.anchor.as_str()))
            .set(ACTIVE, flag(applied.active));
        writes.push(if_free(item, &user.anchor, lease.taken_at));
        if let Some(event) = &outcome.event {
            writes.push(self.event(user, event, outcome.attempts)?);
        }
        let verdicts = match self.commit(&writes).await? {
            CommitResult::Done => return Ok(true),
            CommitResult::Refused(verdicts) => verdicts,
        };
        let Some(ConditionResult::Refused(Some(item))) = verdicts.into_iter().next() else {
            return Ok(false);
        };
        let found = StoredRecord::decode(&self.keys, &item)?;
        let is_linked = found.record.link.as_ref().is_some_and(|link| link.account == *account);
        // The answer to the first try was lost.
        Ok(is_linked && is_ended(&found, lease, *rev))
    }

    /// One try at writing an outcome, for a record as it is known. Gives the record back when it has changed.
    async fn try_write_outcome(
        &self,
        lease: &UserLease,
        outcome: &UserOutcome,
        now: UnixSeconds,
        known: ExpectedRecord<'_>,
        stand: Option<(&Status, (u32, UnixSeconds))>,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let UserOutcome { applied, attempts, event, .. } = outcome;
        let ExpectedRecord { rev, mut owned_items, record: user } = known;
        let hash = user.anchor.hash();
        let link = lease.record.link.as_ref();
        let was_active = link.is_some_and(left_active);
        let is_active = applied.as_ref().map_or(was_active, |applied| applied.active);
        let settled = stand.is_some_and(|(status, _)| *status == Status::InSync);
        let left = if settled { departure(user.desired.as_ref(), is_active) } else { None };
        if left.is_none() && owned_items.expires_at.is_some() {
            self.bring_back(self.by_lease(lease), user, &owned_items, now).await?;
            owned_items.expires_at = None;
        }

        let mut record = self.ending(lease, rev);
        if let Some((status, attempt)) = stand {
            record = self.set_status(record, &hash, status, attempt)?;
        }
        let key = record.key().clone();
        let tried = lease.record.create_intent.as_ref().map(|tried| json(&key, tried)).transpose()?;
        record = record.set_or_remove(TRIED, tried);
        let sure = applied.is_some() || (settled && lease.sure);
        record = record.set_or_remove(SURE, sure.then(|| number(lease.number)));
        if settled {
            record = record.remove(BEFORE);
        }
        if let (Some(applied), Some(link)) = (applied, link) {
            let key = record.key().clone();
            record = if_linked(record, Some(&link.account)).set(APPLIED, json(&key, applied)?);
        }
        let mut writes = match left {
            Some(reason) => {
                let user = UserRecord { link: link.cloned(), ..user.clone() };
                self.let_expire(record, &user, reason, &owned_items, now)
            }
            None => {
                let mut writes = self.with_waits(record, user, outcome, settled, &owned_items, now)?;
                if let Some(link) = link.filter(|_| was_active != is_active) {
                    let me = text(user.anchor.as_str());
                    let account = ItemWrite::update(self.keys.account(&link.account))
                        .set(ANCHOR, me.clone())
                        .set(ACTIVE, flag(is_active))
                        .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", me)]);
                    writes.push(account);
                }
                writes
            }
        };
        if let Some(event) = event {
            writes.push(self.event(&lease.record, event, *attempts)?);
        }

        let verdicts = match self.commit(&writes).await? {
            CommitResult::Done => return Ok(None),
            CommitResult::Refused(verdicts) => verdicts,
        };
        // Only the items that are the user's have conditions. Whatever ended the lease or moved one of them did both.
        let Some(ConditionResult::Refused(Some(item))) = verdicts.into_iter().next() else {
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

    /// Adds to a record's write the names that the user waits for, and those to whom the account refers by now. Those of
    /// before are done with once the user is settled. The record keeps a list, since nothing else tells which items are
    /// this user's.
    fn with_waits(
        &self,
        record: ItemWrite,
        user: &UserRecord,
        outcome: &UserOutcome,
        settled: bool,
        owned_items: &OwnedItems,
        now: UnixSeconds,
    ) -> Result<Vec<ItemWrite>, StoreError> {
        let hash = user.anchor.hash();
        let names: BTreeSet<DnKey> = outcome.waiting_for.iter().copied().take(MAX_NAMES).collect();
        let sent = outcome.refers_to.iter().filter(|(dn, _)| !names.contains(dn));
        let sent: BTreeMap<DnKey, AccountId> =
            sent.take(MAX_NAMES - names.len()).map(|(dn, account)| (*dn, account.clone())).collect();
        let OwnedItems { waits, refers, .. } = owned_items;
        let is_stale = |dn: &DnKey| settled && !names.contains(dn) && !sent.contains_key(dn);
        let before: BTreeSet<DnKey> = waits.iter().chain(refers.keys()).copied().collect();
        let stale: BTreeSet<DnKey> = before.iter().copied().filter(is_stale).take(MAX_NAMES).collect();

        let is_kept = |dn: &DnKey| !stale.contains(dn) && !names.contains(dn) && !sent.contains_key(dn);
        let mut waiting: BTreeSet<DnKey> = waits.iter().copied().filter(is_kept).collect();
        waiting.extend(&names);
        let kept = refers.iter().filter(|(dn, _)| is_kept(dn));
        let mut referring: BTreeMap<DnKey, AccountId> =
            kept.map(|(dn, account)| (*dn, account.clone())).collect();
        referring.extend(sent.clone());

        let (mut record, key) = (record, self.keys.record(&hash));
        if !waiting.iter().eq(waits) {
            let list = (!waiting.is_empty()).then(|| json(&key, &waiting)).transpose()?;
            record = record.set_or_remove(WAITS, list);
        }
        if referring != *refers {
            let list = (!referring.is_empty()).then(|| json(&key, &referring)).transpose()?;
            record = record.set_or_remove(REFERS, list);
        }
        let mut writes = vec![record];
        let item = |dn: &DnKey| {
            ItemWrite::put(self.keys.wait(dn, &hash))
                .set(ANCHOR, text(user.anchor.as_str()))
                .set("since", number(now.0))
        };
        writes.extend(names.iter().map(item));
        // What stands there already is not written again.
        let new = sent.iter().filter(|(dn, account)| refers.get(*dn) != Some(account));
        writes.extend(new.map(|(dn, account)| item(dn).set(ACCOUNT, text(account.as_str()))));
        writes.extend(stale.iter().map(|dn| ItemWrite::delete(self.keys.wait(dn, &hash))));
        Ok(writes)
    }

    /// The record's write that ends a lease, where no scan has written since.
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

/// Whether this lease was given back by its holder: nobody else does that without raising `rev`.
fn is_ended(found: &StoredRecord, lease: &UserLease, rev: u64) -> bool {
    found.lease_number == lease.number && found.lease_owner.is_none() && found.rev == rev
}
