//! Transfers of a user name, and of an account, from one entry to another.

use std::collections::HashMap;

use model::{Anchor, DeprovisionReason, Desired, Status, UnixSeconds, UserName, UserRecord};

use crate::Store;
use crate::batch::GET_CHUNK;
use crate::desired::NameClaim;
use crate::errors::Result;
use crate::item::{ItemReader, json, number, text};
use crate::keys::{EXPIRES_AT, ItemKey};
use crate::lease::ScanLease;
use crate::record::{
    ANCHOR, CLAIMED, CREATE_INTENT, DESIRED, LEASE, LINK, OwnedItems, RELEASED, StoredRecord, anchor_in,
    if_claimed, if_lease_free, if_linked, if_rev, if_same_lease, set_link,
};
use crate::retention::UserItems;
use crate::write::ItemWrite;

/// Transfer of a user name and an account, as a scan writes it.
#[derive(Clone, Copy, Debug)]
pub struct TransferWrite<'a> {
    /// The entry that is gone, as the scan read its record.
    pub from: &'a UserRecord,
    /// The entry that replaces it, as the scan read its record.
    pub to: &'a UserRecord,
    /// Why the first entry has no account any more.
    pub reason: DeprovisionReason,
}

impl Store {
    /// Transfers the user name that `to` wants, and the account of `from`. Afterwards `from` is in sync, absent for this
    /// reason and without an account, so its removal can't deactivate anything. `to` has the account and is pending.
    ///
    /// All of it is one transaction. `false` means that nothing was written: a record differs from the one passed in,
    /// or is being provisioned. The next scan finds the pair again.
    pub async fn transfer(&self, lease: &ScanLease, transfer: TransferWrite<'_>) -> Result<bool> {
        let TransferWrite { from, to, reason } = transfer;
        let Some(wanted) = wanted_name(to).map(UserName::folded) else { return Ok(false) };
        if from.anchor == to.anchor || (from.link.is_some() && to.link.is_some()) {
            return Ok(false);
        }
        let Some(old) = self.unchanged(lease, from).await? else { return Ok(false) };
        let Some(new) = self.unchanged(lease, to).await? else { return Ok(false) };
        if old.owned_items.claimed.as_ref() != Some(&wanted) {
            return Ok(false);
        }

        let gone = Desired::Absent { user_name: from.user_name().cloned(), reason };
        let giver = self.if_unchanged(lease, &old);
        let json = json(giver.key(), &gone)?;
        let giver =
            giver.set(DESIRED, json).remove(RELEASED).remove_all(LINK).remove_all([CLAIMED, CREATE_INTENT]);
        let giver = self.set_status(giver, &from.anchor.hash(), &Status::InSync)?;
        let owned = OwnedItems { claimed: None, ..old.owned_items };
        let left = UserItems { anchor: &from.anchor, link: None, owned: &owned, now: lease.now };

        let taker = self.if_unchanged(lease, &new).set(CLAIMED, text(&wanted));
        let taker = match old.record.link.as_ref().or(new.record.link.as_ref()) {
            Some(link) => set_link(taker, link)?,
            None => taker,
        };
        let taker = self.set_status(taker, &to.anchor.hash(), &Status::Pending)?;

        let mut writes = vec![taker, pass_item(self.keys.name(&wanted), from, to)];
        writes.append(&mut self.let_expire(giver, &left, reason));
        if let Some(link) = &old.record.link {
            writes.push(pass_item(self.keys.account(&link.account), from, to));
        }
        if let Some(name) = new.owned_items.claimed.filter(|name| *name != wanted) {
            writes.push(self.give_up_name(&to.anchor, &name));
        }
        Ok(self.commit(&writes).await?.is_done())
    }

