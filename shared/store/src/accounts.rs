//! Account links. An account's item and the record's link change in one transaction.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::Select;
use model::{
    AccountId, AccountLink, Anchor, DeprovisionReason, GoneAccount, MatchedAccount, OwnedAccount, Status,
    UserRecord,
};

use crate::Store;
use crate::batch::GET_CHUNK;
use crate::errors::{Result, StoreError};
use crate::item::{ItemReader, TableItem, flag, text};
use crate::keys::{EXPIRES_AT, ItemKey, SK};
use crate::query::{KeyRange, QuerySource};
use crate::record::{
    ACTIVE, ANCHOR, LEASE, LINK, RELEASED, REV, anchor_in, if_claimed, if_linked, if_not_leased, if_rev,
    set_link,
};
use crate::retention::{UserItems, departure, if_free, if_own};
use crate::user_lease::UserLease;
use crate::work::{ListPage, PageKey, page_limit};
use crate::write::{CommitResult, ConditionResult, ItemWrite};

/// Owner of an account after a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountClaim {
    /// The user that claimed it.
    Owned(OwnedAccount),
    /// Another entry, linked earlier.
    OwnedBy(Anchor),
}

/// The account that a record is linked to. The link is written only together with the account's item, so a record with
/// a link is proof of ownership.
pub fn owned(record: &UserRecord) -> Option<OwnedAccount> {
    record.link.as_ref().map(|link| owned_account(&link.account))
}

#[expect(clippy::disallowed_methods, reason = "the claim was written, or a record was read that says so")]
fn owned_account(id: &AccountId) -> OwnedAccount {
    OwnedAccount::from_claim(id.clone())
}

/// Maximum length of a sort key, in bytes.
const LONGEST_KEY: usize = 1_024;

/// The account and the entry in an account's item.
fn linked_in(item: &TableItem) -> Result<Option<(AccountId, Anchor)>> {
    let owner = anchor_in(item)?;
    let id = ItemReader::new(item).text(SK)?.and_then(AccountId::new);
    Ok(id.map(|id| (id, owner)))
}

/// Notes in a lease that this account is linked now.
fn note_link(lease: &mut UserLease, link: AccountLink) -> OwnedAccount {
    let owned = owned_account(&link.account);
    (lease.record.link, lease.record.create_intent, lease.recorded) = (Some(link), None, false);
    owned
}

impl Store {
    /// Links an account that has the asked-for name to a user, unless it is linked to another entry. Nothing may be sent
    /// to an account before this. An account with expired retention is free.
    pub async fn claim_account(
        &self,
        lease: &mut UserLease,
        matched: &MatchedAccount,
    ) -> Result<AccountClaim> {
        let account = matched.id();
        let linked = lease.record.link.as_ref().map(|link| link.account.clone());
        if linked.as_ref() == Some(account) {
            return Ok(AccountClaim::Owned(owned_account(account)));
        }
        if let Some(owner) = self.find_sibling_owner(account).await? {
            tracing::warn!(
                connection = owner.connection(),
                "the account belongs to an entry of another connection"
            );
            return Ok(AccountClaim::OwnedBy(owner.anchor().clone()));
        }
        let link = AccountLink { account: account.clone(), applied: None };
        let record = set_link(if_linked(self.by_lease(lease), linked.as_ref()), &link)?;
        let item = ItemWrite::put(self.keys.account(account))
            .set(ANCHOR, text(lease.record.anchor.as_str()))
            // Counts as active until a read shows otherwise.
            .set(ACTIVE, flag(true));
        let item = if_free(item, &lease.record.anchor, lease.taken_at);
        let claim = self.claim_among_siblings(lease, account).await?;
        // The items that may be another entry's follow the record.
        let owned_items = 1 + usize::from(claim.is_some());
        let mut writes = vec![record, item];
        writes.extend(claim);
        writes.extend(linked.map(|old| self.forget_account(lease, &old)));
        let CommitResult::Refused(results) = self.commit(&writes).await? else {
            return Ok(AccountClaim::Owned(note_link(lease, link)));
        };
        let refused = results.into_iter().skip(1).take(owned_items).find_map(|result| match result {
            ConditionResult::Refused(item) => item,
            ConditionResult::Held => None,
        });
        match refused {
            Some(item) => Ok(AccountClaim::OwnedBy(anchor_in(&item)?)),
            None => Err(StoreError::LeaseLost),
        }
    }

