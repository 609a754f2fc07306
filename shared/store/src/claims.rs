//! Transfers of a user name, and of an account, from one entry to another.

use std::collections::HashMap;

use model::{AccountLink, Anchor, DeprovisionReason, Desired, Status, UnixSeconds, UserName, UserRecord};

use crate::batch::GET_CHUNK;
use crate::desired::owner_in;
use crate::errors::StoreError;
use crate::item::{ItemReader, json, number, text};
use crate::keys::EXPIRES_AT;
use crate::record::{
    ACCOUNT, ANCHOR, APPLIED, AT_ONCE, CLAIMED, DESIRED, LEASE_OWNER, LEASE_UNTIL, OwnedItems,
    RECORDED_LEASE, RELEASED, StoredRecord, TRIED, flag, if_claimed, if_linked, if_rev, if_same_lease,
};
use crate::write::{CommitResult, ItemWrite};
use crate::{ScanLease, Store};

impl Store {
    /// Transfers the user name that `to` wants, and the account of `from`, from an entry that is gone to the entry that
    /// replaces it. Afterwards `from` is in sync, absent for this reason and without an account, so its removal can't
    /// deactivate anything. `to` has the account and is pending.
    ///
    /// All of it is one transaction. `false` means that nothing was written: a record differs from the one passed in,
    /// or is being provisioned. The next scan finds the pair again.
    pub async fn transfer(
        &self,
        lease: &ScanLease,
        from: &UserRecord,
        to: &UserRecord,
        reason: DeprovisionReason,
    ) -> Result<bool, StoreError> {
        let Some(wanted) = wanted_name(to) else { return Ok(false) };
        if from.anchor == to.anchor || (from.link.is_some() && to.link.is_some()) {
            return Ok(false);
        }
        let Some(old) = self.unchanged(lease, from).await? else { return Ok(false) };
        let Some(new) = self.unchanged(lease, to).await? else { return Ok(false) };
        if old.owned_items.claimed.as_deref() != Some(wanted.folded().as_str()) {
            return Ok(false);
        }

        let gone = Desired::Absent { user_name: from.user_name().cloned(), reason };
        let giver = self
            .handing(lease, &old)
            .set(DESIRED, json(&self.keys.record(&from.anchor.hash()), &gone)?)
            .set(RELEASED, flag(false))
            .remove(CLAIMED)
            .remove(ACCOUNT)
            .remove(APPLIED)
            .remove(TRIED)
            .remove(RECORDED_LEASE);
        let giver = self.set_status(giver, &from.anchor.hash(), &Status::InSync, AT_ONCE)?;
        let nothing = UserRecord { link: None, ..from.clone() };
        let left = OwnedItems { claimed: None, ..old.owned_items.clone() };
        let mut leaving = self.let_expire(giver, &nothing, reason, &left, lease.now);

        let link: Option<&AccountLink> = old.record.link.as_ref().or(new.record.link.as_ref());
        let taker = self.set_link(self.handing(lease, &new), link)?.set(CLAIMED, text(wanted.folded()));
        let taker = self.set_status(taker, &to.anchor.hash(), &Status::Pending, AT_ONCE)?;

        let mut writes = vec![taker, self.pass(self.keys.name(&wanted.folded()), from, to)];
        writes.append(&mut leaving);
        if let Some(link) = &old.record.link {
            writes.push(self.pass(self.keys.account(&link.account), from, to));
        }
        if let Some(name) = new.owned_items.claimed.filter(|name| *name != wanted.folded()) {
            writes.push(self.give_up_name(&to.anchor, &name));
        }
        Ok(self.commit(&writes).await? == CommitResult::Done)
    }

