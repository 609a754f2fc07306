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
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use model::{AnchorHash, Fingerprint, ScanVersion};

use crate::batch::{UnconditionalWrite, WRITE_CHUNK};
use crate::errors::{StoreError, corrupt};
use crate::item::{ItemReader, TableItem, bytes, number, text};
use crate::keys::{HEADER, ItemKey, SK};
use crate::marks::{DIRTY, DirtyMarkers, is_mark};
use crate::pack::{SnapshotPair, bits_for, bucket_of, outgrown, pack, run_of, unpack};
use crate::query::{KeyRange, QuerySource};
use crate::write::{CommitResult, ItemWrite};
use crate::{ScanLease, Store};

const VERSION: &str = "version";
const GENERATION: &str = "generation";
const BITS: &str = "bits";
const PAIRS: &str = "pairs";
/// Number of users, readable without the buckets.
const USERS: &str = "users";
/// Set while buckets of other generations may exist.
const UNTIDY: &str = "untidy";

/// Concurrent requests.
const AT_ONCE: usize = 4;
/// Concurrent reads of single buckets.
const PARTS_AT_ONCE: usize = 16;
/// All buckets are read when more than one in this many is wanted.
const FEW: usize = 4;
/// Buckets per query: about a page.
const BUCKETS_A_QUERY: u32 = 256;

/// The users that the last scan saw: 32 bytes a user, sorted by anchor hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pairs: Arc<Vec<SnapshotPair>>,
    cut: Option<SnapshotLayout>,
    /// The buckets that were read, if not all.
    only: Option<BTreeSet<u32>>,
    /// Dirty markers.
    pub(crate) marks: DirtyMarkers,
}

/// Layout of the stored snapshot; `None` before the first was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SnapshotLayout {
    generation: String,
    bits: u32,
    untidy: bool,
    /// Number of users in the header; an older build did not store it.
    users: Option<u64>,
}

/// Result of saving a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum SnapshotSave {
    /// It is written.
    Done,
    /// A later scan has saved its snapshot, so this one is obsolete.
    Outdated,
}

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

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Buckets that these changes modify.
    fn touched(&self, changes: &SnapshotChanges, bits: u32) -> BTreeSet<u32> {
        let different =
            changes.iter().filter(|(hash, wanted)| self.marks.contain(hash) || self.get(hash) != **wanted);
        different.map(|(hash, _)| bucket_of(hash, bits)).collect()
    }

    /// Number of users after these changes.
    fn len_after(&self, changes: &SnapshotChanges) -> usize {
        let was_there = |hash: &AnchorHash| self.pairs.binary_search_by_key(hash, |(hash, _)| *hash).is_ok();
        let come = changes.iter().filter(|(hash, wanted)| wanted.is_some() && !was_there(hash)).count();
        let gone = changes.iter().filter(|(hash, wanted)| wanted.is_none() && was_there(hash)).count();
        self.pairs.len() + come - gone
    }

    /// Shows users with a marker as dirty, as far as their buckets were read.
    fn with_marks(mut self, marks: DirtyMarkers) -> Self {
        let (only, bits) = (self.only.as_ref(), self.cut.as_ref().map_or(0, |cut| cut.bits));
        let is_read = |hash: &&AnchorHash| only.is_none_or(|only| only.contains(&bucket_of(hash, bits)));
        let marked: SnapshotChanges =
            marks.hashes().filter(is_read).map(|hash| (*hash, Some(DIRTY))).collect();
        if !marked.is_empty() {
            self.pairs = Arc::new(merged(&self.pairs, &marked));
        }
        Self { marks, ..self }
    }
}

/// Changes to a snapshot: a fingerprint for a user that was seen, `None` for one that is gone.
type SnapshotChanges = BTreeMap<AnchorHash, Option<Fingerprint>>;

