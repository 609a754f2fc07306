//! Direct invocation of the provision function, for one user.

use model::{Anchor, Desired, Fingerprint};
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryState {
    /// Whether the entry exists and is in scope.
    pub in_scope: bool,
    /// The desired user, if the entry is in scope and can be mapped.
    pub desired: Option<Desired>,
    /// Fingerprint of the configuration under which a scan would have the account created or updated; `None` if it would
    /// not.
    pub updated_under: Option<Fingerprint>,
}