    /// Gives a record the name that it wants, free or owned by `from` that no longer wants it. The record becomes
    /// pending. `false` when another entry owns the name, `from` still wants it, or a record has changed.
    pub async fn claim_name(
        &self,
        lease: &ScanLease,
        record: &UserRecord,
        from: Option<&Anchor>,
    ) -> Result<bool> {
        let anchor = &record.anchor;
        let Some(wanted) = wanted_name(record) else { return Ok(false) };
        let name = wanted.folded();
        let Some(new) = self.stored(&anchor.hash()).await? else { return Ok(false) };
        if new.record.desired != record.desired {
            return Ok(false);
        }
        let taker = if_rev(self.by_scan(lease, anchor), new.rev);
        let taker = self.set_status(taker, &anchor.hash(), &Status::Pending)?;
        let claimed = new.owned_items.claimed.as_deref();
        let claim = NameClaim { anchor, wanted: &name, claimed, now: lease.now };
        let mut writes = self.with_claim(taker, &claim);

        if let (Some(from), [_, claim, ..]) = (from.filter(|from| *from != anchor), writes.as_mut_slice()) {
            *claim = ItemWrite::put(self.keys.name(&name)).set(ANCHOR, text(anchor.as_str())).only_if(
                "attribute_not_exists(#anchor) OR #anchor = :me OR #anchor = :from OR #expires_at <= :now",
                [("me", text(anchor.as_str())), ("from", text(from.as_str())), ("now", number(lease.now.0))],
            );
            if let Some(old) = self.stored(&from.hash()).await? {
                if wanted_name(&old.record) == Some(wanted) {
                    return Ok(false);
                }
                if old.owned_items.claimed.as_ref() == Some(&name) {
                    let giver = if_rev(self.by_scan(lease, from), old.rev);
                    writes.push(if_claimed(giver, Some(&name)).remove(CLAIMED));
                }
            }
        }
        Ok(self.commit(&writes).await?.is_done())
    }

    /// Owners of these user names at this time, by folded name. A free name is missing from the result; so is a name with
    /// expired retention.
    pub async fn fetch_name_owners(
        &self,
        names: &[UserName],
        now: UnixSeconds,
    ) -> Result<HashMap<String, Anchor>> {
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
                    owners.insert(name.to_owned(), anchor_in(&item)?);
                }
            }
        }
        Ok(owners)
    }

    /// The stored record, if it equals the caller's and no other worker has its lease.
    async fn unchanged(&self, lease: &ScanLease, known: &UserRecord) -> Result<Option<StoredRecord>> {
        let stored = self.stored(&known.anchor.hash()).await?;
        Ok(stored.filter(|stored| {
            let UserRecord { version, desired, link, .. } = &stored.record;
            (version, desired, link) == (&known.version, &known.desired, &known.link)
                && (!stored.is_leased(lease.now) || stored.lease_owner.as_deref() == Some(lease.owner()))
        }))
    }

    /// The write that both records of a transfer share. An expired lease is removed, so that its holder can't write any
    /// more.
    fn if_unchanged(&self, lease: &ScanLease, stored: &StoredRecord) -> ItemWrite {
        let write = if_rev(self.by_scan(lease, &stored.record.anchor), stored.rev);
        let write = if_linked(if_same_lease(write, stored), stored.account());
        let write = if_claimed(write, stored.owned_items.claimed.as_deref());
        if_lease_free(write, lease.now, lease.owner()).remove_all(LEASE)
    }
}

/// Moves the item of a name or an account to another entry.
fn pass_item(key: ItemKey, from: &UserRecord, to: &UserRecord) -> ItemWrite {
    ItemWrite::update(key)
        .set(ANCHOR, text(to.anchor.as_str()))
        .remove(EXPIRES_AT)
        .only_if("#anchor = :from", [("from", text(from.anchor.as_str()))])
}

/// The user name of the desired user, if it is to have an account.
fn wanted_name(record: &UserRecord) -> Option<&UserName> {
    match record.desired.as_ref()? {
        Desired::Present(user) => Some(&user.user_name),
        Desired::Absent { .. } => None,
    }
}
