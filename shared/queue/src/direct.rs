//! Direct invocation of the provision function, for one user.

use model::{Anchor, DeprovisionReason, Desired, Fingerprint, LimitedEffect};
use serde::{Deserialize, Serialize};

/// The event of a direct invocation: `{"connection": "corp", "anchor": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectRequest {
    /// The connection's name; optional where only one connection is deployed.
    pub connection: Option<String>,
    /// The user's directory entry.
    pub anchor: Anchor,
    /// Explains only; nothing is written.
    #[serde(default)]
    pub dry_run: bool,
    /// The entry as the scan function has just read it. Without it, the record alone counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryState>,
}

/// Facts about an entry that the account side of an explanation needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryState {
    /// Why the user has no entry in scope; `None` for an entry in scope.
    pub left: Option<DeprovisionReason>,
    /// The desired user, if the entry is in scope and can be mapped.
    pub desired: Option<Desired>,
    /// What a scan would have done to the account; `None` for nothing.
    pub update: Option<PlannedUpdate>,
}

/// A creation or update that a scan would plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedUpdate {
    /// Fingerprint of the configuration.
    pub configuration: Fingerprint,
    /// Effects on the account that a limit counts.
    pub effects: Vec<LimitedEffect>,
}
