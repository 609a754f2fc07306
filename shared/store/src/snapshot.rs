//! Snapshot: the users that the last scan saw, with a fingerprint of each.
//!
//! The snapshot is split into buckets by the first bits of the hash, so that a small change writes little. When the
//! number of users outgrows the split, all of it is written anew as another *generation*, and then the header is
//! switched. The header always names a generation that was completely written.
//!
//! A full scan reads it eventually consistently, for half the cost. A stale fingerprint makes the next scan examine a
//! record once more than needed. But a bucket is written whole and nothing in it may be lost, so a bucket that is
//! written was read consistently just before.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use model::{AnchorHash, Fingerprint};

use crate::Store;
use crate::errors::{Result, StoreError, corrupt};
use crate::item::ItemReader;
use crate::keys::HEADER;
use crate::marks::{DIRTY, DirtyMarkers};
use crate::pack::{SnapshotPair, bucket_of, unpack};
use crate::query::{KeyRange, QuerySource};

pub(crate) const GENERATION: &str = "generation";
pub(crate) const BITS: &str = "bits";
pub(crate) const PAIRS: &str = "pairs";
/// Number of users, readable without the buckets.
pub(crate) const USERS: &str = "users";
/// Set while buckets of other generations may exist.
pub(crate) const UNTIDY: &str = "untidy";

/// Concurrent queries.
const CONCURRENT_QUERIES: usize = 4;
/// Concurrent reads of single buckets.
const CONCURRENT_BUCKETS: usize = 16;
/// All buckets are read when more than one in this many is wanted.
const FEW: usize = 4;
/// Buckets per query: about a page.
const BUCKETS_A_QUERY: u32 = 256;

/// The users that the last scan saw: 32 bytes a user, sorted by anchor hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pairs: Arc<Vec<SnapshotPair>>,
    pub(crate) layout: Option<SnapshotLayout>,
    /// The buckets that were read, if not all.
    only: Option<BTreeSet<u32>>,
    pub(crate) marks: DirtyMarkers,
}

/// Layout of the stored snapshot; `None` before the first was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotLayout {
    pub generation: String,
    pub bits: u32,
    pub untidy: bool,
    pub users: u64,
}

/// Changes to a snapshot: a fingerprint for a user that was seen, `None` for one that is gone.
pub(crate) type SnapshotChanges = BTreeMap<AnchorHash, Option<Fingerprint>>;

impl Snapshot {
    /// Whether all buckets were read.
    pub fn is_whole(&self) -> bool {
        self.only.is_none()
    }

    /// Users with their fingerprints, sorted by hash; only those in the buckets that were read.
    pub fn pairs(&self) -> &[(AnchorHash, Fingerprint)] {
        &self.pairs
    }

