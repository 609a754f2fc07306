//! What changed since the last scan, entry by entry as they stream by.

use std::collections::HashSet;

use model::{Anchor, AnchorHash, CompleteRead, DnKey, Entry, Fingerprint, UnixSeconds};

use crate::look::EntryFingerprints;
use crate::{Observation, UserRules, observe};

/// Compares a stream of entries with the snapshot of the last scan. It holds one bit per known user and the
/// hashes of new ones, whatever the directory's size.
pub struct SnapshotDiff<'a> {
    rules: &'a UserRules,
    looks: EntryFingerprints<'a>,
    now: UnixSeconds,
    known: &'a [(AnchorHash, Fingerprint)],
    seen: Vec<bool>,
    newcomers: HashSet<AnchorHash>,
}

/// What the planner makes of one entry.
#[derive(Debug)]
pub enum EntryDiff {
    /// As at the last scan: nothing to read, nothing to write.
    Unchanged,
    /// New or different.
    Changed(Box<EntryChange>),
    /// The same anchor came before in this read; the first time counts.
    Duplicate(Anchor),
}

/// An entry that is new or different.
#[derive(Clone, Debug)]
pub struct EntryChange {
    /// The entry.
    pub anchor: Anchor,
    /// Where it is.
    pub dn: DnKey,
    /// What it says.
    pub observation: Observation,
    /// What the next snapshot holds once this is dealt with.
    pub fingerprint: Fingerprint,
}

impl<'a> SnapshotDiff<'a> {
    /// Starts with the last scan's snapshot, sorted by anchor hash, at a moment.
    pub fn new(rules: &'a UserRules, known: &'a [(AnchorHash, Fingerprint)], now: UnixSeconds) -> Self {
        Self {
            rules,
            looks: EntryFingerprints::new(rules, now),
            now,
            known,
            seen: vec![false; known.len()],
            newcomers: HashSet::new(),
        }
    }

    /// Looks at the next entry.
    pub fn look_at(&mut self, entry: &Entry) -> EntryDiff {
        let hash = entry.anchor.hash();
        let known = match self.position(&hash) {
            Some(at) => {
                let first_time = self.seen.get_mut(at).is_some_and(|seen| !std::mem::replace(seen, true));
                if !first_time {
                    return EntryDiff::Duplicate(entry.anchor.clone());
                }
                self.known.get(at).map(|(_, fingerprint)| *fingerprint)
            }
            None if !self.newcomers.insert(hash) => return EntryDiff::Duplicate(entry.anchor.clone()),
            None => None,
        };
        let fingerprint = self.looks.of(entry);
        if known == Some(fingerprint) {
            return EntryDiff::Unchanged;
        }
        EntryDiff::Changed(Box::new(EntryChange {
            anchor: entry.anchor.clone(),
            dn: DnKey::of(&entry.dn),
            observation: observe(self.rules, entry, self.now),
            fingerprint,
        }))
    }

    /// Whether this user was in scope in this read.
    pub fn has_seen(&self, hash: &AnchorHash) -> bool {
        let seen_known = self.position(hash).and_then(|at| self.seen.get(at).copied()).unwrap_or(false);
        seen_known || self.newcomers.contains(hash)
    }

    /// How many were there at the last scan.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Who was there at the last scan and is not any more. Only a complete read can tell, and only about those for whom
    /// it accounts.
    pub fn departed(&self, proof: &CompleteRead) -> Vec<AnchorHash> {
        let pairs = self.known.iter().zip(&self.seen);
        let unseen = pairs.filter(|(_, seen)| !**seen).map(|((hash, _), _)| *hash);
        unseen.filter(|hash| proof.accounts_for(hash)).collect()
    }

    fn position(&self, hash: &AnchorHash) -> Option<usize> {
        self.known.binary_search_by_key(hash, |(known, _)| *known).ok()
    }
}