    /// Gives a record the name that it wants, free or owned by `from` that no longer wants it. The record becomes
    /// pending. `false` when another entry owns the name, `from` still wants it, or a record has changed.
    pub async fn claim_name(
        &self,
        lease: &ScanLease,
        record: &UserRecord,
        from: Option<&Anchor>,
    ) -> Result<bool, StoreError> {
        let Some(wanted) = wanted_name(record) else { return Ok(false) };
        let name = wanted.folded();
        let Some(new) = self.stored(&record.anchor.hash()).await? else { return Ok(false) };
        if new.record.desired != record.desired {
            return Ok(false);
        }
        let taker = if_rev(self.by_scan(lease, &record.anchor), new.rev);
        let taker = self.set_status(taker, &record.anchor.hash(), &Status::Pending, AT_ONCE)?;
        let claimed = new.owned_items.claimed.as_deref();
        let mut writes = self.with_claim(taker, &record.anchor, &name, claimed, lease.now);

        if let (Some(from), [_, claim, ..]) =
            (from.filter(|from| **from != record.anchor), writes.as_mut_slice())
        {
            *claim = ItemWrite::put(self.keys.name(&name)).set(ANCHOR, text(record.anchor.as_str())).only_if(
                "attribute_not_exists(#anchor) OR #anchor = :me OR #anchor = :from OR #expires_at <= :now",
                [
                    ("me", text(record.anchor.as_str())),
                    ("from", text(from.as_str())),
                    ("now", number(lease.now.0)),
                ],
            );
            if let Some(old) = self.stored(&from.hash()).await? {
                if wanted_name(&old.record) == Some(wanted) {
                    return Ok(false);
                }
                if old.owned_items.claimed.as_deref() == Some(name.as_str()) {
                    let giver = if_rev(self.by_scan(lease, from), old.rev);
                    writes.push(if_claimed(giver, Some(&name)).remove(CLAIMED));
                }
            }
        }
        Ok(self.commit(&writes).await? == CommitResult::Done)
    }

    /// Owners of these user names at this time, by folded name. A free name is missing from the result; so is one whose
    /// retention has expired.
    pub async fn fetch_name_owners(
        &self,
        names: &[UserName],
        now: UnixSeconds,
    ) -> Result<HashMap<String, Anchor>, StoreError> {
        let mut folded: Vec<String> = names.iter().map(UserName::folded).collect();
        // DynamoDB refuses a request that names a key twice.
        folded.sort_unstable();
        folded.dedup();
        let mut owners = HashMap::new();
        for chunk in folded.chunks(GET_CHUNK) {
            let keys: Vec<_> = chunk.iter().map(|name| self.keys.name(name)).collect();
            for item in self.get_chunk(&keys).await? {
                let read = ItemReader::new(&item);
                let expired = read.number::<i64>(EXPIRES_AT)?.is_some_and(|at| at <= now.0);
                let key = read.key();
                if let Some(name) = self.keys.parse_name(&key.pk).filter(|_| !expired) {
                    owners.insert(name.to_owned(), owner_in(&item)?);
                }
            }
        }
        Ok(owners)
    }

    /// The stored record, if it equals the caller's and no other worker has its lease.
    async fn unchanged(
        &self,
        lease: &ScanLease,
        known: &UserRecord,
    ) -> Result<Option<StoredRecord>, StoreError> {
        let stored = self.stored(&known.anchor.hash()).await?;
        Ok(stored.filter(|stored| {
            let UserRecord { version, desired, link, .. } = &stored.record;
            (version, desired, link) == (&known.version, &known.desired, &known.link)
                && (!stored.is_leased(lease.now) || stored.lease_owner.as_deref() == Some(lease.owner()))
        }))
    }

    /// The write that both records of a transfer share. An expired lease is removed, so that its holder can't write any
    /// more.
    fn handing(&self, lease: &ScanLease, stored: &StoredRecord) -> ItemWrite {
        let write = if_rev(self.by_scan(lease, &stored.record.anchor), stored.rev);
        let write = if_same_lease(write, stored);
        let account = stored.record.link.as_ref().map(|link| &link.account);
        let write = if_claimed(if_linked(write, account), stored.owned_items.claimed.as_deref());
        write
            .only_if(
                "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner",
                [("now", number(lease.now.0)), ("owner", text(lease.owner()))],
            )
            .remove(LEASE_OWNER)
            .remove(LEASE_UNTIL)
    }

    /// Moves the item of a name or an account to another entry.
    fn pass(&self, key: crate::keys::ItemKey, from: &UserRecord, to: &UserRecord) -> ItemWrite {
        ItemWrite::update(key)
            .set(ANCHOR, text(to.anchor.as_str()))
            .remove(EXPIRES_AT)
            .only_if("#anchor = :from", [("from", text(from.anchor.as_str()))])
    }
}

/// The user name of the desired user, if it is to have an account.
fn wanted_name(record: &UserRecord) -> Option<&UserName> {
    match record.desired.as_ref()? {
        Desired::Present(user) => Some(&user.user_name),
        Desired::Absent { .. } => None,
    }
}
