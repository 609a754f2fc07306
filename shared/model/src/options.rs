//! The administrator's switches.

use serde::{Deserialize, Serialize};

/// What deprovisioning does to an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoveAction {
    /// The account is made inactive and can come back.
    #[default]
    Disable,
    /// The account is deleted; where the target refuses that, it is made inactive.
    Delete,
}

/// Which capabilities are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Accounts are created. Linking to existing ones happens either way.
    pub create: bool,
    /// Accounts are updated; reactivating one needs this too.
    pub update: bool,
    /// Accounts are deprovisioned.
    pub deprovision: bool,
    /// A disabled user in scope gets an inactive account.
    pub provision_disabled: bool,
    /// What deprovisioning does.
    pub remove_action: RemoveAction,
    /// An account that deprovisioning has made inactive is deleted so many days later, unless its user is back.
    pub delete_after_days: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            update: true,
            deprovision: true,
            provision_disabled: false,
            remove_action: RemoveAction::Disable,
            delete_after_days: None,
        }
    }
}
