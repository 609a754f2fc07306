//! What the safeguard of a connection remembers from one scan to the next.

use serde::{Deserialize, Serialize};

use crate::{
    AnchorHash, DeprovisionReason, Fingerprint, Fingerprinter, HoldReason, ScanVersion, Status,
    TargetAttribute, UnixSeconds, UserRecord,
};

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
    /// Changes that wait for an approval.
    pub changes: Option<HeldChanges>,
    /// Approval of held changes.
    pub change_approval: Option<ChangeApproval>,
}

/// The set of removals that wait for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRemovals {
    /// Hash of the users and their reasons. An approval names it.
    pub hash: Fingerprint,
    /// Number of removals.
    pub count: u64,
    /// Number of these users that are out of scope; the others are disabled.
    pub out_of_scope: u64,
    /// Why they wait.
    pub cause: HoldCause,
    /// The scan that held them. A removal that a later scan holds is not in the set.
    pub version: ScanVersion,
}

/// Why the removals of one scan wait for an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// One scan has more removals than `max_removals`.
    Scan {
        /// The limit.
        limit: u64,
    },
    /// One scan removes a larger share of the accounts than `max_removal_percent`.
    ScanShare {
        /// Active linked accounts.
        accounts: u64,
        /// The limit in percent.
        limit: u64,
    },
    /// A day has more removals than `max_removals_per_day`.
    Day {
        /// Removals that were released within a day.
        released: u64,
        /// The limit.
        limit: u64,
    },
    /// A day removes a larger share of the accounts than follows from `max_removal_percent`.
    DayShare {
        /// Removals that were released within a day.
        released: u64,
        /// Active linked accounts, before these removals.
        accounts: u64,
        /// The limit in percent.
        limit: u64,
    },
    /// The read shows none of the known users, but others.
    OtherDirectory,
    /// An approval covers other removals and not these.
    OutsideApproval,
    /// The accounts were linked and never written.
    NeverWritten,
}

impl HeldRemovals {
    /// The set of these users and reasons, in any order; `None` when it is empty.
    pub fn of(
        mut held: Vec<(AnchorHash, DeprovisionReason)>,
        cause: HoldCause,
        version: ScanVersion,
    ) -> Option<Self> {
        if held.is_empty() {
            return None;
        }
        let out_of_scope = held.iter().filter(|(_, reason)| !reason.is_in_scope()).count() as u64;
        held.sort_unstable_by_key(|(hash, _)| *hash);
        let mut hash = Fingerprinter::new("provisioner 2026 held removals");
        for (anchor, reason) in &held {
            hash.bytes(&anchor.0);
            hash.text(reason.word());
        }
        Some(Self { hash: hash.finish(), count: held.len() as u64, out_of_scope, cause, version })
    }
}

/// Approval of a held set. Until it expires, no removal outside the set is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalApproval {
    /// The approved set.
    pub set: HeldRemovals,
    /// The approver's name.
    pub by: String,
    /// When the approval expires.
    pub until: UnixSeconds,
}

impl RemovalApproval {
    /// Whether the removal of this record was in the approved set: it is held by the scan that named the set, or by an
    /// earlier one.
    pub fn covers(&self, record: &UserRecord) -> bool {
        let needs_approval = matches!(
            record.status,
            Status::Held { hold: HoldReason::OverLimit | HoldReason::NeverWritten, .. }
        );
        needs_approval && record.version <= self.set.version
    }
}

/// Removals that one scan released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedBatch {
    /// Time of the release.
    pub at: UnixSeconds,
    /// Number of removals.
    pub count: u64,
}

/// An effect of a plan on an account that a limit counts. Removals have separate limits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedEffect {
    /// An account is created, linked or updated before any configuration was followed.
    FirstLoad,
    /// An account is created under a changed configuration.
    ConfiguredCreate,
    /// An account is updated under a changed configuration.
    ConfiguredUpdate,
    /// The user name of an account changes.
    Rename,
    /// An inactive account becomes active.
    Reactivation,
    /// An account or a user name passes from an entry that is gone or out of scope to another entry.
    Transfer,
    /// The same, from an entry that is only disabled.
    TransferFromDisabled,
    /// The link to an account that is gone from the target is dropped, so that another account may be created.
    LinkDrop,
    /// An attribute of an account is emptied.
    Clear(TargetAttribute),
    /// An attribute of an account gets another value.
    Change(TargetAttribute),
}

