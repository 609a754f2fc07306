//! What the safety checks remember from one scan to the next, for a whole connection.

use serde::{Deserialize, Serialize};

use crate::{AnchorHash, DeprovisionReason, Fingerprint, Fingerprinter, ScanVersion, UnixSeconds};

/// What the safety checks remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SafeguardMemory {
    /// The removals that wait for a person, as the last scan left them.
    pub held: Option<HeldRemovals>,
    /// What a person has let through of them.
    pub approval: Option<RemovalApproval>,
    /// Removals that were released lately, the oldest first.
    pub released: Vec<ReleasedBatch>,
    /// The configuration that the accounts follow; `None` before the first scan has come to its end.
    pub configuration: Option<Fingerprint>,
    /// Another configuration that waits for a person.
    pub change: Option<HeldChange>,
    /// What a person has let through of it.
    pub change_approval: Option<ChangeApproval>,
}

/// The removals that wait for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRemovals {
    /// Stands for who waits, and why. An approval names it.
    pub hash: Fingerprint,
    /// How many wait.
    pub count: u64,
    /// The scan that said so. Whoever is held since a later one is not in the set.
    pub version: ScanVersion,
}

impl HeldRemovals {
    /// The set of those held, by whom and why; the order makes no difference.
    pub fn of(mut held: Vec<(AnchorHash, DeprovisionReason)>, version: ScanVersion) -> Option<Self> {
        if held.is_empty() {
            return None;
        }
        held.sort_unstable_by_key(|(hash, _)| *hash);
        let mut hash = Fingerprinter::new("provisioner 2026 held removals");
        for (anchor, departure) in &held {
            hash.bytes(&anchor.0);
            hash.text(departure.word());
        }
        Some(Self { hash: hash.finish(), count: held.len() as u64, version })
    }
}

/// A person's word that a held set may go. It is a ceiling: until it runs out, nobody else is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalApproval {
    /// Which set.
    pub set: HeldRemovals,
    /// Until when it holds.
    pub until: UnixSeconds,
}

/// Removals that one scan released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedBatch {
    /// When.
    pub at: UnixSeconds,
    /// How many.
    pub count: u64,
}

/// A configuration that would touch more users than may be touched unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChange {
    /// Stands for the configuration and these numbers. An approval names it.
    pub hash: Fingerprint,
    /// The configuration.
    pub configuration: Fingerprint,
    /// How many accounts it would bring up to date.
    pub updates: u64,
    /// How many it would make.
    pub creates: u64,
}

impl HeldChange {
    /// The change to this configuration, of this extent.
    pub fn of(configuration: Fingerprint, updates: u64, creates: u64) -> Self {
        let mut hash = Fingerprinter::new("provisioner 2026 held change");
        hash.bytes(&configuration.0);
        hash.bytes(&updates.to_le_bytes());
        hash.bytes(&creates.to_le_bytes());
        Self { hash: hash.finish(), configuration, updates, creates }
    }
}

/// A person's word that a configuration may be applied, to no more users than it was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeApproval {
    /// What was approved.
    pub change: HeldChange,
    /// Until when it holds.
    pub until: UnixSeconds,
}

impl SafeguardMemory {
    /// How many removals were released since then.
    pub fn released_since(&self, then: UnixSeconds) -> u64 {
        self.released.iter().filter(|batch| batch.at > then).map(|batch| batch.count).sum()
    }

    /// The approval of removals that holds now.
    pub fn approval_at(&self, now: UnixSeconds) -> Option<&RemovalApproval> {
        self.approval.as_ref().filter(|approval| now < approval.until)
    }

    /// The approval of this configuration that holds now.
    pub fn change_approval_at(
        &self,
        now: UnixSeconds,
        configuration: Fingerprint,
    ) -> Option<&ChangeApproval> {
        let fits = |approval: &&ChangeApproval| {
            now < approval.until && approval.change.configuration == configuration
        };
        self.change_approval.as_ref().filter(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: ScanVersion = ScanVersion(1);

    #[test]
    fn a_held_set_is_told_by_who_and_why_in_any_order() {
        let [a, b, c] = [1, 2, 3].map(|byte| AnchorHash([byte; 16]));
        let of = |who: Vec<_>| HeldRemovals::of(who, V).unwrap().hash;
        let set = of(vec![(a, DeprovisionReason::Deleted), (b, DeprovisionReason::OutOfScope)]);
        assert_eq!(set, of(vec![(b, DeprovisionReason::OutOfScope), (a, DeprovisionReason::Deleted)]));
        assert_ne!(
            set,
            of(vec![(b, DeprovisionReason::Deleted), (a, DeprovisionReason::Deleted)]),
            "another reason"
        );
        assert_ne!(
            set,
            of(vec![(a, DeprovisionReason::Deleted), (c, DeprovisionReason::OutOfScope)]),
            "somebody else"
        );
        assert_ne!(set, of(vec![(a, DeprovisionReason::Deleted)]), "fewer");
        assert_eq!(HeldRemovals::of(Vec::new(), V), None);
    }

    #[test]
    fn an_approval_runs_out() {
        let set = HeldRemovals::of(vec![(AnchorHash([1; 16]), DeprovisionReason::Deleted)], V).unwrap();
        let approval = RemovalApproval { set, until: UnixSeconds(100) };
        let memory = SafeguardMemory { approval: Some(approval), ..SafeguardMemory::default() };
        assert_eq!(memory.approval_at(UnixSeconds(99)), Some(&approval));
        assert_eq!(memory.approval_at(UnixSeconds(100)), None);
    }

    #[test]
    fn an_approved_configuration_is_not_another_one() {
        let [one, other] = [1, 2].map(|byte| Fingerprint([byte; 16]));
        let approval = ChangeApproval { change: HeldChange::of(one, 5, 0), until: UnixSeconds(100) };
        let memory = SafeguardMemory { change_approval: Some(approval), ..SafeguardMemory::default() };
        assert_eq!(memory.change_approval_at(UnixSeconds(99), one), Some(&approval));
        assert_eq!(memory.change_approval_at(UnixSeconds(99), other), None);
        assert_eq!(memory.change_approval_at(UnixSeconds(100), one), None);
        assert_ne!(HeldChange::of(one, 5, 0).hash, HeldChange::of(one, 6, 0).hash);
        assert_ne!(HeldChange::of(one, 5, 0).hash, HeldChange::of(other, 5, 0).hash);
    }

    #[test]
    fn what_an_older_build_left_behind_can_be_read() {
        let memory: SafeguardMemory = serde_json::from_str("{}").unwrap();
        assert_eq!(memory, SafeguardMemory::default());
    }
}
