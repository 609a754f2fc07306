//! Reads of user records.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use model::{AnchorHash, Desired, DnKey, UserRecord};

use crate::Store;
use crate::batch::GET_CHUNK;
use crate::errors::Result;
use crate::item::ItemReader;
use crate::query::{KeyRange, QuerySource};
use crate::record::StoredRecord;

/// Concurrent requests.
const AT_ONCE: usize = 4;
/// Maximum of entries with one DN, unless the index lags behind by as many renames.
const NAMESAKES: usize = 16;

/// Records of several users.
#[derive(Debug, Default)]
pub struct ReadableRecords {
    /// Records by user.
    pub records: HashMap<AnchorHash, UserRecord>,
    /// Users with a record that can't be read.
    pub unreadable: HashSet<AnchorHash>,
}

impl Store {
    /// One user's record.
    pub async fn fetch_record(&self, hash: AnchorHash) -> Result<Option<UserRecord>> {
        Ok(self.stored(&hash).await?.map(|stored| stored.record))
    }

    /// Records of these users. Users without a record, or with one that can't be read, are missing from the result.
    pub async fn fetch_records(&self, hashes: &[AnchorHash]) -> Result<HashMap<AnchorHash, UserRecord>> {
        Ok(self.fetch_readable_records(hashes).await?.records)
    }

    /// Records of these users, and the users with a record that can't be read. One such record stops no other user.
    pub async fn fetch_readable_records(&self, hashes: &[AnchorHash]) -> Result<ReadableRecords> {
        let mut hashes = hashes.to_vec();
        // DynamoDB refuses a request that names a key twice.
        hashes.sort_unstable();
        hashes.dedup();
        let chunks: Vec<Vec<_>> = hashes
            .chunks(GET_CHUNK)
            .map(|chunk| chunk.iter().map(|hash| self.keys.record(hash)).collect())
            .collect();
        let items = stream::iter(chunks).map(|keys| async move { self.get_chunk(&keys).await });
        let items: Vec<_> = items.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut found = ReadableRecords::default();
        for item in items.iter().flatten() {
            match StoredRecord::decode(&self.keys, item) {
                Ok(StoredRecord { record, .. }) => drop(found.records.insert(record.anchor.hash(), record)),
                Err(error) => {
                    tracing::error!("a user record can't be read, so the user is skipped: {error}");
                    found.unreadable.extend(self.keys.parse_record(&ItemReader::new(item).key().pk));
                }
            }
        }
        Ok(found)
    }

    /// The user with this DN. For a while two records may have it, when one entry left and another took the DN; the
    /// entry that still exists wins.
    pub async fn find_by_dn(&self, dn: DnKey) -> Result<Option<UserRecord>> {
        let query = self.range(QuerySource::Dn, &self.keys.dn(&dn), &KeyRange::All);
        let items = self.items(query, NAMESAKES).await?;
        let hashes: Vec<_> =
            items.iter().filter_map(|item| self.keys.parse_record(&ItemReader::new(item).key().pk)).collect();
        // The index lags behind. The record tells whether it still has this DN.
        let records = self.fetch_records(&hashes).await?.into_values().filter(|record| record.dn == Some(dn));
        let exists = |record: &UserRecord| matches!(record.desired, Some(Desired::Present(_)));
        Ok(records.max_by_key(|record| (exists(record), record.version)))
    }

    pub(crate) async fn stored(&self, hash: &AnchorHash) -> Result<Option<StoredRecord>> {
        let item = self.get(&self.keys.record(hash)).await?;
        item.map(|item| StoredRecord::decode(&self.keys, &item)).transpose()
    }
}