    /// Moves an account, with its applied state, from an entry that is gone: deleted or out of scope. `None` when that
    /// entry is only disabled or wants the account, has changed, or is being provisioned.
    pub async fn take_over_account(
        &self,
        lease: &mut UserLease,
        matched: &MatchedAccount,
        from: &Anchor,
    ) -> Result<Option<OwnedAccount>> {
        let account = matched.id();
        if lease.record.link.is_some() || *from == lease.record.anchor {
            return Ok(None);
        }
        let Some(old) = self.stored(&from.hash()).await? else { return Ok(None) };
        let reason = departure(old.record.desired.as_ref(), false);
        // The owner of a disabled entry may return.
        let Some(reason) = reason.filter(|reason| *reason != DeprovisionReason::Disabled) else {
            return Ok(None);
        };
        let Some(link) = old.record.link.clone().filter(|link| link.account == *account) else {
            return Ok(None);
        };
        let taker = set_link(if_linked(self.by_lease(lease), None), &link)?;
        let giver = ItemWrite::update(self.keys.record(&from.hash()));
        let giver = if_not_leased(if_rev(if_linked(giver, Some(account)), old.rev), lease.taken_at)
            .bump(REV)
            .remove(RELEASED)
            .remove_all(LINK)
            .remove_all(LEASE);
        let giver = self.set_status(giver, &from.hash(), &Status::InSync)?;
        let giver = if_claimed(giver, old.owned_items.claimed.as_deref());
        let item = ItemWrite::update(self.keys.account(account))
            .set(ANCHOR, text(lease.record.anchor.as_str()))
            .remove(EXPIRES_AT)
            .only_if("#anchor = :from", [("from", text(from.as_str()))]);
        let items = UserItems { anchor: from, link: None, owned: &old.owned_items, now: lease.taken_at };
        let mut writes = vec![taker, item];
        writes.append(&mut self.let_expire(giver, &items, reason));
        match self.commit(&writes).await? {
            CommitResult::Done => Ok(Some(note_link(lease, link))),
            CommitResult::Refused(results) if results.first().is_some_and(ConditionResult::is_refused) => {
                Err(StoreError::LeaseLost)
            }
            CommitResult::Refused(_) => Ok(None),
        }
    }

    /// Forgets the link to an account that is gone from the target, because the provisioner deleted it.
    pub async fn drop_link(&self, lease: &mut UserLease, gone: &GoneAccount) -> Result<()> {
        let Some(writes) = self.link_drop_writes(lease, gone) else { return Ok(()) };
        if !self.commit(&writes).await?.is_done() {
            return Err(StoreError::LeaseLost);
        }
        (lease.record.link, lease.recorded) = (None, false);
        Ok(())
    }

    /// The writes that forget a link; `None` if the account is not linked any more.
    pub(crate) fn link_drop_writes(&self, lease: &UserLease, gone: &GoneAccount) -> Option<Vec<ItemWrite>> {
        let link = lease.record.link.as_ref().filter(|link| link.account == *gone.id())?;
        let record = if_linked(self.by_lease(lease), Some(&link.account)).remove_all(LINK);
        Some(vec![record, self.forget_account(lease, &link.account)])
    }

    /// The entry that an account is linked to. The item of a user that left may have expired already;
    /// [`claim_account`](Self::claim_account) checks that.
    pub async fn fetch_account_owner(&self, account: &AccountId) -> Result<Option<Anchor>> {
        self.get(&self.keys.account(account)).await?.map(|item| anchor_in(&item)).transpose()
    }

    /// The entries that these accounts are linked to. Accounts without a link are missing from the result.
    pub async fn fetch_account_owners(&self, accounts: &[AccountId]) -> Result<HashMap<AccountId, Anchor>> {
        // An id that is too long for a key was never linked. DynamoDB refuses a request that names a key twice.
        let accounts: BTreeSet<_> = accounts.iter().filter(|id| id.as_str().len() <= LONGEST_KEY).collect();
        let keys: Vec<_> = accounts.into_iter().map(|id| self.keys.account(id)).collect();
        let mut owners = HashMap::new();
        for chunk in keys.chunks(GET_CHUNK) {
            for item in self.get_chunk(chunk).await? {
                owners.extend(linked_in(&item)?);
            }
        }
        Ok(owners)
    }

    /// Linked accounts and their entries, page by page.
    pub async fn fetch_accounts(
        &self,
        after: Option<PageKey>,
        limit: usize,
    ) -> Result<ListPage<(AccountId, Anchor)>> {
        let after = after.map(|PageKey(sk)| ItemKey { pk: self.keys.accounts(), sk }.attributes());
        let query = self.range(QuerySource::Items, &self.keys.accounts(), &KeyRange::All);
        let page = self.page(query.limit(page_limit(limit)), after).await?;
        let next = PageKey::in_position(page.last_evaluated_key.as_ref(), SK)?;
        let items = page.items.unwrap_or_default();
        let linked = items.iter().filter_map(|item| linked_in(item).transpose());
        Ok(ListPage { items: linked.collect::<Result<_, _>>()?, next })
    }

    /// Number of active linked accounts. Counting stops at `at_most`: the safeguard needs no more.
    pub async fn count_enabled_accounts(&self, at_most: u64) -> Result<u64> {
        let query = self
            .range(QuerySource::Items, &self.keys.accounts(), &KeyRange::All)
            .filter_expression("#active = :yes")
            .expression_attribute_names("#active", ACTIVE)
            .expression_attribute_values(":yes", flag(true))
            .select(Select::Count);
        let (mut count, mut after) = (0u64, None);
        while count < at_most {
            let left = i32::try_from((at_most - count).max(100)).unwrap_or(i32::MAX);
            let page = self.page(query.clone().limit(left), after).await?;
            count += u64::try_from(page.count).unwrap_or_default();
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        Ok(count.min(at_most))
    }

    pub(crate) fn forget_account(&self, lease: &UserLease, account: &AccountId) -> ItemWrite {
        if_own(ItemWrite::delete(self.keys.account(account)), &lease.record.anchor)
    }
}
