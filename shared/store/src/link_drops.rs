//! Links to accounts that are gone from the target, dropped within a limit.
//!
//! Many workers provision users of one connection at the same time, so the number of drops is an item of the connection. It
//! is counted in the transaction that drops the link. Its period begins with the first drop and lasts a day. While users wait
//! for an approval, no new period begins: a target that answers wrongly for days loses no more links.

use model::{GoneAccount, UnixSeconds};

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::number;
use crate::user_lease::UserLease;
use crate::write::{CommitResult, ConditionResult, ItemWrite};

/// Status word of the users that wait.
const WAITING: &str = "account_gone";

/// End of the period.
const UNTIL: &str = "until";
/// Links dropped in the period.
const COUNT: &str = "count";
/// Links that an approval allows in the period.
const APPROVED: &str = "approved";

const PERIOD_SECONDS: i64 = 24 * 60 * 60;

/// Whether a link was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDrop {
    /// It was dropped.
    Done,
    /// It was kept, because the limit is reached.
    OverLimit,
}

impl Store {
    /// Forgets the link to an account that is gone from the target, unless `most` links were dropped in the period.
    pub async fn drop_link_within(
        &self,
        lease: &mut UserLease,
        gone: &GoneAccount,
        most: u64,
    ) -> Result<LinkDrop> {
        let Some(writes) = self.link_drop_writes(lease, gone) else { return Ok(LinkDrop::Done) };
        let now = lease.taken_at;
        let counted = ItemWrite::update(self.keys.link_drops()).bump(COUNT).only_if(
            "#until > :now AND (#count < :most OR #count < #approved)",
            [("now", number(now.0)), ("most", number(most))],
        );
        let first = ItemWrite::update(self.keys.link_drops())
            .set(UNTIL, number(now.plus(PERIOD_SECONDS).0))
            .set(COUNT, number(1))
            .remove(APPROVED)
            .only_if("attribute_not_exists(#until) OR #until <= :now", [("now", number(now.0))]);
        let may_begin = most > 0 && self.count_status(WAITING, 1).await? == 0;
        // Another worker may begin the period between the first two attempts.
        let attempts = [Some(&counted), may_begin.then_some(&first), may_begin.then_some(&counted)];
        for count in attempts.into_iter().flatten() {
            let mut writes = writes.clone();
            writes.push(count.clone());
            match self.commit(&writes).await? {
                CommitResult::Done => {
                    (lease.record.link, lease.recorded) = (None, false);
                    return Ok(LinkDrop::Done);
                }
                CommitResult::Refused(results) if results.iter().take(2).any(ConditionResult::is_refused) => {
                    return Err(StoreError::LeaseLost);
                }
                CommitResult::Refused(_) => {}
            }
        }
        Ok(LinkDrop::OverLimit)
    }

    /// Number of users with an account that is gone, and a link that is kept.
    pub async fn count_kept_links(&self) -> Result<u64> {
        self.count_status(WAITING, u64::MAX).await
    }

    /// Allows this number of links to be dropped, in a period that begins now, and makes their users pending.
    pub async fn approve_link_drops(&self, count: u64, now: UnixSeconds) -> Result<UnixSeconds> {
        let until = now.plus(PERIOD_SECONDS);
        let write = ItemWrite::update(self.keys.link_drops())
            .set(UNTIL, number(until.0))
            .set(COUNT, number(0))
            .set(APPROVED, number(count));
        self.commit(&[write]).await?;
        let mut after = None;
        loop {
            let page = self.fetch_by_status(WAITING, after, 100).await?;
            for record in page.items {
                self.retry_user(record.anchor.hash()).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(until);
            }
        }
    }
}
