//! What the safeguard of a connection remembers from one scan to the next.

use serde::{Deserialize, Serialize};

use crate::{AnchorHash, DeprovisionReason, Fingerprint, Fingerprinter, ScanVersion, UnixSeconds};

/// The safeguard's memory, stored once per connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SafeguardMemory {
    /// Removals that wait for an approval, as of the last scan.
    pub held: Option<HeldRemovals>,
    /// Approval of held removals.
    pub approval: Option<RemovalApproval>,
    /// Removals that were released recently, oldest first.
    pub released: Vec<ReleasedBatch>,
    /// The configuration that the accounts follow; `None` before the end of the first scan.
    pub configuration: Option<Fingerprint>,
    /// A changed configuration that waits for an approval.
    pub change: Option<HeldChange>,
    /// Approval of a changed configuration.
    pub change_approval: Option<ChangeApproval>,
}

/// The set of removals that wait for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRemovals {
    /// Hash of the users and their reasons. An approval names it.
    pub hash: Fingerprint,
    /// Number of removals.
    pub count: u64,
    /// The scan that held them. A removal that a later scan holds is not in the set.
    pub version: ScanVersion,
}

impl HeldRemovals {
    /// The set of these users and reasons, in any order; `None` when it is empty.
    pub fn of(mut held: Vec<(AnchorHash, DeprovisionReason)>, version: ScanVersion) -> Option<Self> {
        if held.is_empty() {
            return None;
        }
        held.sort_unstable_by_key(|(hash, _)| *hash);
        let mut hash = Fingerprinter::new("provisioner 2026 held removals");
        for (anchor, reason) in &held {
            hash.bytes(&anchor.0);
            hash.text(reason.word());
        }
        Some(Self { hash: hash.finish(), count: held.len() as u64, version })
    }
}

/// Approval of a held set. Until it expires, no removal outside the set is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalApproval {
    /// The approved set.
    pub set: HeldRemovals,
    /// When the approval expires.
    pub until: UnixSeconds,
}

/// Removals that one scan released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedBatch {
    /// Time of the release.
    pub at: UnixSeconds,
    /// Number of removals.
    pub count: u64,
}

/// A changed configuration that would change more accounts than the limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChange {
    /// Hash of the configuration and the two numbers. An approval names it.
    pub hash: Fingerprint,
    /// The configuration.
    pub configuration: Fingerprint,
    /// Number of accounts that it would update.
    pub updates: u64,
    /// Number of accounts that it would create.
    pub creates: u64,
}

impl HeldChange {
    /// The change to this configuration with these effects.
    pub fn of(configuration: Fingerprint, updates: u64, creates: u64) -> Self {
        let mut hash = Fingerprinter::new("provisioner 2026 held change");
        hash.bytes(&configuration.0);
        hash.number(updates);
        hash.number(creates);
        Self { hash: hash.finish(), configuration, updates, creates }
    }
}

/// Approval of a changed configuration, up to the numbers that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeApproval {
    /// The approved change.
    pub change: HeldChange,
    /// When the approval expires.
    pub until: UnixSeconds,
}

impl SafeguardMemory {
    /// Number of removals that were released after `then`.
    pub fn released_since(&self, then: UnixSeconds) -> u64 {
        self.released.iter().filter(|batch| batch.at > then).map(|batch| batch.count).sum()
    }

    /// The approval of removals that is valid at `now`.
    pub fn approval_at(&self, now: UnixSeconds) -> Option<&RemovalApproval> {
        self.approval.as_ref().filter(|approval| now < approval.until)
    }

    /// The approval of this configuration that is valid at `now`.
    pub fn change_approval_at(
        &self,
        now: UnixSeconds,
        configuration: Fingerprint,
    ) -> Option<&ChangeApproval> {
        let is_valid = |approval: &&ChangeApproval| {
            now < approval.until && approval.change.configuration == configuration
        };
        self.change_approval.as_ref().filter(is_valid)
    }
}

#[cfg(test)]
mod tests {
    use DeprovisionReason::{Deleted, OutOfScope};

    use super::*;

    const VERSION: ScanVersion = ScanVersion(1);

    #[test]
    fn held_set_is_identified_by_users_and_reasons_in_any_order() {
        let [a, b, c] = [1, 2, 3].map(|byte| AnchorHash([byte; 16]));
        let of = |held: Vec<_>| HeldRemovals::of(held, VERSION).unwrap().hash;
        let set = of(vec![(a, Deleted), (b, OutOfScope)]);
        assert_eq!(set, of(vec![(b, OutOfScope), (a, Deleted)]));
        assert_ne!(set, of(vec![(b, Deleted), (a, Deleted)]), "another reason");
        assert_ne!(set, of(vec![(a, Deleted), (c, OutOfScope)]), "another user");
        assert_ne!(set, of(vec![(a, Deleted)]), "fewer users");
        assert_eq!(HeldRemovals::of(vec![(a, Deleted), (b, Deleted)], VERSION).unwrap().count, 2);
        assert_eq!(HeldRemovals::of(Vec::new(), VERSION), None);
    }

    #[test]
    fn removal_approval_expires() {
        let set = HeldRemovals::of(vec![(AnchorHash([1; 16]), Deleted)], VERSION).unwrap();
        let approval = RemovalApproval { set, until: UnixSeconds(100) };
        let memory = SafeguardMemory { approval: Some(approval), ..SafeguardMemory::default() };
        assert_eq!(memory.approval_at(UnixSeconds(99)), Some(&approval));
        assert_eq!(memory.approval_at(UnixSeconds(100)), None);
    }

    #[test]
    fn change_approval_covers_one_configuration_until_it_expires() {
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
    fn releases_count_after_a_moment() {
        let batch = |at, count| ReleasedBatch { at: UnixSeconds(at), count };
        let released = vec![batch(10, 1), batch(20, 2), batch(30, 4)];
        let memory = SafeguardMemory { released, ..SafeguardMemory::default() };
        assert_eq!(memory.released_since(UnixSeconds(10)), 6);
        assert_eq!(memory.released_since(UnixSeconds(30)), 0);
    }

    #[test]
    fn missing_fields_have_defaults() {
        let memory: SafeguardMemory = serde_json::from_str("{}").unwrap();
        assert_eq!(memory, SafeguardMemory::default());
    }
}
