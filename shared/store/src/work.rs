//! Who is not settled: lists, counts and what is due, by way of the `work` index.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures::{StreamExt, TryStreamExt, stream};
use model::{AccountId, AnchorHash, Status, UnixSeconds, UserRecord};

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, TableItem, text};
use crate::keys::{WORK_PK, WORK_SK, parse_work_sk};
use crate::query::{KeyRange, QuerySource};
use crate::record::{AT_ONCE, REV, SURE};
use crate::write::{CommitResult, ItemWrite};

/// The words of all statuses that the index holds, which are all but `settled`.
const WORDS: [&str; 8] =
    ["pending", "retrying", "failed", "conflict", "held", "pending_deletion", "skipped", "invalid"];
/// The words of those that are tried again by themselves.
const DUE_WORDS: [&str; 3] = ["pending", "retrying", "pending_deletion"];
/// Sorts after every hash.
const AFTER_ALL: char = '~';

/// Where the next page of a listing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageKey(pub(crate) String);

impl PageKey {
    /// The key that was shown as this text, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        parse_work_sk(text).map(|_| Self(text.to_owned()))
    }

    /// The page of linked accounts after this one.
    pub fn after_account(account: &AccountId) -> Self {
        Self(account.as_str().to_owned())
    }

    /// The key as text, to be shown and handed back.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins, if there is more.
    pub next: Option<PageKey>,
}

impl Store {
    /// The users with this status word, in the order of their next attempt. A page may hold fewer than `limit` and still
    /// not be the last. InSync users are in no index, so for them the answer is empty.
    pub async fn fetch_by_status(
        &self,
        word: &str,
        after: Option<PageKey>,
        limit: usize,
    ) -> Result<ListPage<UserRecord>, StoreError> {
        let after = after.and_then(|PageKey(sk)| self.index_position(&sk));
        let limit = i32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000);
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::Prefix(format!("{word}#")));
        let page = self.page(query.limit(limit), after).await?;
        let next = match &page.last_evaluated_key {
            Some(position) => ItemReader::new(position).text(WORK_SK)?.map(|sk| PageKey(sk.to_owned())),
            None => None,
        };
        let found = page.items.unwrap_or_default();
        let hashes: Vec<_> = found.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let hashes: Vec<_> = hashes.into_iter().map(|(_, hash)| hash).collect();
        let mut records = self.fetch_records(&hashes).await?;
        // The index lags behind; who has another status by now is left out.
        let items = hashes.iter().filter_map(|hash| records.remove(hash));
        let items = items.filter(|record| record.status.word() == word).collect();
        Ok(ListPage { items, next })
    }

    /// Has somebody looked at again who is settled, because the account was seen to be otherwise than it was left. Says
    /// whether that made the user due; who is not settled is dealt with anyway.
    pub async fn reopen(&self, hash: AnchorHash) -> Result<bool, StoreError> {
        let record = ItemWrite::update(self.keys.record(&hash))
            .only_if("attribute_exists(#anchor)", [])
            .only_if("attribute_not_exists(#work_pk)", [])
            .remove(SURE)
            .bump(REV);
        let pending = self.set_status(record, &hash, &Status::Pending, AT_ONCE)?;
        Ok(self.commit(&[pending]).await? == CommitResult::Done)
    }

    /// Whose work may be done now, the longest due first.
    pub async fn fetch_due(&self, now: UnixSeconds, limit: usize) -> Result<Vec<AnchorHash>, StoreError> {
        let mut due = Vec::new();
        for word in DUE_WORDS {
            let last = format!("{word}#{:012}#{AFTER_ALL}", now.0.max(0));
            let part = KeyRange::Between(format!("{word}#"), last);
            let items = self.items(self.range(QuerySource::Work, &self.keys.work(), &part), limit).await?;
            for item in &items {
                due.push(place(item)?);
            }
        }
        due.sort_unstable();
        // A user who is between two statuses may still be seen under both.
        let mut seen = std::collections::HashSet::new();
        let hashes = due.into_iter().map(|(_, hash)| hash).filter(|hash| seen.insert(*hash));
        Ok(hashes.take(limit).collect())
    }

    /// When the first of what is pending or retried can be tried; it may be long ago. `None` when nothing is.
    pub async fn next_due_at(&self) -> Result<Option<UnixSeconds>, StoreError> {
        let mut first = None;
        for word in DUE_WORDS {
            let part = KeyRange::Prefix(format!("{word}#"));
            for item in self.items(self.range(QuerySource::Work, &self.keys.work(), &part), 1).await? {
                let (at, _) = place(&item)?;
                first = Some(first.map_or(at, |other: UnixSeconds| other.min(at)));
            }
        }
        Ok(first)
    }

    /// How many users have each status; statuses that nobody has are left out, and so is `settled`, which is in no
    /// index.
    pub async fn count_by_status(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        // One question for all of them: mostly nobody waits, and each question costs something.
        let query = self.range(QuerySource::Work, &self.keys.work(), &KeyRange::All);
        let query = query.projection_expression("#sk").expression_attribute_names("#sk", WORK_SK);
        let (mut counts, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.page(query.clone(), after).await?;
            for item in page.items.unwrap_or_default() {
                let read = ItemReader::new(&item);
                let sk = read.required(WORK_SK, read.text(WORK_SK)?)?;
                let (word, ..) =
                    parse_work_sk(sk).ok_or_else(|| read.wrong(WORK_SK, "names no status and user"))?;
                *counts.entry(word.to_owned()).or_default() += 1;
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(counts);
            }
        }
    }

    /// The same, but of each status no more are counted than this: to look takes no longer, however many they are.
    pub async fn count_by_status_up_to(&self, most: u64) -> Result<BTreeMap<String, u64>, StoreError> {
        let counts = stream::iter(WORDS.map(str::to_owned)).map(|word| async move {
            let query =
                self.range(QuerySource::Work, &self.keys.work(), &KeyRange::Prefix(format!("{word}#")));
            let query = query.select(Select::Count);
            let (mut count, mut after) = (0_u64, None);
            loop {
                // Without a limit, a page of the index is a megabyte.
                let left = i32::try_from(most.saturating_sub(count)).ok();
                let page = self.page(query.clone().set_limit(left), after).await?;
                count += u64::try_from(page.count).unwrap_or_default();
                after = page.last_evaluated_key;
                if after.is_none() || count >= most {
                    return Ok::<_, StoreError>((word, count));
                }
            }
        });
        let counts: Vec<(String, u64)> = counts.buffer_unordered(WORDS.len()).try_collect().await?;
        Ok(counts.into_iter().filter(|(_, count)| *count > 0).collect())
    }

    /// A position in the index names the item too; both follow from the index's sort key.
    fn index_position(&self, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let (_, _, hash) = parse_work_sk(sk)?;
        let mut position = self.keys.record(&hash).attributes();
        position.insert(WORK_PK.to_owned(), text(self.keys.work()));
        position.insert(WORK_SK.to_owned(), text(sk));
        Some(position)
    }
}

