//! Dirty markers: users that a scan is about to write, stored beside the snapshot before the records.
//!
//! If the scan dies, the next one treats these users as dirty: it reads their records again, whatever the directory
//! says by then, and notices which of them are missing. A marker is one small item for a page of users, however many
//! buckets they are spread over. Saving the snapshot replaces the markers.

use std::collections::HashSet;

use model::{AnchorHash, Fingerprint, ScanVersion};

use crate::Store;
use crate::errors::Result;
use crate::item::{ItemReader, bytes};
use crate::keys::{HEADER, ItemKey, SK};
use crate::query::{KeyRange, QuerySource};
use crate::write::ItemWrite;

/// Fingerprint of a dirty user; equals no entry's, so the record is examined again.
pub const DIRTY: Fingerprint = Fingerprint([0; 16]);

const HASHES: &str = "hashes";
/// Prefix of the sort keys of markers. Generations begin with a digit.
const PREFIX: &str = "mark#";
const HASH: usize = 16;
/// Users in one item: 64 KB of at most 400 KB.
const USERS: usize = 4_096;

/// Stored dirty markers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DirtyMarkers {
    items: Vec<String>,
    hashes: HashSet<AnchorHash>,
}

impl DirtyMarkers {
    pub fn contain(&self, hash: &AnchorHash) -> bool {
        self.hashes.contains(hash)
    }

    pub fn hashes(&self) -> impl Iterator<Item = &AnchorHash> {
        self.hashes.iter()
    }

    /// Sort keys of the markers' items.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(String::as_str)
    }
}

pub(crate) fn is_mark(key: &ItemKey) -> bool {
    key.sk.starts_with(PREFIX)
}

impl Store {
    /// Stores markers of these users.
    pub(crate) async fn add_marks(
        &self,
        marks: &mut DirtyMarkers,
        version: ScanVersion,
        users: &[AnchorHash],
    ) -> Result<()> {
        for users in users.chunks(USERS) {
            let sk = format!("{PREFIX}{:012}#{:06}", version.0, marks.items.len());
            let packed: Vec<u8> = users.iter().flat_map(|hash| hash.0).collect();
            self.commit(&[ItemWrite::put(self.keys.snapshot(&sk)).set(HASHES, bytes(packed))]).await?;
            marks.items.push(sk);
            marks.hashes.extend(users);
        }
        Ok(())
    }

    pub(crate) async fn fetch_marks(&self) -> Result<DirtyMarkers> {
        let partition = self.keys.snapshot(HEADER).pk;
        let part = KeyRange::Prefix(PREFIX.to_owned());
        let mut marks = DirtyMarkers::default();
        for item in self.items(self.range(QuerySource::Items, &partition, &part), usize::MAX).await? {
            let read = ItemReader::new(&item);
            let (hashes, rest) = read.required(HASHES, read.bytes(HASHES)?)?.as_chunks::<HASH>();
            if !rest.is_empty() {
                return Err(read.wrong(HASHES, "holds no users' hashes"));
            }
            marks.hashes.extend(hashes.iter().map(|hash| AnchorHash(*hash)));
            marks.items.push(read.required(SK, read.text(SK)?)?.to_owned());
        }
        Ok(marks)
    }
}
