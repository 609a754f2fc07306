//! Connections of one table with the same target, such as two units of a company that each have a directory.
//!
//! Each connection keeps its own links. A user that moves from one unit to the other leaves the first connection and joins the
//! second, in any order. So a connection asks its siblings before it links an account and before it removes one.

use model::{AccountId, Anchor, DeprovisionReason, Desired, TargetIdentity, UserName, UserRecord};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::{ItemReader, number, text};
use crate::keys::{ConnectionKeys, EXPIRES_AT, siblings_of};
use crate::query::{KeyRange, QuerySource};
use crate::record::{ANCHOR, LINK, anchor_in, if_linked};
use crate::user_lease::UserLease;
use crate::write::ItemWrite;

/// More connections with one target are not expected; the list is read in one query.
const MOST_SIBLINGS: usize = 1_000;

/// Seconds for which an account that was just linked can't be linked by a sibling. That is longer than the time between a
/// sibling's read of the other connections and its own link, which shows there from then on.
const CLAIM_SECONDS: i64 = 600;

/// In a claim: name of the connection.
const CONNECTION: &str = "connection";

/// The other connections with a connection's target.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    target: Option<TargetIdentity>,
    connections: Vec<String>,
}

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
        let mut writes = vec![record, self.forget_account(lease, &link.account)];
        if let Some(target) = &self.siblings().await?.target {
            writes.push(ItemWrite::delete(self.keys.account_claim(target, &link.account)));
        }
        if !self.commit(&writes).await?.is_done() {
            return Err(StoreError::LeaseLost);
        }
        (lease.record.link, lease.recorded) = (None, false);
        Ok(())
    }

    /// Claims an account among the siblings, as a part of the transaction that links it. Two connections that read each
    /// other and link one account at the same time would otherwise both own it. `None` without siblings.
    pub(crate) async fn claim_among_siblings(
        &self,
        lease: &UserLease,
        account: &AccountId,
    ) -> Result<Option<ItemWrite>> {
        let Siblings { target: Some(target), connections } = self.siblings().await? else { return Ok(None) };
        if connections.is_empty() {
            return Ok(None);
        }
        let (now, me) = (lease.taken_at, text(self.keys.connection()));
        let claim = ItemWrite::put(self.keys.account_claim(target, account))
            .set(CONNECTION, me.clone())
            .set(ANCHOR, text(lease.record.anchor.as_str()))
            .set(EXPIRES_AT, number(now.plus(CLAIM_SECONDS).0))
            .only_if(
                "attribute_not_exists(#connection) OR #connection = :connection OR #expires_at <= :now",
                [("connection", me), ("now", number(now.0))],
            );
        Ok(Some(claim))
    }

    async fn ask_siblings(
        &self,
        account: &AccountId,
        question: SiblingQuestion<'_>,
    ) -> Result<Option<SiblingOwner>> {
        for connection in &self.siblings().await?.connections {
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
    async fn siblings(&self) -> Result<&Siblings> {
        self.siblings.get_or_try_init(|| self.fetch_siblings()).await
    }

    async fn fetch_siblings(&self) -> Result<Siblings> {
        let Some(identity) = self.fetch_target().await? else { return Ok(Siblings::default()) };
        Ok(Siblings { connections: self.fetch_others_with(&identity).await?, target: Some(identity) })
    }

    /// Names of the other connections in the table with this target.
    pub async fn fetch_others_with(&self, target: &TargetIdentity) -> Result<Vec<String>> {
        let query = self.range(QuerySource::Items, &siblings_of(target), &KeyRange::All);
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
