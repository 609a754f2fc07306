//! Writes of the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use futures::{StreamExt, TryStreamExt, stream};
use model::{AnchorHash, Fingerprint, ScanVersion};

use crate::Store;
use crate::batch::WRITE_CHUNK;
use crate::errors::Result;
use crate::item::{ItemReader, bytes, flag, number, text};
use crate::keys::{HEADER, ItemKey, SK};
use crate::lease::ScanLease;
use crate::marks::{DIRTY, DirtyMarkers, is_mark};
use crate::pack::{SnapshotPair, bits_for, outgrown, pack, run_of};
use crate::query::{KeyRange, QuerySource};
use crate::record::{VERSION, if_not_newer};
use crate::snapshot::{BITS, GENERATION, PAIRS, Snapshot, SnapshotLayout, UNTIDY, USERS, bucket_sk, merged};
use crate::write::{CommitResult, ItemWrite};

/// Concurrent requests.
const CONCURRENCY: usize = 4;

/// Result of saving a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub enum SnapshotSave {
    /// It is written.
    Done,
    /// A later scan has saved its snapshot, so this one is obsolete.
    Outdated,
}

/// Writer of the snapshot of one scan.
struct SnapshotWriter<'a> {
    store: &'a Store,
    lease: &'a ScanLease,
}

/// A generation is named after the scan that writes it, so two scans never write the same one.
fn next_generation(version: ScanVersion, current: Option<&str>) -> String {
    let mine = format!("{:012}.", version.0);
    let count = current.and_then(|name| name.strip_prefix(&mine)?.parse::<u32>().ok());
    format!("{mine}{:04}", count.map_or(0, |count| count + 1))
}

impl Store {
    /// Stores that these users are about to be written. They are dirty until the snapshot is saved.
    pub async fn mark_dirty(
        &self,
        lease: &ScanLease,
        snapshot: &mut Snapshot,
        users: &[AnchorHash],
    ) -> Result<()> {
        self.add_marks(&mut snapshot.marks, lease.version(), users).await
    }

    /// Saves the changes since `before` was read: a fingerprint for a user that was seen, `None` for one that is gone.
    /// Only changed buckets are written. A user with a dirty marker that is not among the changes stays dirty.
    pub async fn save_snapshot(
        &self,
        lease: &ScanLease,
        before: Snapshot,
        mut changes: BTreeMap<AnchorHash, Option<Fingerprint>>,
    ) -> Result<SnapshotSave> {
        let writer = SnapshotWriter { store: self, lease };
        for hash in before.marks.hashes() {
            changes.entry(*hash).or_insert(Some(DIRTY));
        }
        let Some(layout) = before.layout.clone() else {
            let saved = writer.save_all(None, merged(&[], &changes)).await?;
            return writer.without_marks(saved, before.marks).await;
        };
        let hashes: Vec<AnchorHash> = changes.keys().copied().collect();
        let before = self.extend_part(before, &hashes).await?;
        let touched = before.touched(&changes, layout.bits);
        // A complete read is needed to see whether the layout is outgrown.
        let users = before.len_after(&changes);
        if touched.is_empty() && users.is_none_or(|users| layout.users == users as u64) {
            return Ok(SnapshotSave::Done);
        }
        let saved = if users.is_some_and(|users| outgrown(users, layout.bits)) {
            let now = self.fetch_buckets(&layout, QuerySource::Items).await?;
            writer.save_all(Some(layout), merged(&now, &changes)).await?
        } else {
            let (now, _) = self.fetch_some(&layout, &touched).await?;
            let pairs = merged(&now, &changes);
            let users = match users {
                Some(users) if touched.is_empty() => users as u64,
                // The buckets just read give the exact difference in users.
                _ => (layout.users + pairs.len() as u64).saturating_sub(now.len() as u64),
            };
            writer.save_buckets(SnapshotLayout { users, ..layout }, &pairs, &touched).await?
        };
        writer.without_marks(saved, before.marks).await
    }
}

