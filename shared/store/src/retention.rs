//! Retention of users that left.
//!
//! A user that is to have no account and has no active one is kept only for a return. The record, the name and the
//! account's item expire together. That is an invariant, and each transaction here keeps it: if the name expired before
//! the record, two records could own one name.
//!
//! DynamoDB deletes late, item by item, in no order. So an expired item counts as free while it is still stored, and a
//! returning user has to check whether another entry took it.

use model::{AccountLink, Anchor, DeprovisionReason, Desired, UnixSeconds, UserRecord};

use crate::accounts::ACTIVE;
use crate::errors::StoreError;
use crate::item::{number, text};
use crate::keys::{DN_PK, EXPIRES_AT};
use crate::record::{ACCOUNT, ANCHOR, APPLIED, CLAIMED, OwnedItems, REFERENCES, flag, if_claimed, if_linked};
use crate::write::{CommitResult, ConditionResult, ItemWrite};
use crate::{Store, history};

/// Condition: the item of a name or an account is free, expired, or this entry's.
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
        user: &UserRecord,
        reason: DeprovisionReason,
        owned_items: &OwnedItems,
        now: UnixSeconds,
    ) -> Vec<ItemWrite> {
        let at = owned_items.expires_at.unwrap_or(now.plus(i64::from(self.retention_days) * history::DAY));
        let (me, at) = (text(user.anchor.as_str()), number(at.0));
        let mine = |key| {
            ItemWrite::update(key)
                .set(ANCHOR, me.clone())
                .set(EXPIRES_AT, at.clone())
                .only_if("attribute_not_exists(#anchor) OR #anchor = :me", [("me", me.clone())])
        };
        let record = record.set(EXPIRES_AT, at.clone()).remove(REFERENCES);
        let record = match reason {
            // The entry still exists, and other entries may refer to it as their manager.
            DeprovisionReason::Disabled => record,
            DeprovisionReason::Deleted
            | DeprovisionReason::OutOfScope
            | DeprovisionReason::MovedOutOfBase => record.remove(DN_PK),
        };
        let hash = user.anchor.hash();
        let mut writes = vec![record];
        writes.extend(owned_items.claimed.as_deref().map(|name| mine(self.keys.name(name))));
        writes.extend(
            user.link.as_ref().map(|link| mine(self.keys.account(&link.account)).set(ACTIVE, flag(false))),
        );
        let references = owned_items.references.keys();
        writes.extend(references.map(|dn| ItemWrite::delete(self.keys.reference(dn, &hash))));
        writes
    }

    /// Revives an expiring record, with all items that are still the user's. What other entries took after the expiry
    /// stays theirs, and the record gives it up. `guard` is a write to the record under the caller's conditions; the
    /// caller's next write shows whether they held.
    pub(crate) async fn bring_back(
        &self,
        guard: ItemWrite,
        user: &UserRecord,
        owned_items: &OwnedItems,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let Some(at) = owned_items.expires_at else { return Ok(()) };
        let link = user.link.as_ref();
        let mut record = if_linked(guard, link.map(|link| &link.account))
            .only_if("#expires_at = :at", [("at", number(at.0))])
            .remove(EXPIRES_AT);
        record = if_claimed(record, owned_items.claimed.as_deref());

        let mine =
            |key| if_free(ItemWrite::put(key).set(ANCHOR, text(user.anchor.as_str())), &user.anchor, now);
        let name = owned_items.claimed.as_deref().map(|name| mine(self.keys.name(name)));
        let account =
            link.map(|link| mine(self.keys.account(&link.account)).set(ACTIVE, flag(left_active(link))));

        let writes: Vec<ItemWrite> =
            [Some(record.clone()), name.clone(), account.clone()].into_iter().flatten().collect();
        let verdicts = match self.commit(&writes).await? {
            CommitResult::Refused(verdicts) if !verdicts.first().is_some_and(ConditionResult::is_refused) => {
                verdicts
            }
            _ => return Ok(()),
        };
        let refused = |write: &Option<ItemWrite>| {
            let place = write.as_ref().and_then(|write| writes.iter().position(|it| it.key() == write.key()));
            place.and_then(|place| verdicts.get(place)).is_some_and(ConditionResult::is_refused)
        };
        let (name_taken, account_taken) = (refused(&name), refused(&account));
        if name_taken {
            record = record.remove(CLAIMED);
        }
        if account_taken {
            record = record.remove(ACCOUNT).remove(APPLIED);
        }
        let name = name.filter(|_| !name_taken);
        let account = account.filter(|_| !account_taken);
        let writes: Vec<ItemWrite> = [Some(record), name, account].into_iter().flatten().collect();
        self.commit(&writes).await.map(drop)
    }
}
