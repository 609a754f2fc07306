//! What the directory says that a user should be.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, Fingerprinter, TargetAttribute, Value};

/// The name by which accounts are matched. It keeps its spelling and compares without case.
///
/// Somebody without an e-mail address may have none. Where the target allows that, the `externalId` stands in, marked by a
/// prefix that no user name has; it compares with case, as external ids do (RFC 7643, 3.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

/// Why a value can't be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// Nothing is left after trimming.
    #[error("userName is empty")]
    Empty,
    /// It would be taken for an external id.
    #[error("userName begins with {prefix}, which marks an external id", prefix = UserName::EXTERNAL)]
    Marked,
    /// Longer than any target takes.
    #[error("userName has {0} bytes, more than the {max} that are allowed", max = UserName::MAX_BYTES)]
    TooLong(usize),
}

impl UserName {
    /// The longest user name taken, in bytes: an e-mail address has at most 254.
    pub const MAX_BYTES: usize = 320;

    /// What marks an external id that stands in for a user name.
    const EXTERNAL: &str = "externalId=";

    /// Takes a mapped external id in place of a name.
    pub fn external(id: &str) -> Result<Self, InvalidUserName> {
        let name = Self::new(&format!("{}{}", Self::EXTERNAL, id.trim()))?;
        if name.external_id() == Some("") { Err(InvalidUserName::Empty) } else { Ok(name) }
    }

    /// The external id, where that stands in for a name.
    pub fn external_id(&self) -> Option<&str> {
        self.0.strip_prefix(Self::EXTERNAL)
    }

    /// Takes a mapped name.
    pub fn named(text: &str) -> Result<Self, InvalidUserName> {
        let name = Self::new(text)?;
        if name.external_id().is_some() { Err(InvalidUserName::Marked) } else { Ok(name) }
    }

    /// Takes a value as it was kept, without the spaces around it.
    pub fn new(text: &str) -> Result<Self, InvalidUserName> {
        let text = text.trim();
        match text.len() {
            0 => Err(InvalidUserName::Empty),
            length if length > Self::MAX_BYTES => Err(InvalidUserName::TooLong(length)),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The name as the directory spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is compared and claimed.
    pub fn folded(&self) -> String {
        if self.external_id().is_some() { self.0.clone() } else { self.0.to_lowercase() }
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for UserName {}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UserName {
    type Error = InvalidUserName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

/// What a mapped attribute should be. An attribute that nobody mapped is in no map at all, and is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Managed {
    /// It should have this value.
    Set(Value),
    /// It is mapped and the directory has no value for it: it should be empty.
    Clear,
}

/// What the mapping makes of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredUser {
    /// The name that accounts are matched by.
    pub user_name: UserName,
    /// Whether the account should be active.
    pub active: bool,
    /// The managed attributes, `userName` and `active` aside.
    pub attributes: BTreeMap<TargetAttribute, Managed>,
    /// Values for the moment of creation only; never updated afterwards.
    pub create_only: BTreeMap<TargetAttribute, Value>,
}

impl DesiredUser {
    /// The external id, where one is mapped and has a value.
    pub fn external_id(&self) -> Option<&str> {
        match self.attributes.get(&TargetAttribute::from("externalId")) {
            Some(Managed::Set(Value::Text(id))) => Some(id),
            _ => None,
        }
    }

    /// What an update would bring about: equal fingerprints mean that nothing is left to send.
    pub fn update_fingerprint(&self) -> Fingerprint {
        let Self { user_name, active, attributes, create_only: _ } = self;
        let mut hash = Fingerprinter::new("provisioner 2026 applied user");
        hash.text(user_name.as_str());
        hash.flag(*active);
        for (attribute, managed) in attributes {
            hash.text(attribute.as_str());
            hash.managed(managed);
        }
        hash.finish()
    }
}

/// Why a user should have no active account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeprovisionReason {
    /// The entry is no longer in the directory.
    Deleted,
    /// The entry is there but left the group or stopped matching the filter.
    OutOfScope,
    /// The entry is there but no longer under the base entry.
    MovedOutOfBase,
    /// The entry is in scope and its account status is disabled.
    Disabled,
}

impl DeprovisionReason {
    /// A single word for hashes, whatever the sentence says.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::OutOfScope => "left_scope",
            Self::MovedOutOfBase => "moved",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for DeprovisionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted from the directory",
            Self::OutOfScope => "out of scope",
            Self::MovedOutOfBase => "moved out of the base",
            Self::Disabled => "disabled in the directory",
        })
    }
}

/// What the directory says about a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// In scope, and to be provisioned (an inactive one only where disabled users are provisioned).
    Present(DesiredUser),
    /// To have no active account.
    Absent {
        /// Under which name an account may exist; unknown for an entry that is gone.
        user_name: Option<UserName>,
        /// Why.
        reason: DeprovisionReason,
    },
}

impl Desired {
    /// The user name, where one is known.
    pub fn user_name(&self) -> Option<&UserName> {
        match self {
            Self::Present(user) => Some(&user.user_name),
            Self::Absent { user_name, .. } => user_name.as_ref(),
        }
    }

    /// Whether the user should have an active account.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Present(user) if user.active)
    }

    /// Why an active account would have to go, if it would.
    pub fn deprovision_reason(&self) -> Option<DeprovisionReason> {
        match self {
            Self::Present(user) if user.active => None,
            Self::Present(_) => Some(DeprovisionReason::Disabled),
            Self::Absent { reason, .. } => Some(*reason),
        }
    }
}
