//! Connections of one table with the same target, such as two units of a company that each have a directory.
//!
//! Each connection keeps its own links. A user that moves from one unit to the other leaves the first connection and joins the
//! second, in any order. So a connection asks its siblings before it links an account and before it removes one.

use model::{AccountId, Anchor, DeprovisionReason, Desired, TargetIdentity, UserName, UserRecord};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::ItemReader;
use crate::keys::{ConnectionKeys, siblings_of};
use crate::query::{KeyRange, QuerySource};
use crate::record::{LINK, anchor_in, if_linked};
use crate::user_lease::UserLease;
use crate::write::ItemWrite;

/// More connections with one target are not expected; the list is read in one query.
const MOST_SIBLINGS: usize = 1_000;

/// An entry of another connection that has the account, or is about to. Only the store makes one, after a look at the other
/// connection's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiblingOwner {
    connection: String,
    anchor: Anchor,
}

/// What a sibling is asked about an account.
#[derive(Clone, Copy)]
enum SiblingQuestion<'a> {
    /// Whether an entry keeps it.
    Owner,
    /// Whether an entry should have it, now or under this user name.
    Claim(Option<&'a UserName>),
}

impl SiblingQuestion<'_> {
    fn accepts(self, record: &UserRecord) -> bool {
        match (&record.desired, self) {
            (Some(Desired::Present(_)), _) => true,
            (Some(Desired::Absent { reason, .. }), Self::Owner) => *reason == DeprovisionReason::Disabled,
            _ => false,
        }
    }
}

impl SiblingOwner {
    /// Name of the other connection.
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// The entry.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl Store {
    /// The entry of a sibling that an account is linked to, unless the entry is gone. A disabled entry may come back, so it
    /// keeps its account.
    pub async fn find_sibling_owner(&self, account: &AccountId) -> Result<Option<SiblingOwner>> {
        self.ask_siblings(account, SiblingQuestion::Owner).await
    }

    /// The entry of a sibling that should have an account which this connection is about to remove: the account is linked to
    /// the entry, or the entry claims the user name and has no account yet.
    pub async fn find_sibling_claim(
        &self,
        account: &AccountId,
        name: Option<&UserName>,
    ) -> Result<Option<SiblingOwner>> {
        self.ask_siblings(account, SiblingQuestion::Claim(name)).await
    }

    /// Gives the link up, because the account passes to an entry of another connection. The account stays as it is.
    pub async fn give_up_account(&self, lease: &mut UserLease, to: &SiblingOwner) -> Result<()> {
        let Some(link) = &lease.record.link else { return Ok(()) };
        tracing::info!(connection = to.connection(), "the account passes to an entry of another connection");
        let record = if_linked(self.by_lease(lease), Some(&link.account)).remove_all(LINK);
        let writes = [record, self.forget_account(lease, &link.account)];
        if !self.commit(&writes).await?.is_done() {
            return Err(StoreError::LeaseLost);
        }
        (lease.record.link, lease.recorded) = (None, false);
        Ok(())
    }

    async fn ask_siblings(
        &self,
        account: &AccountId,
        question: SiblingQuestion<'_>,
    ) -> Result<Option<SiblingOwner>> {
        for connection in self.siblings().await? {
            let sibling = Self { keys: ConnectionKeys::of(connection), ..self.clone() };
            let found = match (sibling.linked_record(account).await?, question) {
                (None, SiblingQuestion::Claim(Some(name))) => {
                    sibling.claiming_record(name).await?.filter(|record| record.link.is_none())
                }
                (linked, _) => linked,
            };
            if let Some(record) = found.filter(|record| question.accepts(record)) {
                return Ok(Some(SiblingOwner { connection: connection.clone(), anchor: record.anchor }));
            }
        }
        Ok(None)
    }

    async fn linked_record(&self, account: &AccountId) -> Result<Option<UserRecord>> {
        let Some(item) = self.get(&self.keys.account(account)).await? else { return Ok(None) };
        let record = self.fetch_record(anchor_in(&item)?.hash()).await?;
        Ok(record.filter(|record| record.link.as_ref().is_some_and(|link| link.account == *account)))
    }

    async fn claiming_record(&self, name: &UserName) -> Result<Option<UserRecord>> {
        let Some(item) = self.get(&self.keys.name(&name.folded())).await? else { return Ok(None) };
        self.fetch_record(anchor_in(&item)?.hash()).await
    }

    /// Names of the other connections with this connection's target, read once for each store.
    async fn siblings(&self) -> Result<&[String]> {
        let names = self.siblings.get_or_try_init(|| self.fetch_siblings()).await?;
        Ok(names)
    }

    async fn fetch_siblings(&self) -> Result<Vec<String>> {
        let Some(identity) = self.fetch_target().await? else { return Ok(Vec::new()) };
        let query = self.range(QuerySource::Items, &siblings_of(&identity), &KeyRange::All);
        let items = self.items(query, MOST_SIBLINGS).await?;
        let names = items.iter().map(|item| ItemReader::new(item).key().sk);
        Ok(names.filter(|name| ConnectionKeys::of(name).state() != self.keys.state()).collect())
    }

    /// Writes that this connection has this target.
    pub(crate) fn join_siblings(&self, identity: &TargetIdentity) -> ItemWrite {
        ItemWrite::put(self.keys.sibling(identity))
    }

    /// Writes that this connection has another target by now.
    pub(crate) fn leave_siblings(&self, identity: &TargetIdentity) -> ItemWrite {
        ItemWrite::delete(self.keys.sibling(identity))
    }
}