/// When a user is due, and who it is.
fn place(item: &TableItem) -> Result<(UnixSeconds, AnchorHash), StoreError> {
    let read = ItemReader::new(item);
    let sk = read.required(WORK_SK, read.text(WORK_SK)?)?;
    let (_, at, hash) = parse_work_sk(sk).ok_or_else(|| read.wrong(WORK_SK, "names no status and user"))?;
    Ok((at, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Anchor, DeprovisionReason, DisabledOption, HoldReason, Status};

    /// Fails to compile when a status is added, and fails when its word isn't in the list.
    #[test]
    fn every_status_but_settled_is_in_the_index() {
        let error = || "x".to_owned();
        let all = [
            Status::InSync,
            Status::Pending,
            Status::Retrying { error: error() },
            Status::Failed { error: error() },
            Status::Conflict { owner: Anchor::from_text("a").unwrap() },
            Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::OverLimit },
            Status::PendingDeletion { reason: DeprovisionReason::Deleted },
            Status::Skipped { option: DisabledOption::Create },
            Status::Invalid { error: error() },
        ];
        for status in all {
            let known = match status {
                Status::InSync => false,
                Status::Pending
                | Status::Retrying { .. }
                | Status::Failed { .. }
                | Status::Conflict { .. }
                | Status::Held { .. }
                | Status::PendingDeletion { .. }
                | Status::Skipped { .. }
                | Status::Invalid { .. } => true,
            };
            assert_eq!(WORDS.contains(&status.word()), known, "{}", status.word());
            assert_eq!(DUE_WORDS.contains(&status.word()), status.is_due());
        }
    }
}
