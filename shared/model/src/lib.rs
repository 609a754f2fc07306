//! Plain values that every part of the provisioner shares: entries, desired users, accounts and user records.
//! No I/O, no clock, no configuration.
//!
//! Three values are proofs, and only one crate may make each of them: [`CompleteRead`] (made by `directory`),
//! [`OwnedAccount`] (made by `store`) and [`GoneAccount`] (made by `scim`). The lints in `clippy.toml` refuse any other caller of their constructors.

mod account;
mod anchor;
mod applied;
mod attribute;
mod complete_read;
mod digest;
mod dn;
mod entry;
mod fingerprint;
mod freshness;
mod options;
mod record;
mod safeguard;
mod system_reason;
mod target_identity;
mod user;

pub use account::{Account, AccountId, AccountMatch, GoneAccount, MatchedAccount, OwnedAccount};
pub use anchor::{Anchor, AnchorHash, InvalidAnchor};
pub use applied::{AppliedChanges, AppliedState, AttributeHash, PreviousValue};
pub use attribute::{TargetAttribute, Value, ValueKind};
pub use complete_read::{CompleteRead, IncompleteRead, ReadEvidence, result_meaning};
pub use dn::{DnKey, cn_of};
pub use entry::{Attributes, Entry};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use freshness::{DoubtfulRead, Freshness, FreshnessDoubt, FreshnessMark, FreshnessProof, RemovalSet};
pub use options::{Options, RemoveAction};
pub use record::{
    AccountLink, CreateIntent, DisabledOption, HoldReason, ScanVersion, Status, UnixSeconds, UserRecord,
};
pub use safeguard::{
    ChangeApproval, HeldChanges, HeldEffect, HeldRemovals, HoldCause, LimitedEffect, ReleasedBatch,
    RemovalApproval, SafeguardMemory,
};
pub use system_reason::system_reason;
pub use target_identity::TargetIdentity;
pub use user::{DeprovisionReason, Desired, DesiredUser, InvalidUserName, Managed, UserName};
