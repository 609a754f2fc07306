//! Users that are not in sync: lists, counts and due users, through the `by_work` index.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::{StreamExt, TryStreamExt, stream};
use model::{AccountId, AnchorHash, Status, UnixSeconds, UserRecord};

use crate::Store;
use crate::errors::Result;
use crate::item::{ItemReader, TableItem, text};
use crate::keys::{WORK_PK, WORK_SK, WorkKey};
use crate::query::{KeyRange, QuerySource};

/// Words of the statuses that are retried automatically.
const DUE_WORDS: [&str; 3] = ["pending", "retrying", "pending_deletion"];
/// Sorts after every hash.
const AFTER_ALL: char = '~';

/// Start of the next page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey(pub(crate) String);

impl PageKey {
    /// The key with this text, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        WorkKey::parse(text).map(|_| Self(text.to_owned()))
    }

    /// Key of the page of linked accounts after this account.
    pub fn after_account(account: &AccountId) -> Self {
        Self(account.as_str().to_owned())
    }

    /// The key after the last item of a page, if there are more.
    pub(crate) fn in_position(position: Option<&TableItem>, sk: &str) -> Result<Option<Self>> {
        let Some(position) = position else { return Ok(None) };
        Ok(ItemReader::new(position).text(sk)?.map(|sk| Self(sk.to_owned())))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage<T> {
    /// Items on the page.
    pub items: Vec<T>,
    /// Start of the next page, if there is one.
    pub next: Option<PageKey>,
}

impl Store {
    /// Users with this status word, ordered by next attempt. A page may hold fewer than `limit` users and not be the
    /// last. Users in sync are in no index, so their list is empty.
    pub async fn fetch_by_status(
        &self,
        word: &str,
        after: Option<PageKey>,
        limit: usize,
    ) -> Result<ListPage<UserRecord>> {
        let after = after.and_then(|PageKey(sk)| self.index_position(&sk));
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::Prefix(format!("{word}#")));
        let page = self.page(query.limit(page_limit(limit)), after).await?;
        let next = PageKey::in_position(page.last_evaluated_key.as_ref(), WORK_SK)?;
        let found = page.items.unwrap_or_default();
        let hashes: Vec<_> = found.iter().map(|item| Ok(work_key(item)?.hash)).collect::<Result<_>>()?;
        let mut records = self.fetch_records(&hashes).await?;
        // The index lags behind. Users with another status by now are left out.
        let items = hashes.iter().filter_map(|hash| records.remove(hash));
        let items = items.filter(|record| record.status.word() == word).collect();
        Ok(ListPage { items, next })
    }

    /// Users in sync with missing references that are due for a recheck, the longest due first.
    pub async fn fetch_due_rechecks(&self, now: UnixSeconds, limit: usize) -> Result<Vec<AnchorHash>> {
        let due = self.due_in(&self.keys.rechecks(), Status::InSync.word(), (now, limit)).await?;
        Ok(due.into_iter().map(|(_, hash)| hash).collect())
    }

    /// One partition's users of one status word that are due.
    async fn due_in(
        &self,
        partition: &str,
        word: &str,
        (now, limit): (UnixSeconds, usize),
    ) -> Result<Vec<(UnixSeconds, AnchorHash)>> {
        let last = format!("{word}#{:012}#{AFTER_ALL}", now.0.max(0));
        let part = KeyRange::Between(format!("{word}#"), last);
        let items = self.items(self.range(QuerySource::Work, partition, &part), limit).await?;
        let due = items.iter().map(|item| {
            let WorkKey { at, hash, .. } = work_key(item)?;
            Ok((at, hash))
        });
        due.collect()
    }

    /// Due users, rechecks included, the longest due first.
    pub async fn fetch_due(&self, now: UnixSeconds, limit: usize) -> Result<Vec<AnchorHash>> {
        let mut due = Vec::new();
        for word in DUE_WORDS {
            due.append(&mut self.due_in(&self.keys.work(), word, (now, limit)).await?);
        }
        due.append(&mut self.due_in(&self.keys.rechecks(), Status::InSync.word(), (now, limit)).await?);
        due.sort_unstable();
        // During a status change the index may show a user under both statuses.
        let mut seen = std::collections::HashSet::new();
        let hashes = due.into_iter().map(|(_, hash)| hash).filter(|hash| seen.insert(*hash));
        Ok(hashes.take(limit).collect())
    }

    /// Number of users per status. Statuses without users are left out, and so is `in_sync`, which is in no index.
    pub async fn count_by_status(&self) -> Result<BTreeMap<String, u64>> {
        // One query for all statuses: mostly the index is empty, and each query costs.
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::All);
        let query = query.projection_expression("#sk").expression_attribute_names("#sk", WORK_SK);
        let (mut counts, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.page(query.clone(), after).await?;
            for item in page.items.iter().flatten() {
                *counts.entry(work_key(item)?.word.to_owned()).or_default() += 1;
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(counts);
            }
        }
    }

    /// Users by status, at most this many each: the time does not depend on the number of users. A user counts under one
    /// status, also while the index lags behind.
    pub async fn fetch_waiting(&self, most: u64) -> Result<BTreeMap<String, Vec<AnchorHash>>> {
        let users = stream::iter(Status::WAITING_WORDS.map(str::to_owned));
        let users = users.map(|word| async move { self.fetch_hashes(&word, most).await });
        let users: Vec<_> = users.buffered(Status::WAITING_WORDS.len()).try_collect().await?;
        let mut seen = HashSet::new();
        let by_word = Status::WAITING_WORDS.into_iter().zip(users).map(|(word, users)| {
            let users = users.into_iter().filter(|user| seen.insert(*user)).collect::<Vec<_>>();
            (word.to_owned(), users)
        });
        Ok(by_word.filter(|(_, users)| !users.is_empty()).collect())
    }

    async fn fetch_hashes(&self, word: &str, most: u64) -> Result<Vec<AnchorHash>> {
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::Prefix(format!("{word}#")));
        let query = query.projection_expression("#sk").expression_attribute_names("#sk", WORK_SK);
        let items = self.items(query, usize::try_from(most).unwrap_or(usize::MAX)).await?;
        items.iter().map(|item| Ok(work_key(item)?.hash)).collect()
    }

    /// Number of users with this status word, at most this many.
    pub async fn count_status(&self, word: &str, most: u64) -> Result<u64> {
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::Prefix(format!("{word}#")));
        let query = query.select(Select::Count);
        let (mut count, mut after) = (0_u64, None);
        loop {
            // Without a limit, a page of the index is 1 MB.
            let left = i32::try_from(most.saturating_sub(count)).ok();
            let page = self.page(query.clone().set_limit(left), after).await?;
            count += u64::try_from(page.count).unwrap_or_default();
            after = page.last_evaluated_key;
            if after.is_none() || count >= most {
                return Ok(count);
            }
        }
    }

    /// Start key in the index. It names the item too; both follow from the index's sort key.
    fn index_position(&self, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let WorkKey { hash, .. } = WorkKey::parse(sk)?;
        let mut position = self.keys.record(&hash).attributes();
        position.insert(WORK_PK.to_owned(), text(self.keys.work()));
        position.insert(WORK_SK.to_owned(), text(sk));
        Some(position)
    }
}

