//! References between users, found by the DN that the directory names.
//!
//! One item under the referenced DN stands for each user that refers to it, with the account that was sent. It has no
//! account while the reference is missing. Whenever the referenced user is provisioned with an account, the referrers
//! that were sent another one, or none, become pending.
//!
//! The index of DNs lags behind the records, so a missing reference may have an account already. For that, users in
//! sync with a missing reference are rechecked from time to time ([`fetch_due`](Store::fetch_due)).

use model::{AccountId, Anchor, AnchorHash, DnKey, Status};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::{ItemReader, text};
use crate::keys::SK;
use crate::query::{KeyRange, QuerySource};
use crate::record::{ACCOUNT, ANCHOR, REV, StoredRecord, if_rev, if_same_lease, if_status};
use crate::retention::if_kept;
use crate::write::{CommitResult, ConditionResult, ItemWrite};

/// Attempts at reopening a user that other processes write at the same time.
const ATTEMPTS: usize = 20;

impl Store {
    /// Registers that a user waits for accounts of these DNs. Call it before the DNs are resolved once more: a user
    /// that is linked after that finds this one. The outcome writes the same items, and the record's list of them.
    pub async fn register_missing(&self, user: &Anchor, missing: &[DnKey]) -> Result<()> {
        for dn in missing {
            let item = ItemWrite::put(self.keys.reference(dn, &user.hash()));
            self.commit(&[item.set(ANCHOR, text(user.as_str()))]).await?;
        }
        Ok(())
    }

    /// The users that refer to this DN and were sent no account for it, or another one than this.
    pub async fn fetch_referrers(&self, dn: DnKey, account: &AccountId) -> Result<Vec<AnchorHash>> {
        let query = self.range(QuerySource::Items, &self.keys.references(&dn), &KeyRange::All);
        let mut referrers = Vec::new();
        for item in &self.items(query, usize::MAX).await? {
            let read = ItemReader::new(item);
            let sk = read.required(SK, read.text(SK)?)?;
            let hash = sk.parse().map_err(|_| read.wrong(SK, "is no user's hash"))?;
            if read.text(ACCOUNT)? != Some(account.as_str()) {
                referrers.push(hash);
            }
        }
        Ok(referrers)
    }

    /// Makes a user in sync pending, because a user it refers to has this account now. The outcome of a user that is being
    /// provisioned is refused once, because its references may have been resolved before; that makes it pending. Returns
    /// whether this write made the user pending.
    pub async fn reopen_referrer(&self, dn: DnKey, account: &AccountId, hash: AnchorHash) -> Result<bool> {
        // A user that was sent this account meanwhile keeps its item.
        let reference = ItemWrite::delete(self.keys.reference(&dn, &hash)).only_if(
            "attribute_not_exists(#account) OR #account <> :account",
            [("account", text(account.as_str()))],
        );
        let record = || ItemWrite::update(self.keys.record(&hash)).bump(REV);
        let in_sync = if_kept(if_status(record(), &Status::InSync)?);
        let pending = self.set_status(in_sync, &hash, &Status::Pending)?;
        for _ in 0..ATTEMPTS {
            let CommitResult::Refused(results) = self.commit(&[pending.clone(), reference.clone()]).await?
            else {
                return Ok(true);
            };
            let Some(ConditionResult::Refused(found)) = results.into_iter().next() else {
                // The reference was refused.
                return Ok(false);
            };
            let stored = found.map(|item| StoredRecord::decode(&self.keys, &item)).transpose()?;
            let Some(stored) = stored.filter(|stored| stored.owned_items.expires_at.is_none()) else {
                // There is no such user, or it left.
                return self.commit(&[reference]).await.map(|_| false);
            };
            if stored.record.status == Status::InSync {
                continue;
            }
            // The lease can end in between, with the status in sync.
            let busy = if_same_lease(if_rev(record(), stored.rev), &stored);
            if self.commit(&[busy, reference.clone()]).await?.is_done() {
                return Ok(false);
            }
        }
        Err(StoreError::Throttled("make a user pending that refers to another one"))
    }
}
