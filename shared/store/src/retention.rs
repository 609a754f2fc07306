//! Retention of users that left.
//!
//! A user that is to have no account and has no active one is kept only for a return. The record, the name and the
//! account's item expire together. That is an invariant, and each transaction here keeps it: if the name expired before
//! the record, two records could own one name.
//!
//! DynamoDB deletes late, item by item, in no order. So an expired item counts as free while it is still stored, and a
//! returning user has to check whether another entry took it.

use std::iter;

use model::{AccountLink, Anchor, DeprovisionReason, Desired, UnixSeconds};

use crate::errors::Result;
use crate::item::{flag, number, text};
use crate::keys::{DN_PK, EXPIRES_AT};
use crate::record::{
    ACCOUNT, ACTIVE, ANCHOR, APPLIED, CLAIMED, OwnedItems, REFERENCES, if_claimed, if_linked,
};
use crate::write::{CommitResult, ItemWrite};
use crate::{Store, history};

/// A user's items that expire together with the record.
#[derive(Clone, Copy)]
pub(crate) struct UserItems<'a> {
    pub anchor: &'a Anchor,
    pub link: Option<&'a AccountLink>,
    pub owned: &'a OwnedItems,
    /// Time from which retention counts.
    pub now: UnixSeconds,
}

/// Condition: the item of a name or an account is this entry's, or nonexistent.
pub(crate) fn if_own(write: ItemWrite, anchor: &Anchor) -> ItemWrite {
    write.only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", text(anchor.as_str()))])
}

/// Condition: the item of a name or an account is this entry's, free or expired.
pub(crate) fn if_free(write: ItemWrite, anchor: &Anchor, now: UnixSeconds) -> ItemWrite {
    write.only_if(
        "attribute_not_exists(#anchor) OR #anchor = :me OR #expires_at <= :now",
        [("me", text(anchor.as_str())), ("now", number(now.0))],
    )
}

/// Condition: the user of the record has not left.
pub(crate) fn if_kept(write: ItemWrite) -> ItemWrite {
    write.only_if("attribute_not_exists(#expires_at)", [])
}

/// Reason of a user's leaving, for a record that would be in sync like this.
pub(crate) fn departure(desired: Option<&Desired>, has_active_account: bool) -> Option<DeprovisionReason> {
    match desired {
        Some(Desired::Absent { reason, .. }) if !has_active_account => Some(*reason),
        _ => None,
    }
}

/// Whether the account was active in the applied state; unknown counts as active.
pub(crate) fn left_active(link: &AccountLink) -> bool {
    link.applied.as_ref().is_none_or(|applied| applied.active)
}

impl Store {
    /// The writes that let a record and its items expire. What a return does not need is deleted at once. The record's
    /// own write stays the first.
    pub(crate) fn let_expire(
        &self,
        record: ItemWrite,
        items: &UserItems<'_>,
        reason: DeprovisionReason,
    ) -> Vec<ItemWrite> {
        let UserItems { anchor, link, owned, now } = *items;
        let at = owned.expires_at.unwrap_or(now.plus(i64::from(self.retention_days) * history::DAY));
        let at = number(at.0);
        let mine = |key| {
            let write = ItemWrite::update(key).set(ANCHOR, text(anchor.as_str())).set(EXPIRES_AT, at.clone());
            if_own(write, anchor)
        };
        let record = record.set(EXPIRES_AT, at.clone()).remove(REFERENCES);
        let record = match reason {
            // The entry still exists, and other entries may refer to it as their manager.
            DeprovisionReason::Disabled => record,
            DeprovisionReason::Deleted
            | DeprovisionReason::OutOfScope
            | DeprovisionReason::MovedOutOfBase => record.remove(DN_PK),
        };
        let hash = anchor.hash();
        let mut writes = vec![record];
        writes.extend(owned.claimed.as_deref().map(|name| mine(self.keys.name(name))));
        writes.extend(link.map(|link| mine(self.keys.account(&link.account)).set(ACTIVE, flag(false))));
        writes.extend(owned.references.keys().map(|dn| ItemWrite::delete(self.keys.reference(dn, &hash))));
        writes
    }

    /// Revives an expiring record, with all items that are still the user's. What other entries took after the expiry
    /// stays theirs, and the record gives it up. `guard` is a write to the record under the caller's conditions; the
    /// caller's next write shows whether they held.
    pub(crate) async fn bring_back(&self, guard: ItemWrite, items: &UserItems<'_>) -> Result<()> {
        let UserItems { anchor, link, owned, now } = *items;
        let Some(at) = owned.expires_at else { return Ok(()) };
        let claimed = owned.claimed.as_deref();
        let guard = if_claimed(if_linked(guard, link.map(|link| &link.account)), claimed);
        let mut record = guard.only_if("#expires_at = :at", [("at", number(at.0))]).remove(EXPIRES_AT);

        let mine = |key| if_free(ItemWrite::put(key).set(ANCHOR, text(anchor.as_str())), anchor, now);
        let name = claimed.map(|name| (mine(self.keys.name(name)), &[CLAIMED][..]));
        let account = link.map(|link| {
            let item = mine(self.keys.account(&link.account)).set(ACTIVE, flag(left_active(link)));
            (item, &[ACCOUNT, APPLIED][..])
        });
        // Each with the attributes of the record that go if the item is another entry's.
        let items: Vec<_> = name.into_iter().chain(account).collect();

        let writes: Vec<_> =
            iter::once(record.clone()).chain(items.iter().map(|(item, _)| item.clone())).collect();
        let CommitResult::Refused(results) = self.commit(&writes).await? else { return Ok(()) };
        let mut results = results.iter();
        if results.next().is_some_and(|result| result.is_refused()) {
            return Ok(());
        }
        let mut writes = Vec::new();
        for ((item, attributes), result) in items.into_iter().zip(results) {
            if result.is_refused() {
                record = record.remove_all(attributes.iter().copied());
            } else {
                writes.push(item);
            }
        }
        writes.insert(0, record);
        self.commit(&writes).await.map(drop)
    }
}
