//! A connection after its checks.

use std::collections::BTreeSet;

use model::{Options, TargetAttribute, TargetIdentity};
use store::{Store, Table};

/// A connection: one directory, one target and the configured decisions.
///
/// The sections of the directory and the target are fields in programs that use them.
#[derive(Debug)]
pub struct Connection {
    /// Name of the connection; keys the stored state.
    pub name: String,
    /// Identity of the target; the stored state belongs to one target alone.
    pub identity: TargetIdentity,
    /// Capabilities that are on.
    pub options: Options,
    /// Target attributes with masked values.
    pub masked: BTreeSet<TargetAttribute>,
    /// Links to accounts that are gone, dropped within a day without an approval.
    pub max_link_drops: u64,
    /// Configured decisions about users, for scans.
    #[cfg(feature = "directory")]
    pub policy: plan::Policy,
    /// Settings of the directory.
    #[cfg(feature = "directory")]
    pub directory: super::DirectorySettings,
    /// Settings of the target.
    #[cfg(feature = "scim")]
    pub target: super::TargetSettings,
    pub(super) left_days: u32,
    pub(super) history_days: u32,
}

impl Connection {
    /// The state of this connection in the table.
    pub fn store(&self, table: &Table) -> Store {
        table.connection(&self.name).with_retention_days(self.left_days).with_history_days(self.history_days)
    }
}
