//! The target that a connection's state belongs to.
//!
//! The first scan binds the state to the configured target. From then on a configuration that names another one is refused:
//! account ids of one target mean nothing at another. [`Store::reset_target`] binds the state to the new target.

use futures::{StreamExt, TryStreamExt, stream};
use model::{AccountId, Anchor, Desired, Status, TargetIdentity};

use crate::Store;
use crate::connection::{RESETTING, SERVED, TARGET};
use crate::errors::Result;
use crate::item::{flag, json};
use crate::lease::ScanLease;
use crate::record::{
    CREATE_INTENT, LEASE, LINK, RELEASED, REV, StoredRecord, if_linked, if_not_leased, if_rev,
};
use crate::retention::UserItems;
use crate::write::ItemWrite;

/// Linked accounts that a reset reads at a time.
const PAGE: usize = 500;
/// Users that a reset unlinks at the same time.
const CONCURRENCY: usize = 16;

/// Result of binding the state to another target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetReset {
    /// Number of users that lost their account link and applied state.
    pub unlinked: u64,
    /// Number of users that another worker is provisioning. While there are any, the reset is unfinished.
    pub busy: u64,
}

impl Store {
    /// The target that the state belongs to. `None` before the first scan.
    pub async fn fetch_target(&self) -> Result<Option<TargetIdentity>> {
        Ok(self.fetch_bound_target().await?.identity)
    }

    /// Refuses a configured target that the state does not belong to. A state without a target accepts any: no account is
    /// linked before the first scan.
    pub async fn check_target(&self, configured: &TargetIdentity) -> Result<()> {
        self.fetch_bound_target().await?.check(configured)
    }

    /// Binds a state without a target to the configured one, and refuses another one than it is bound to. Writes once in the
    /// life of a connection.
    pub async fn bind_target(&self, lease: &ScanLease, configured: &TargetIdentity) -> Result<()> {
        lease.target.check(configured)?;
        if lease.target.identity.is_some() {
            return Ok(());
        }
        let key = self.keys.state();
        let target = json(&key, configured)?;
        let write = ItemWrite::update(key).set(TARGET, target).only_if("attribute_not_exists(#target)", []);
        if self.commit(&[write, self.join_siblings(configured)]).await?.is_done() {
            return Ok(());
        }
        // Another process bound the state first, or the response to the first attempt was lost.
        self.check_target(configured).await
    }

    /// Binds the state to another target: forgets account ids and applied state, so that each user is matched by user name
    /// again. Desired users, names, history and the snapshot stay. Accounts at the earlier target are left as they are.
    ///
    /// Until all users are done, the state refuses every target, and the reset has to be run again.
    pub async fn reset_target(&self, lease: &ScanLease, target: &TargetIdentity) -> Result<TargetReset> {
        let key = self.keys.state();
        let write = ItemWrite::update(key.clone())
            .set(TARGET, json(&key, target)?)
            .set(RESETTING, flag(true))
            .remove(SERVED);
        let earlier = self.fetch_target().await?.filter(|earlier| earlier != target);
        let mut writes = vec![write, self.join_siblings(target)];
        writes.extend(earlier.map(|earlier| self.leave_siblings(&earlier)));
        self.commit(&writes).await?;

        let mut reset = TargetReset::default();
        let mut after = None;
        loop {
            let page = self.fetch_accounts(after, PAGE).await?;
            let unlinks = page.items.iter().map(|(account, owner)| self.unlink(lease, account, owner));
            let results: Vec<bool> =
                stream::iter(unlinks).buffer_unordered(CONCURRENCY).try_collect().await?;
            let unlinked = results.iter().filter(|unlinked| **unlinked).count() as u64;
            reset.unlinked += unlinked;
            reset.busy += results.len() as u64 - unlinked;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if reset.busy == 0 {
            self.commit(&[ItemWrite::delete(self.keys.breaker())]).await?;
            self.commit(&[ItemWrite::delete(self.keys.link_drops())]).await?;
            self.commit(&[ItemWrite::update(key).remove(RESETTING)]).await?;
        }
        Ok(reset)
    }

    /// Forgets one account and what was applied to it. `false` when the user's record is leased or changed meanwhile.
    async fn unlink(&self, lease: &ScanLease, account: &AccountId, owner: &Anchor) -> Result<bool> {
        let item = ItemWrite::delete(self.keys.account(account));
        let stored = self.stored(&owner.hash()).await?;
        let Some(stored) = stored.filter(|stored| stored.account() == Some(account)) else {
            return Ok(self.commit(&[item]).await?.is_done());
        };
        let mut writes = self.without_link(lease, &stored)?;
        writes.push(item);
        Ok(self.commit(&writes).await?.is_done())
    }

    /// The writes that remove the account from a record. A user in scope becomes pending; a user out of scope has left.
    fn without_link(&self, lease: &ScanLease, stored: &StoredRecord) -> Result<Vec<ItemWrite>> {
        let StoredRecord { record: user, rev, owned_items: owned, .. } = stored;
        let hash = user.anchor.hash();
        let record = if_linked(ItemWrite::update(self.keys.record(&hash)), stored.account());
        let record = if_not_leased(if_rev(record, *rev), lease.now)
            .bump(REV)
            .remove(RELEASED)
            .remove(CREATE_INTENT)
            .remove_all(LINK)
            .remove_all(LEASE);
        Ok(match &user.desired {
            // The user has left already; what other entries took since then is theirs.
            _ if owned.expires_at.is_some() => vec![record],
            Some(Desired::Absent { reason, .. }) => {
                let record = self.set_status(record, &hash, &Status::InSync)?;
                let items = UserItems { anchor: &user.anchor, link: None, owned, now: lease.now };
                self.let_expire(record, &items, *reason)
            }
            Some(Desired::Present(_)) => match user.status {
                // The scan decides about these users, and the next one decides again.
                Status::Conflict { .. }
                | Status::DuplicateAnchor
                | Status::Skipped { .. }
                | Status::Invalid { .. } => vec![record],
                _ => vec![self.set_status(record, &hash, &Status::Pending)?],
            },
            None => vec![record],
        })
    }
}
