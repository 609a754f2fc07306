//! What the target holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TargetAttribute, Value};

/// A target's id of an account, kept as text whatever it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// Takes an id as the target gave it; `None` when it is empty.
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
    /// The user name, absent for accounts without e-mail. Text rather than a `UserName`, because a target may
    /// hold what we would never send.
    pub user_name: Option<String>,
    /// Whether the person can sign in.
    pub active: bool,
    /// The values of those attributes that the dialect knows; an empty value is not there.
    pub attributes: BTreeMap<TargetAttribute, Value>,
    /// Whether the target says that the account may be deleted; `None` where it doesn't say.
    pub can_delete: Option<bool>,
}

/// An account that is ours: it is linked to an entry, and the link is written down. Nothing else can be named in
/// an update or a removal, so an account that was never linked can't be touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedAccount(AccountId);

impl OwnedAccount {
    /// Says that the link is written down. Only the store can know that; `clippy.toml` refuses other callers.
    pub fn from_claim(id: AccountId) -> Self {
        Self(id)
    }

    /// Which account it is.
    pub fn id(&self) -> &AccountId {
        &self.0
    }
}