impl SnapshotWriter<'_> {
    /// Deletes the markers that the saved snapshot replaces.
    async fn without_marks(&self, saved: SnapshotSave, marks: DirtyMarkers) -> Result<SnapshotSave> {
        if saved == SnapshotSave::Done {
            let keys = marks.items().map(|sk| self.store.keys.snapshot(sk));
            self.write_all(keys.map(ItemWrite::delete)).await?;
        }
        Ok(saved)
    }

    /// Writes some buckets of the current generation.
    async fn save_buckets(
        &self,
        layout: SnapshotLayout,
        pairs: &[SnapshotPair],
        touched: &BTreeSet<u32>,
    ) -> Result<SnapshotSave> {
        // The header is first: from then on an older scan is refused, whichever buckets it writes.
        let header = self.header(Some(&layout)).set(USERS, number(layout.users));
        if !self.store.commit(&[header]).await?.is_done() {
            return Ok(SnapshotSave::Outdated);
        }
        let layout = self.tidy(layout).await?;
        let version = self.lease.version();
        let writes = touched.iter().map(|bucket| {
            let key = self.store.keys.snapshot(&bucket_sk(&layout.generation, *bucket));
            let pairs = pack(run_of(pairs, *bucket, layout.bits));
            let write = ItemWrite::put(key).set(PAIRS, bytes(pairs)).set(VERSION, number(version));
            if_not_newer(write, version)
        });
        let results = stream::iter(writes).map(|write| async move { self.store.commit(&[write]).await });
        let results: Vec<CommitResult> = results.buffer_unordered(CONCURRENCY).try_collect().await?;
        let is_done = results.iter().all(CommitResult::is_done);
        Ok(if is_done { SnapshotSave::Done } else { SnapshotSave::Outdated })
    }

    /// Writes all users as a new generation. The old one stays current until the last bucket is written.
    async fn save_all(&self, old: Option<SnapshotLayout>, pairs: Vec<SnapshotPair>) -> Result<SnapshotSave> {
        let header = self.header(old.as_ref()).set(UNTIDY, flag(true));
        if !self.store.commit(&[header]).await?.is_done() {
            return Ok(SnapshotSave::Outdated);
        }
        if old.as_ref().is_none_or(|layout| layout.untidy) {
            // An earlier half-written generation may have more buckets than the new one.
            self.delete_other_buckets(old.as_ref()).await?;
        }
        let version = self.lease.version();
        let generation = next_generation(version, old.as_ref().map(|layout| layout.generation.as_str()));
        let (bits, users) = (bits_for(pairs.len()), pairs.len() as u64);
        let layout = SnapshotLayout { generation, bits, untidy: true, users };
        let items = (0..1u32 << bits).map(|bucket| {
            let key = self.store.keys.snapshot(&bucket_sk(&layout.generation, bucket));
            let pairs = bytes(pack(run_of(&pairs, bucket, bits)));
            ItemWrite::put(key).set(PAIRS, pairs).set(VERSION, number(version))
        });
        self.write_all(items).await?;
        let header = self
            .header(old.as_ref())
            .set(GENERATION, text(&layout.generation))
            .set(BITS, number(bits))
            .set(USERS, number(users));
        if !self.store.commit(&[header]).await?.is_done() {
            return Ok(SnapshotSave::Outdated);
        }
        self.tidy(layout).await?;
        Ok(SnapshotSave::Done)
    }

    /// Write to the header, refused when a later scan has written it or the generation is not the one that was read.
    fn header(&self, layout: Option<&SnapshotLayout>) -> ItemWrite {
        let version = self.lease.version();
        let write = ItemWrite::update(self.store.keys.snapshot(HEADER)).set(VERSION, number(version));
        let write = if_not_newer(write, version);
        match layout {
            Some(layout) => write.only_if("#generation = :current", [("current", text(&layout.generation))]),
            None => write.only_if("attribute_not_exists(#generation)", []),
        }
    }

    /// Deletes the buckets of all generations but the current one, if there may be any.
    async fn tidy(&self, layout: SnapshotLayout) -> Result<SnapshotLayout> {
        if !layout.untidy {
            return Ok(layout);
        }
        self.delete_other_buckets(Some(&layout)).await?;
        let header = self.header(Some(&layout)).remove(UNTIDY);
        let untidy = !self.store.commit(&[header]).await?.is_done();
        Ok(SnapshotLayout { untidy, ..layout })
    }

    async fn delete_other_buckets(&self, keep: Option<&SnapshotLayout>) -> Result<()> {
        let partition = self.store.keys.snapshot(HEADER).pk;
        let query = self.store.range(QuerySource::Items, &partition, &KeyRange::All);
        let query = query.projection_expression("#pk, #key").expression_attribute_names("#key", SK);
        let items = self.store.items(query, usize::MAX).await?;
        let stale = items.iter().map(|item| ItemReader::new(item).key()).filter(|key| {
            let is_kept = keep.is_some_and(|layout| is_of(&layout.generation, key));
            !is_kept && key.sk != HEADER && !is_mark(key)
        });
        self.write_all(stale.map(ItemWrite::delete)).await
    }

    async fn write_all(&self, mut writes: impl Iterator<Item = ItemWrite>) -> Result<()> {
        let chunks: Vec<Vec<_>> = iter::from_fn(|| {
            let chunk: Vec<_> = writes.by_ref().take(WRITE_CHUNK).collect();
            (!chunk.is_empty()).then_some(chunk)
        })
        .collect();
        let sent = stream::iter(chunks).map(|chunk| async move { self.store.write_chunk(&chunk).await });
        sent.buffer_unordered(CONCURRENCY).try_collect::<()>().await
    }
}

fn is_of(generation: &str, key: &ItemKey) -> bool {
    key.sk.strip_prefix(generation).is_some_and(|rest| rest.starts_with('#'))
}
