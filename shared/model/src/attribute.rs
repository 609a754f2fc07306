//! Target attributes and their values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, DnKey};

/// Name of a target attribute as a mapping writes it: `title`, `name.givenName`, `emails.work`, `department`,
/// `urn:…:User:startDate`. The dialect translates it to and from JSON.
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

/// The type of an attribute's value. The dialect declares it, and the mapping converts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Another user.
    Reference,
}

/// An attribute's value. Text, numbers and flags are stored as they are, because a record of more than 1 KB costs twice as
/// much to write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Another user, by distinguished name. It is resolved to an account id when that user has an account.
    Reference(DnKey),
    /// Another user's account: a resolved reference, or a reference as the target shows it.
    Account(AccountId),
    /// Text, never empty.
    #[serde(untagged)]
    Text(String),
    /// A whole number, such as a Unix time.
    #[serde(untagged)]
    Integer(i64),
    /// `true` or `false`.
    #[serde(untagged)]
    Boolean(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Reference(_) => f.write_str("(another user)"),
            Self::Account(id) => write!(f, "account {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_is_written_as_its_name() {
        let attribute = TargetAttribute::from("name.givenName");
        assert_eq!(
            (attribute.as_str(), attribute.to_string().as_str()),
            ("name.givenName", "name.givenName")
        );
    }

    #[test]
    fn values_are_shown_as_text() {
        for (value, expected) in [
            (Value::Text("Poet".into()), "Poet"),
            (Value::Integer(7), "7"),
            (Value::Boolean(true), "true"),
            (Value::Reference(DnKey::of("cn=a")), "(another user)"),
            (Value::Account(AccountId::new("7").unwrap()), "account 7"),
        ] {
            assert_eq!(value.to_string(), expected);
        }
        assert_eq!(TargetAttribute::from("title").to_string(), "title");
        assert_eq!(AccountId::new("7").unwrap().to_string(), "7");
        assert_eq!(AccountId::new(""), None);
    }
}