impl LimitedEffect {
    /// Key of the limit in `[safety]`; `None` for an effect that always needs an approval.
    pub fn limit_key(&self) -> Option<&'static str> {
        match self {
            Self::FirstLoad => Some("max_first_load"),
            Self::ConfiguredCreate | Self::ConfiguredUpdate => Some("max_changes"),
            Self::Rename => Some("max_renames"),
            Self::Reactivation => Some("max_reactivations"),
            Self::Transfer => Some("max_transfers"),
            Self::TransferFromDisabled => None,
            Self::LinkDrop => Some("max_link_drops"),
            Self::Clear(_) | Self::Change(_) => Some("max_attribute_percent"),
        }
    }

    /// Whether the effect follows from a new or changed configuration.
    pub fn is_configured(&self) -> bool {
        matches!(self, Self::FirstLoad | Self::ConfiguredCreate | Self::ConfiguredUpdate)
    }

    /// Whether the effect is counted as a part of all known users.
    pub fn is_of_users(&self) -> bool {
        matches!(self, Self::ConfiguredUpdate | Self::Rename | Self::Clear(_) | Self::Change(_))
    }

    /// A single word for the effect.
    pub fn word(&self) -> &'static str {
        match self {
            Self::FirstLoad => "first_load",
            Self::ConfiguredCreate => "configured_create",
            Self::ConfiguredUpdate => "configured_update",
            Self::Rename => "rename",
            Self::Reactivation => "reactivation",
            Self::Transfer => "transfer",
            Self::TransferFromDisabled => "transfer_from_disabled",
            Self::LinkDrop => "link_drop",
            Self::Clear(_) => "clear",
            Self::Change(_) => "change",
        }
    }

    /// The attribute that is cleared or changed.
    pub fn attribute(&self) -> Option<&TargetAttribute> {
        match self {
            Self::Clear(attribute) | Self::Change(attribute) => Some(attribute),
            _ => None,
        }
    }
}

/// An effect that more users would have than its limit allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldEffect {
    /// The effect.
    pub effect: LimitedEffect,
    /// Users with this effect in one scan.
    pub count: u64,
    /// Users up to which the effect needs no approval.
    pub limit: u64,
}

/// Changes that wait for an approval, as counts by effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChanges {
    /// Hash of the configuration and the counts. An approval names it.
    pub hash: Fingerprint,
    /// The configuration under which they were planned.
    pub configuration: Fingerprint,
    /// Users that the last scan saw.
    pub users: u64,
    /// The effects above their limits, in order.
    pub effects: Vec<HeldEffect>,
}

impl HeldChanges {
    /// The changes under this configuration with these effects; `None` without an effect.
    pub fn of(configuration: Fingerprint, users: u64, effects: Vec<HeldEffect>) -> Option<Self> {
        if effects.is_empty() {
            return None;
        }
        let mut hash = Fingerprinter::new("provisioner 2026 held changes");
        hash.bytes(&configuration.0);
        for HeldEffect { effect, count, limit: _ } in &effects {
            hash.text(effect.word());
            effect.attribute().into_iter().for_each(|attribute| hash.text(attribute.as_str()));
            hash.number(*count);
        }
        Some(Self { hash: hash.finish(), configuration, users, effects })
    }

    /// Number of users with this effect; 0 if the effect is within its limit.
    pub fn count(&self, effect: &LimitedEffect) -> u64 {
        self.effects.iter().find(|held| held.effect == *effect).map_or(0, |held| held.count)
    }
}

/// Approval of held changes, up to the count of each effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeApproval {
    /// The approved changes.
    pub changes: HeldChanges,
    /// The approver's name.
    pub by: String,
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

    /// The approval of changes under this configuration that is valid at `now`.
    pub fn change_approval_at(
        &self,
        now: UnixSeconds,
        configuration: Fingerprint,
    ) -> Option<&ChangeApproval> {
        let is_valid = |approval: &&ChangeApproval| {
            now < approval.until && approval.changes.configuration == configuration
        };
        self.change_approval.as_ref().filter(is_valid)
    }
}

