//! Comparison of a read with the snapshot of the last scan, entry by entry.

use std::collections::HashMap;

use model::{
    Anchor, AnchorHash, CompleteRead, DnKey, DoubtfulRead, Entry, Fingerprint, UnixSeconds, UserRecord,
};

use crate::entry_fingerprint::EntryFingerprints;
use crate::mapping::RecordedValues;
use crate::{Observation, UserRules, observe};

/// Compares the entries of a read with a snapshot. Its memory is one bit per known user and the fingerprints of new and
/// different entries, whatever the size of the directory.
pub struct SnapshotDiff<'a> {
    rules: &'a UserRules,
    fingerprints: EntryFingerprints<'a>,
    now: UnixSeconds,
    known: &'a [(AnchorHash, Fingerprint)],
    seen: Vec<bool>,
    /// Fingerprints of the entries that are new or different.
    changed: HashMap<AnchorHash, Fingerprint>,
}

/// The difference between an entry and the snapshot.
#[derive(Debug)]
pub enum EntryDiff {
    /// The entry is as in the last scan.
    Unchanged,
    /// The entry is new or different.
    Changed(Box<EntryChange>),
    /// The read contained this entry before.
    Repeated,
    /// The read contained another entry with this anchor.
    Duplicate(Anchor),
}

/// An entry that is new or different.
#[derive(Clone, Debug)]
pub struct EntryChange {
    /// Anchor of the entry.
    pub anchor: Anchor,
    /// Name of the entry.
    pub dn: DnKey,
    /// What the entry says about its user.
    pub observation: Observation,
    /// The fingerprint for the next snapshot.
    pub fingerprint: Fingerprint,
    /// The entry, where the record decides which of several values counts.
    pub ambiguous: Option<Box<Entry>>,
}

impl<'a> SnapshotDiff<'a> {
    /// Starts a comparison with a snapshot that is sorted by anchor hash.
    pub fn new(rules: &'a UserRules, known: &'a [(AnchorHash, Fingerprint)], now: UnixSeconds) -> Self {
        Self {
            rules,
            fingerprints: EntryFingerprints::new(rules, now),
            now,
            known,
            seen: vec![false; known.len()],
            changed: HashMap::new(),
        }
    }

    /// Compares the next entry.
    pub fn compare(&mut self, entry: &Entry) -> EntryDiff {
        let hash = entry.anchor.hash();
        let fingerprint = self.fingerprints.of(entry);
        let known = self.known_fingerprint(&hash);
        if self.has_seen(&hash) {
            let first = self.changed.get(&hash).copied().or(known);
            let is_same = first == Some(fingerprint);
            return if is_same { EntryDiff::Repeated } else { EntryDiff::Duplicate(entry.anchor.clone()) };
        }
        if let Some(seen) = self.position(&hash).and_then(|at| self.seen.get_mut(at)) {
            *seen = true;
        }
        if known == Some(fingerprint) {
            return EntryDiff::Unchanged;
        }
        self.changed.insert(hash, fingerprint);
        EntryDiff::Changed(Box::new(EntryChange {
            anchor: entry.anchor.clone(),
            dn: DnKey::of(&entry.dn),
            observation: observe(self.rules, entry, self.now, RecordedValues::default()),
            fingerprint,
            ambiguous: self.rules.mapping.has_choice(&entry.attributes).then(|| Box::new(entry.clone())),
        }))
    }

    /// Keeps the values of the record that are still among those of the entry.
    pub fn keep_recorded(&self, change: &mut EntryChange, record: Option<&UserRecord>) {
        if let Some((entry, record)) = change.ambiguous.as_ref().zip(record) {
            change.observation = observe(self.rules, entry, self.now, RecordedValues::of(record));
        }
    }

    /// Whether the read contained this user so far.
    pub fn has_seen(&self, hash: &AnchorHash) -> bool {
        let seen_known = self.position(hash).and_then(|at| self.seen.get(at).copied()).unwrap_or(false);
        seen_known || self.changed.contains_key(hash)
    }

    /// The user's fingerprint in the snapshot.
    pub fn known_fingerprint(&self, hash: &AnchorHash) -> Option<Fingerprint> {
        self.position(hash).and_then(|at| self.known.get(at)).map(|(_, fingerprint)| *fingerprint)
    }

    /// Number of users in the snapshot.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// Users of the snapshot that are missing from the read. Only a complete read proves that, and only for the users
    /// that it accounts for.
    pub fn departed(&self, proof: &CompleteRead) -> Vec<AnchorHash> {
        self.unseen().filter(|hash| proof.accounts_for(hash)).collect()
    }

    /// Users of the snapshot that a doubtful read did not show. They count as departed once the read is confirmed.
    pub fn doubtful(&self, _read: &DoubtfulRead) -> Vec<AnchorHash> {
        self.unseen().collect()
    }

    fn unseen(&self) -> impl Iterator<Item = AnchorHash> {
        let pairs = self.known.iter().zip(&self.seen);
        pairs.filter(|(_, seen)| !**seen).map(|((hash, _), _)| *hash)
    }

    fn position(&self, hash: &AnchorHash) -> Option<usize> {
        self.known.binary_search_by_key(hash, |(known, _)| *known).ok()
    }
}

#[cfg(test)]
mod tests;