/// Both are sorted, so one pass is enough.
fn merged(pairs: &[SnapshotPair], changes: &SnapshotChanges) -> Vec<SnapshotPair> {
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

fn bucket_sk(generation: &str, bucket: u32) -> String {
    format!("{generation}#{bucket:07}")
}

/// A generation is named after the scan that writes it, so two scans never write the same one.
fn next_generation(version: ScanVersion, current: Option<&str>) -> String {
    let mine = format!("{:012}.", version.0);
    let count = current.and_then(|name| name.strip_prefix(&mine)?.parse::<u32>().ok());
    format!("{mine}{:04}", count.map_or(0, |count| count + 1))
}

impl Store {
    /// The snapshot of the last scan, or of the one before, where the table lags behind.
    pub async fn fetch_snapshot(&self) -> Result<Snapshot, StoreError> {
        // A reader without the lease may meet a scan that is switching generations, and then reads again.
        let mut from = QuerySource::ItemsLately;
        for _ in 0..4 {
            let (cut, marks) = futures::try_join!(self.fetch_cut(), self.fetch_marks())?;
            let Some(cut) = cut else { return Ok(Snapshot::default().with_marks(marks)) };
            match self.fetch_buckets(&cut, from).await {
                Ok(pairs) => {
                    let read = Snapshot { pairs: Arc::new(pairs), cut: Some(cut), ..Snapshot::default() };
                    return Ok(read.with_marks(marks));
                }
                // A bucket that is so new that it can't be seen yet.
                Err(_) if from == QuerySource::ItemsLately => from = QuerySource::Items,
                Err(error) => {
                    let now = self.fetch_cut().await?;
                    if now.is_some_and(|now| now.generation == cut.generation) {
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
    pub async fn fetch_part(&self, of: &[AnchorHash]) -> Result<Snapshot, StoreError> {
        let (cut, marks) = futures::try_join!(self.fetch_cut(), self.fetch_marks())?;
        let Some(cut) = cut else { return Ok(Snapshot::default().with_marks(marks)) };
        let nothing = Snapshot { cut: Some(cut), only: Some(BTreeSet::new()), marks, ..Snapshot::default() };
        self.extend_part(nothing, of).await
    }

    /// The same snapshot with these in it, too.
    pub async fn extend_part(&self, snapshot: Snapshot, with: &[AnchorHash]) -> Result<Snapshot, StoreError> {
        let (Some(cut), Some(known)) = (&snapshot.cut, &snapshot.only) else { return Ok(snapshot) };
        let wanted: BTreeSet<u32> = with.iter().map(|hash| bucket_of(hash, cut.bits)).collect();
        let missing: BTreeSet<u32> = wanted.difference(known).copied().collect();
        if missing.is_empty() {
            return Ok(snapshot);
        }
        let (read, only) = self.fetch_some(cut, &missing).await?;
        let Snapshot { pairs, cut, only: known, marks } = snapshot;
        let (pairs, only) = match (only, known) {
            (Some(only), Some(known)) => {
                let mut pairs = Arc::unwrap_or_clone(pairs);
                pairs.extend(read);
                pairs.sort_unstable_by_key(|(hash, _)| *hash);
                (pairs, Some(only.union(&known).copied().collect()))
            }
            _ => (read, None),
        };
        Ok(Snapshot { pairs: Arc::new(pairs), cut, only, marks: DirtyMarkers::default() }.with_marks(marks))
    }

    /// These buckets, or all where that is quicker, as they are now; and which they are, where they are not all.
    async fn fetch_some(
        &self,
        cut: &SnapshotLayout,
        buckets: &BTreeSet<u32>,
    ) -> Result<(Vec<SnapshotPair>, Option<BTreeSet<u32>>), StoreError> {
        if buckets.len() * FEW >= 1 << cut.bits {
            return Ok((self.fetch_buckets(cut, QuerySource::Items).await?, None));
        }
        let reads = buckets.iter().map(|bucket| self.fetch_range(cut, QuerySource::Items, *bucket, *bucket));
        let parts: Vec<Vec<SnapshotPair>> = stream::iter(reads).buffered(PARTS_AT_ONCE).try_collect().await?;
        Ok((parts.concat(), Some(buckets.clone())))
    }

    /// Number of users in the snapshot; one read.
    pub async fn count_snapshot_users(&self) -> Result<u64, StoreError> {
        match self.fetch_cut().await? {
            None => Ok(0),
            Some(SnapshotLayout { users: Some(users), .. }) => Ok(users),
            Some(SnapshotLayout { users: None, .. }) => Ok(self.fetch_snapshot().await?.len() as u64),
        }
    }

    async fn fetch_cut(&self) -> Result<Option<SnapshotLayout>, StoreError> {
        let Some(item) = self.get(&self.keys.snapshot(HEADER)).await? else { return Ok(None) };
        let read = ItemReader::new(&item);
        // Before the first generation is complete, the header only shows that one is being written.
        let Some(generation) = read.text(GENERATION)? else { return Ok(None) };
        let bits = read.required(BITS, read.number::<u32>(BITS)?)?;
        if bits > 20 {
            return Err(read.wrong(BITS, "is out of range"));
        }
        let untidy = read.flag(UNTIDY)?.unwrap_or_default();
        let users = read.number(USERS)?;
        Ok(Some(SnapshotLayout { generation: generation.to_owned(), bits, untidy, users }))
    }

    async fn fetch_buckets(
        &self,
        cut: &SnapshotLayout,
        from: QuerySource,
    ) -> Result<Vec<SnapshotPair>, StoreError> {
        let buckets = 1u32 << cut.bits;
        let ranges = (0..buckets).step_by(BUCKETS_A_QUERY as usize).map(|first| {
            let last = (first + BUCKETS_A_QUERY).min(buckets) - 1;
            self.fetch_range(cut, from, first, last)
        });
        let count = ranges.len();
        let mut parts = stream::iter(ranges).buffered(AT_ONCE);
        let mut pairs = Vec::new();
        while let Some(part) = parts.try_next().await? {
            if pairs.is_empty() {
                // Hashes are spread evenly, so the first part gives a good estimate of the total.
                pairs.reserve_exact(part.len() * count + part.len() / 8);
            }
            pairs.extend_from_slice(&part);
        }
        Ok(pairs)
    }

    async fn fetch_range(
        &self,
        cut: &SnapshotLayout,
        from: QuerySource,
        first: u32,
        last: u32,
    ) -> Result<Vec<SnapshotPair>, StoreError> {
        let part = KeyRange::Between(bucket_sk(&cut.generation, first), bucket_sk(&cut.generation, last));
        let partition = self.keys.snapshot(HEADER).pk;
        let items = self.items(self.range(from, &partition, &part), usize::MAX).await?;
        let mut pairs = Vec::new();
        let mut found = items.iter();
        // A generation has all its buckets. Users in a lost bucket would never be noticed to leave.
        for bucket in first..=last {
            let key = self.keys.snapshot(&bucket_sk(&cut.generation, bucket));
            let item = found.next().ok_or_else(|| corrupt(&key, "the bucket is missing"))?;
            let read = ItemReader::new(item);
            if read.key() != key {
                return Err(corrupt(&key, "the bucket is missing"));
            }
            let packed = read.required(PAIRS, read.bytes(PAIRS)?)?;
            unpack(packed, bucket, cut.bits, &mut pairs)
                .ok_or_else(|| read.wrong(PAIRS, "holds no sorted pairs of this bucket"))?;
        }
        Ok(pairs)
    }

    /// Saves the changes since `before` was read: a fingerprint for a user that was seen, `None` for one that is gone.
    /// Only changed buckets are written. A user with a dirty marker that is not among the changes stays dirty.
    pub async fn save_snapshot(
        &self,
        lease: &ScanLease,
        before: Snapshot,
        mut changes: BTreeMap<AnchorHash, Option<Fingerprint>>,
    ) -> Result<SnapshotSave, StoreError> {
        for hash in before.marks.hashes() {
            changes.entry(*hash).or_insert(Some(DIRTY));
        }
        let Some(cut) = before.cut.clone() else {
            let pairs = merged(&[], &changes);
            let saved = self.save_all(lease, None, pairs).await?;
            return self.without_marks(saved, before.marks).await;
        };
        let hashes: Vec<AnchorHash> = changes.keys().copied().collect();
        let before = self.extend_part(before, &hashes).await?;
        let touched = before.touched(&changes, cut.bits);
        let users = before.is_whole().then(|| before.len_after(&changes));
        let is_counted = users.is_none_or(|users| cut.users == Some(users as u64));
        if touched.is_empty() && is_counted {
            return Ok(SnapshotSave::Done);
        }
        // A complete read is needed to see whether the layout is outgrown.
        let saved = if users.is_some_and(|users| outgrown(users, cut.bits)) {
            let now = self.fetch_buckets(&cut, QuerySource::Items).await?;
            self.save_all(lease, Some(cut), merged(&now, &changes)).await?
        } else {
            let (now, _) = self.fetch_some(&cut, &touched).await?;
            let pairs = merged(&now, &changes);
            // The buckets just read give the exact difference in users.
            let users = match cut.users {
                Some(all) if !touched.is_empty() => {
                    Some((all + pairs.len() as u64).saturating_sub(now.len() as u64))
                }
                _ => users.map(|users| users as u64),
            };
            self.save_buckets(lease, SnapshotLayout { users, ..cut }, &pairs, &touched).await?
        };
        self.without_marks(saved, before.marks).await
    }

    /// Deletes the markers that the saved snapshot replaces.
    async fn without_marks(
        &self,
        saved: SnapshotSave,
        marks: DirtyMarkers,
    ) -> Result<SnapshotSave, StoreError> {
        if saved == SnapshotSave::Done {
            self.write_all(marks.items().map(|sk| UnconditionalWrite::Delete(self.keys.snapshot(sk))))
                .await?;
        }
        Ok(saved)
    }

    /// Writes some buckets of the current generation.
    async fn save_buckets(
        &self,
        lease: &ScanLease,
        cut: SnapshotLayout,
        pairs: &[SnapshotPair],
        touched: &BTreeSet<u32>,
    ) -> Result<SnapshotSave, StoreError> {
        // The header is first: from then on an older scan is refused, whichever buckets it writes.
        let header = self.header(lease, Some(&cut));
        let header = match cut.users {
            Some(users) => header.set(USERS, number(users)),
            None => header,
        };
        if self.commit(&[header]).await? != CommitResult::Done {
            return Ok(SnapshotSave::Outdated);
        }
        let cut = self.tidy(lease, cut).await?;
        let writes = touched.iter().map(|bucket| {
            ItemWrite::put(self.keys.snapshot(&bucket_sk(&cut.generation, *bucket)))
                .set(PAIRS, bytes(pack(run_of(pairs, *bucket, cut.bits))))
                .set(VERSION, number(lease.version()))
                .only_if(
                    "attribute_not_exists(#version) OR #version <= :scan",
                    [("scan", number(lease.version()))],
                )
        });
        let results = stream::iter(writes).map(|write| async move { self.commit(&[write]).await });
        let results: Vec<CommitResult> = results.buffer_unordered(AT_ONCE).try_collect().await?;
        if results.iter().any(|result| *result != CommitResult::Done) {
            return Ok(SnapshotSave::Outdated);
        }
        Ok(SnapshotSave::Done)
    }

    /// Writes all users as a new generation. The old one stays current until the last bucket is written.
    async fn save_all(
        &self,
        lease: &ScanLease,
        old: Option<SnapshotLayout>,
        pairs: Vec<SnapshotPair>,
    ) -> Result<SnapshotSave, StoreError> {
        let header = self.header(lease, old.as_ref()).set(UNTIDY, crate::record::flag(true));
        if self.commit(&[header]).await? != CommitResult::Done {
            return Ok(SnapshotSave::Outdated);
        }
        if old.as_ref().is_none_or(|cut| cut.untidy) {
            // An earlier half-written generation may have more buckets than the new one.
            self.sweep(old.as_ref()).await?;
        }
        let generation = next_generation(lease.version(), old.as_ref().map(|cut| cut.generation.as_str()));
        let users = Some(pairs.len() as u64);
        let cut = SnapshotLayout { generation, bits: bits_for(pairs.len()), untidy: true, users };
        let items = (0..1u32 << cut.bits).map(|bucket| {
            let mut item: TableItem = self.keys.snapshot(&bucket_sk(&cut.generation, bucket)).attributes();
            item.insert(PAIRS.to_owned(), bytes(pack(run_of(&pairs, bucket, cut.bits))));
            item.insert(VERSION.to_owned(), number(lease.version()));
            UnconditionalWrite::Put(item)
        });
        self.write_all(items).await?;
        let header = self
            .header(lease, old.as_ref())
            .set(GENERATION, text(&cut.generation))
            .set(BITS, number(cut.bits))
            .set(USERS, number(pairs.len() as u64));
        if self.commit(&[header]).await? != CommitResult::Done {
            return Ok(SnapshotSave::Outdated);
        }
        self.tidy(lease, cut).await?;
        Ok(SnapshotSave::Done)
    }

    /// Write to the header, refused when a later scan has written it or the generation is not the one that was read.
    fn header(&self, lease: &ScanLease, cut: Option<&SnapshotLayout>) -> ItemWrite {
        let write =
            ItemWrite::update(self.keys.snapshot(HEADER)).set(VERSION, number(lease.version())).only_if(
                "attribute_not_exists(#version) OR #version <= :scan",
                [("scan", number(lease.version()))],
            );
        match cut {
            Some(cut) => write.only_if("#generation = :current", [("current", text(&cut.generation))]),
            None => write.only_if("attribute_not_exists(#generation)", []),
        }
    }

    /// Deletes the buckets of all generations but the current one, if there may be any.
    async fn tidy(&self, lease: &ScanLease, cut: SnapshotLayout) -> Result<SnapshotLayout, StoreError> {
        if !cut.untidy {
            return Ok(cut);
        }
        self.sweep(Some(&cut)).await?;
        let header = self.header(lease, Some(&cut)).remove(UNTIDY);
        let untidy = self.commit(&[header]).await? != CommitResult::Done;
        Ok(SnapshotLayout { untidy, ..cut })
    }

    async fn sweep(&self, keep: Option<&SnapshotLayout>) -> Result<(), StoreError> {
        let partition = self.keys.snapshot(HEADER).pk;
        let query = self.range(QuerySource::Items, &partition, &KeyRange::All);
        let query = query.projection_expression("#pk, #key").expression_attribute_names("#key", SK);
        let items = self.items(query, usize::MAX).await?;
        let stale = items.iter().map(|item| ItemReader::new(item).key()).filter(|key| {
            let kept = keep.is_some_and(|cut| is_of(&cut.generation, key));
            !kept && key.sk != HEADER && !is_mark(key)
        });
        self.write_all(stale.map(UnconditionalWrite::Delete)).await
    }

    async fn write_all(&self, writes: impl Iterator<Item = UnconditionalWrite>) -> Result<(), StoreError> {
        let mut chunks = vec![Vec::new()];
        for write in writes {
            match chunks.last_mut() {
                Some(chunk) if chunk.len() < WRITE_CHUNK => chunk.push(write),
                _ => chunks.push(vec![write]),
            }
        }
        let sent = stream::iter(chunks).map(|chunk| self.write_chunk(chunk));
        sent.buffer_unordered(AT_ONCE).try_collect::<()>().await
    }
}

fn is_of(generation: &str, key: &ItemKey) -> bool {
    key.sk.strip_prefix(generation).is_some_and(|rest| rest.starts_with('#'))
}