    /// Fingerprint of a user, if the user is in the snapshot; [`DIRTY`] for a user with a dirty marker.
    pub fn get(&self, hash: &AnchorHash) -> Option<Fingerprint> {
        if self.marks.contain(hash) {
            return Some(DIRTY);
        }
        let at = self.pairs.binary_search_by_key(hash, |(hash, _)| *hash).ok()?;
        self.pairs.get(at).map(|(_, fingerprint)| *fingerprint)
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Number of users in all buckets, whether they were read or not.
    pub fn users(&self) -> u64 {
        match &self.layout {
            Some(layout) if !self.is_whole() => layout.users,
            _ => self.pairs.len() as u64,
        }
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Buckets that these changes modify.
    pub(crate) fn touched(&self, changes: &SnapshotChanges, bits: u32) -> BTreeSet<u32> {
        let different =
            changes.iter().filter(|(hash, wanted)| self.marks.contain(hash) || self.get(hash) != **wanted);
        different.map(|(hash, _)| bucket_of(hash, bits)).collect()
    }

    /// Number of users after these changes, if all buckets were read.
    pub(crate) fn len_after(&self, changes: &SnapshotChanges) -> Option<usize> {
        let was_there = |hash: &AnchorHash| self.pairs.binary_search_by_key(hash, |(hash, _)| *hash).is_ok();
        let come = changes.iter().filter(|(hash, wanted)| wanted.is_some() && !was_there(hash)).count();
        let gone = changes.iter().filter(|(hash, wanted)| wanted.is_none() && was_there(hash)).count();
        self.is_whole().then(|| self.pairs.len() + come - gone)
    }

    /// Shows users with a marker as dirty, as far as their buckets were read.
    fn with_marks(mut self, marks: DirtyMarkers) -> Self {
        let (only, bits) = (self.only.as_ref(), self.layout.as_ref().map_or(0, |layout| layout.bits));
        let is_read = |hash: &&AnchorHash| only.is_none_or(|only| only.contains(&bucket_of(hash, bits)));
        let marked: SnapshotChanges =
            marks.hashes().filter(is_read).map(|hash| (*hash, Some(DIRTY))).collect();
        if !marked.is_empty() {
            self.pairs = Arc::new(merged(&self.pairs, &marked));
        }
        Self { marks, ..self }
    }
}

/// The pairs after these changes. Both are sorted, so one pass is enough.
pub(crate) fn merged(pairs: &[SnapshotPair], changes: &SnapshotChanges) -> Vec<SnapshotPair> {
    let mut merged = Vec::with_capacity(pairs.len() + changes.len());
    let mut old = pairs.iter().copied().peekable();
    for (hash, wanted) in changes {
        while let Some(before) = old.next_if(|(other, _)| other < hash) {
            merged.push(before);
        }
        old.next_if(|(other, _)| other == hash);
        merged.extend(wanted.map(|fingerprint| (*hash, fingerprint)));
    }
    merged.extend(old);
    merged
}

pub(crate) fn bucket_sk(generation: &str, bucket: u32) -> String {
    format!("{generation}#{bucket:07}")
}

impl Store {
    /// The snapshot of the last scan, or of the one before, where the table lags behind.
    pub async fn fetch_snapshot(&self) -> Result<Snapshot> {
        // A reader without the lease may meet a scan that is switching generations, and then reads again.
        let mut from = QuerySource::ItemsLately;
        for _ in 0..4 {
            let (layout, marks) = futures::try_join!(self.fetch_layout(), self.fetch_marks())?;
            let Some(layout) = layout else { return Ok(Snapshot::default().with_marks(marks)) };
            match self.fetch_buckets(&layout, from).await {
                Ok(pairs) => {
                    let pairs = Arc::new(pairs);
                    let read = Snapshot { pairs, layout: Some(layout), ..Snapshot::default() };
                    return Ok(read.with_marks(marks));
                }
                // A bucket that is so new that it can't be seen yet.
                Err(_) if from == QuerySource::ItemsLately => from = QuerySource::Items,
                Err(error) => {
                    let now = self.fetch_layout().await?;
                    if now.is_some_and(|now| now.generation == layout.generation) {
                        return Err(error);
                    }
                }
            }
        }
        Err(StoreError::Unavailable {
            action: "read the snapshot",
            detail: "it was rewritten each time it was read".to_owned(),
        })
    }

    /// The snapshot of these users, and of others in the same buckets. Only for the holder of the lease: no other scan
    /// writes meanwhile.
    pub async fn fetch_part(&self, of: &[AnchorHash]) -> Result<Snapshot> {
        let (layout, marks) = futures::try_join!(self.fetch_layout(), self.fetch_marks())?;
        let only = layout.as_ref().map(|_| BTreeSet::new());
        let nothing = Snapshot { layout, only, ..Snapshot::default() }.with_marks(marks);
        self.extend_part(nothing, of).await
    }

    /// The same snapshot, extended by the buckets of these users.
    pub async fn extend_part(&self, snapshot: Snapshot, with: &[AnchorHash]) -> Result<Snapshot> {
        let (Some(layout), Some(known)) = (&snapshot.layout, &snapshot.only) else { return Ok(snapshot) };
        let wanted: BTreeSet<u32> = with.iter().map(|hash| bucket_of(hash, layout.bits)).collect();
        let missing: BTreeSet<u32> = wanted.difference(known).copied().collect();
        if missing.is_empty() {
            return Ok(snapshot);
        }
        let (read, only) = self.fetch_some(layout, &missing).await?;
        let Snapshot { pairs, layout, only: known, marks } = snapshot;
        let (pairs, only) = match (only, known) {
            (Some(only), Some(known)) => {
                let mut pairs = Arc::unwrap_or_clone(pairs);
                pairs.extend(read);
                pairs.sort_unstable_by_key(|(hash, _)| *hash);
                (pairs, Some(only.union(&known).copied().collect()))
            }
            _ => (read, None),
        };
        let pairs = Arc::new(pairs);
        Ok(Snapshot { pairs, layout, only, marks: DirtyMarkers::default() }.with_marks(marks))
    }

    /// Number of users in the snapshot; one read.
    pub async fn count_snapshot_users(&self) -> Result<u64> {
        Ok(self.fetch_layout().await?.map_or(0, |layout| layout.users))
    }

    /// These buckets consistently, or all where that is quicker; and which they are, where they are not all.
    pub(crate) async fn fetch_some(
        &self,
        layout: &SnapshotLayout,
        buckets: &BTreeSet<u32>,
    ) -> Result<(Vec<SnapshotPair>, Option<BTreeSet<u32>>)> {
        if buckets.len() * FEW >= 1 << layout.bits {
            return Ok((self.fetch_buckets(layout, QuerySource::Items).await?, None));
        }
        let reads = buckets
            .iter()
            .copied()
            .map(|bucket| self.fetch_range(layout, QuerySource::Items, bucket..=bucket));
        let parts: Vec<Vec<SnapshotPair>> =
            stream::iter(reads).buffered(CONCURRENT_BUCKETS).try_collect().await?;
        Ok((parts.concat(), Some(buckets.clone())))
    }

    async fn fetch_layout(&self) -> Result<Option<SnapshotLayout>> {
        let Some(item) = self.get(&self.keys.snapshot(HEADER)).await? else { return Ok(None) };
        let read = ItemReader::new(&item);
        // Before the first generation is complete, the header only shows that one is being written.
        let Some(generation) = read.text(GENERATION)? else { return Ok(None) };
        let bits = read.required(BITS, read.number::<u32>(BITS)?)?;
        if bits > 20 {
            return Err(read.wrong(BITS, "is out of range"));
        }
        let untidy = read.flag(UNTIDY)?.unwrap_or_default();
        let users = read.required(USERS, read.number(USERS)?)?;
        Ok(Some(SnapshotLayout { generation: generation.to_owned(), bits, untidy, users }))
    }

    pub(crate) async fn fetch_buckets(
        &self,
        layout: &SnapshotLayout,
        from: QuerySource,
    ) -> Result<Vec<SnapshotPair>> {
        let buckets = 1u32 << layout.bits;
        let ranges = (0..buckets).step_by(BUCKETS_A_QUERY as usize).map(|first| {
            let last = (first + BUCKETS_A_QUERY).min(buckets) - 1;
            self.fetch_range(layout, from, first..=last)
        });
        let count = ranges.len();
        let mut parts = stream::iter(ranges).buffered(CONCURRENT_QUERIES);
        let mut pairs = Vec::new();
        while let Some(part) = parts.try_next().await? {
            if pairs.is_empty() {
                // A buffer that grows doubles, which would be most of a scan's memory. Hashes are spread evenly, so the first part
                // limits what a wrong header can reserve.
                let users = usize::try_from(layout.users).unwrap_or(usize::MAX);
                pairs.reserve_exact(users.min(2 * part.len() * count));
            }
            pairs.extend_from_slice(&part);
        }
        Ok(pairs)
    }

    async fn fetch_range(
        &self,
        layout: &SnapshotLayout,
        from: QuerySource,
        buckets: RangeInclusive<u32>,
    ) -> Result<Vec<SnapshotPair>> {
        let sk = |bucket: u32| bucket_sk(&layout.generation, bucket);
        let part = KeyRange::Between(sk(*buckets.start()), sk(*buckets.end()));
        let partition = self.keys.snapshot(HEADER).pk;
        let items = self.items(self.range(from, &partition, &part), usize::MAX).await?;
        let mut pairs = Vec::new();
        let mut found = items.iter();
        // A generation has all its buckets. Users in a lost bucket would never be noticed to leave.
        for bucket in buckets {
            let key = self.keys.snapshot(&sk(bucket));
            let item = found.next().ok_or_else(|| corrupt(&key, "the bucket is missing"))?;
            let read = ItemReader::new(item);
            if read.key() != key {
                return Err(corrupt(&key, "the bucket is missing"));
            }
            let packed = read.required(PAIRS, read.bytes(PAIRS)?)?;
            unpack(packed, bucket, layout.bits, &mut pairs)
                .ok_or_else(|| read.wrong(PAIRS, "holds no sorted pairs of this bucket"))?;
        }
        Ok(pairs)
    }
}
