//! Accounts at the target.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TargetAttribute, Value};

/// The target's id of an account, as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Takes the id that the target sent; `None` when it is empty.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        if id.is_empty() { None } else { Some(Self(id)) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account as the target shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The target's id.
    pub id: AccountId,
    /// User name, absent for accounts without one. Plain text, because a target may hold names that a [`UserName`]
    /// refuses.
    ///
    /// [`UserName`]: crate::UserName
    pub user_name: Option<String>,
    /// Whether the account can sign in.
    pub active: bool,
    /// Values of the attributes that the dialect knows. An empty value is absent.
    pub attributes: BTreeMap<TargetAttribute, Value>,
    /// Whether the target allows deleting the account; `None` where it doesn't tell.
    pub can_delete: Option<bool>,
}

/// An account with a stored link to an entry. Updates and removals name this type alone, so an account that was
/// never linked is never touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedAccount(AccountId);

impl OwnedAccount {
    /// Asserts that the link is stored. `clippy.toml` refuses callers outside the store.
    pub fn from_claim(id: AccountId) -> Self {
        Self(id)
    }

    /// The target's id.
    pub fn id(&self) -> &AccountId {
        &self.0
    }
}