#[cfg(test)]
mod tests {
    use DeprovisionReason::{Deleted, Disabled, OutOfScope};

    use super::*;

    const VERSION: ScanVersion = ScanVersion(1);
    const OVER: HoldCause = HoldCause::Scan { limit: 1 };

    #[test]
    fn held_set_is_identified_by_users_and_reasons_in_any_order() {
        let [a, b, c] = [1, 2, 3].map(|byte| AnchorHash([byte; 16]));
        let of = |held: Vec<_>| HeldRemovals::of(held, OVER, VERSION).unwrap().hash;
        let set = of(vec![(a, Deleted), (b, OutOfScope)]);
        assert_eq!(set, of(vec![(b, OutOfScope), (a, Deleted)]));
        assert_ne!(set, of(vec![(b, Deleted), (a, Deleted)]), "another reason");
        assert_ne!(set, of(vec![(a, Deleted), (c, OutOfScope)]), "another user");
        assert_ne!(set, of(vec![(a, Deleted)]), "fewer users");
        let disabled = HeldRemovals::of(vec![(a, Deleted), (b, Disabled)], OVER, VERSION).unwrap();
        assert_eq!((disabled.count, disabled.out_of_scope), (2, 1));
        assert_eq!(HeldRemovals::of(Vec::new(), OVER, VERSION), None);
    }

    #[test]
    fn removal_approval_expires() {
        let set = HeldRemovals::of(vec![(AnchorHash([1; 16]), Deleted)], OVER, VERSION).unwrap();
        let approval = RemovalApproval { set, by: "root".to_owned(), until: UnixSeconds(100) };
        let memory = SafeguardMemory { approval: Some(approval.clone()), ..SafeguardMemory::default() };
        assert_eq!(memory.approval_at(UnixSeconds(99)), Some(&approval));
        assert_eq!(memory.approval_at(UnixSeconds(100)), None);
    }

    fn renames(configuration: Fingerprint, count: u64) -> HeldChanges {
        let effect = HeldEffect { effect: LimitedEffect::Rename, count, limit: 25 };
        HeldChanges::of(configuration, 120, vec![effect]).unwrap()
    }

    #[test]
    fn change_approval_covers_one_configuration_until_it_expires() {
        let [one, other] = [1, 2].map(|byte| Fingerprint([byte; 16]));
        let approval =
            ChangeApproval { changes: renames(one, 30), by: "root".to_owned(), until: UnixSeconds(100) };
        let memory =
            SafeguardMemory { change_approval: Some(approval.clone()), ..SafeguardMemory::default() };
        assert_eq!(memory.change_approval_at(UnixSeconds(99), one), Some(&approval));
        assert_eq!(memory.change_approval_at(UnixSeconds(99), other), None);
        assert_eq!(memory.change_approval_at(UnixSeconds(100), one), None);
    }

    #[test]
    fn held_changes_are_identified_by_configuration_effects_and_counts() {
        let [one, other] = [1, 2].map(|byte| Fingerprint([byte; 16]));
        let held = renames(one, 30);
        assert_ne!(held.hash, renames(one, 31).hash, "another count");
        assert_ne!(held.hash, renames(other, 30).hash, "another configuration");
        let of =
            |effect| HeldChanges::of(one, 120, vec![HeldEffect { effect, count: 30, limit: 25 }]).unwrap();
        let title = TargetAttribute::from("title");
        assert_ne!(of(LimitedEffect::Clear(title.clone())).hash, of(LimitedEffect::Change(title)).hash);
        assert_ne!(held.hash, of(LimitedEffect::Reactivation).hash, "another effect");
        assert_eq!((held.count(&LimitedEffect::Rename), held.count(&LimitedEffect::Transfer)), (30, 0));
        assert_eq!(HeldChanges::of(one, 120, Vec::new()), None);
    }

    /// The key of the state is JSON, and an effect with an attribute is part of it.
    #[test]
    fn held_changes_are_read_back() {
        let cleared = HeldEffect { effect: LimitedEffect::Clear("title".into()), count: 60, limit: 24 };
        let held = HeldChanges::of(Fingerprint([1; 16]), 60, vec![cleared]).unwrap();
        let stored = serde_json::to_string(&held).unwrap();
        assert_eq!(serde_json::from_str::<HeldChanges>(&stored).unwrap(), held);
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
