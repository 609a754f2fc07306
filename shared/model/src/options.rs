//! Options that switch capabilities on and off.

use serde::{Deserialize, Serialize};

use crate::DeprovisionReason;

/// What deprovisioning does to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveAction {
    /// Deactivates the account, which can be reactivated later.
    #[default]
    Disable,
    /// Deletes the account; where the target refuses that, deactivates it.
    Delete,
}

/// Capabilities that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Scan and report only. Nothing is written to the target, whatever the other options say.
    pub observe: bool,
    /// Create accounts. Existing accounts are linked either way.
    pub create: bool,
    /// Update accounts. Reactivation needs this option too.
    pub update: bool,
    /// Deprovision accounts.
    pub deprovision: bool,
    /// Give each disabled user in scope an inactive account.
    pub provision_disabled: bool,
    /// What deprovisioning does.
    pub remove_action: RemoveAction,
    /// Days after which a deactivated account is deleted, unless its user has returned.
    pub delete_after_days: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            observe: false,
            create: true,
            update: true,
            deprovision: true,
            provision_disabled: false,
            remove_action: RemoveAction::Disable,
            delete_after_days: None,
        }
    }
}

impl Options {
    /// Whether accounts may be created.
    pub fn may_create(&self) -> bool {
        self.create && !self.observe
    }

    /// Whether accounts may be updated and reactivated.
    pub fn may_update(&self) -> bool {
        self.update && !self.observe
    }

    /// Whether accounts may be deprovisioned.
    pub fn may_deprovision(&self) -> bool {
        self.deprovision && !self.observe
    }

    /// What deprovisioning for this reason does. A disabled user keeps an inactive account where disabled users have one.
    pub fn removal(&self, reason: DeprovisionReason) -> RemoveAction {
        match reason {
            DeprovisionReason::Disabled if self.provision_disabled => RemoveAction::Disable,
            _ => self.remove_action,
        }
    }
}