/// Most items on one page of a list.
pub(crate) fn page_limit(limit: usize) -> i32 {
    i32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000)
}

/// The key in the index that an item of it has.
fn work_key(item: &TableItem) -> Result<WorkKey<'_>> {
    let read = ItemReader::new(item);
    let sk = read.required(WORK_SK, read.text(WORK_SK)?)?;
    WorkKey::parse(sk).ok_or_else(|| read.wrong(WORK_SK, "names no status and user"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Anchor, DeprovisionReason, DisabledOption, HoldReason};

    /// Fails to compile when a status is added, and fails when its word is not in the list.
    #[test]
    fn every_status_but_in_sync_is_indexed() {
        let error = || "x".to_owned();
        let all = [
            Status::InSync,
            Status::Pending,
            Status::Retrying { error: error() },
            Status::Failed { error: error() },
            Status::AccountGone,
            Status::Conflict { owner: Anchor::from_text("a").unwrap() },
            Status::DuplicateAnchor,
            Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::OverLimit },
            Status::PendingDeletion { reason: DeprovisionReason::Deleted },
            Status::Skipped { option: DisabledOption::Create },
            Status::Invalid { error: error(), dn: None },
        ];
        for status in all {
            let is_indexed = match status {
                Status::InSync => false,
                Status::Pending
                | Status::Retrying { .. }
                | Status::Failed { .. }
                | Status::AccountGone
                | Status::Conflict { .. }
                | Status::DuplicateAnchor
                | Status::Held { .. }
                | Status::PendingDeletion { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => true,
            };
            assert_eq!(Status::WAITING_WORDS.contains(&status.word()), is_indexed, "{}", status.word());
            assert_eq!(DUE_WORDS.contains(&status.word()), status.is_due());
        }
    }
}
