//! What is set in an account: an attribute's name and its value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DnKey;

/// A target attribute as a mapping names it: `title`, `name.givenName`, `emails.work`, `department`,
/// `urn:…:User:startDate`. What it looks like on the wire is the dialect's affair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetAttribute(pub String);

impl TargetAttribute {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TargetAttribute {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for TargetAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of value an attribute takes. The dialect says it; the mapping converts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Another user.
    Reference,
}

/// One attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Text, never empty.
    Text(String),
    /// A whole number, such as a Unix time.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// Another user, by the distinguished name that the directory gives for it. It becomes an account id when
    /// that user has an account.
    Reference(DnKey),
    /// Another user's account, once a reference is resolved; or a reference as the target shows it.
    Account(crate::AccountId),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(yes) => write!(f, "{yes}"),
            Self::Reference(_) => f.write_str("(another user)"),
            Self::Account(id) => write!(f, "account {id}"),
        }
    }
}
