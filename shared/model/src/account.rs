//! Accounts at the target.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TargetAttribute, UserName, Value};

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

/// How the account of a user was searched at the target, and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountMatch {
    /// The target was not asked: no account is linked and no name claims one, or the target can't be read.
    #[default]
    NotRead,
    /// The user has no account.
    NoAccount,
    /// The linked account.
    Linked,
    /// An account with the user name that is not linked to the user.
    SameUserName,
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
    /// Whether the account can sign in; `None` where the target's answer does not tell.
    pub active: Option<bool>,
    /// Values of the attributes that the dialect knows. An empty value is absent.
    pub attributes: BTreeMap<TargetAttribute, Value>,
    /// Whether the target allows deleting the account; `None` where it doesn't tell.
    pub can_delete: Option<bool>,
}

impl Account {
    /// Whether the account may be active. An account counts as active until the target says otherwise, so that a due
    /// deactivation is carried out.
    pub fn may_be_active(&self) -> bool {
        self.active != Some(false)
    }
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

/// Proof that an account has the name that it was asked for by. A link takes it, so that no other account becomes a
/// user's: not one that the target matched by another attribute, and not one with the same external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedAccount(AccountId);

impl MatchedAccount {
    /// The proof, if the answer shows the asked-for user name, compared without case, or the external id that replaces it.
    pub fn matching(asked: &UserName, account: &Account) -> Option<Self> {
        let is_same = match asked.external_id() {
            Some(id) => account.attributes.get(&"externalId".into()) == Some(&Value::Text(id.to_owned())),
            None => account.user_name.as_deref().is_some_and(|name| asked.is_spelled(name)),
        };
        is_same.then(|| Self(account.id.clone()))
    }

    /// The target's id.
    pub fn id(&self) -> &AccountId {
        &self.0
    }
}

/// Proof that an account no longer exists. The link to an account is dropped with nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneAccount(AccountId);

impl GoneAccount {
    /// Asserts that the target has shown the absence twice. `clippy.toml` refuses callers outside the SCIM client.
    pub fn verified(id: AccountId) -> Self {
        Self(id)
    }

    /// The target's id.
    pub fn id(&self) -> &AccountId {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(user_name: Option<&str>, external_id: Option<&str>) -> Account {
        let external_id = external_id.map(|id| ("externalId".into(), Value::Text(id.to_owned())));
        Account {
            id: AccountId::new("1").unwrap(),
            user_name: user_name.map(str::to_owned),
            active: Some(true),
            attributes: external_id.into_iter().collect(),
            can_delete: None,
        }
    }

    #[test]
    fn account_matches_by_the_asked_for_name_alone() {
        let (ada, seven) = (UserName::new("Ada@acme.test").unwrap(), UserName::external("7").unwrap());
        for (asked, account, expected) in [
            (&ada, account(Some("ada@ACME.test"), None), true),
            (&ada, account(Some(" ada@acme.test "), Some("8")), true),
            (&ada, account(Some("boss@acme.test"), Some("7")), false),
            (&ada, account(None, None), false),
            (&seven, account(Some("boss@acme.test"), Some("7")), true),
            (&seven, account(Some("externalId=7"), Some("8")), false),
            (&seven, account(None, None), false),
        ] {
            assert_eq!(MatchedAccount::matching(asked, &account).is_some(), expected, "{asked}: {account:?}");
        }
    }

    #[test]
    fn account_may_be_active_unless_the_target_says_otherwise() {
        let with = |active| Account { active, ..account(None, None) }.may_be_active();
        assert_eq!([Some(true), None, Some(false)].map(with), [true, true, false]);
    }
}
