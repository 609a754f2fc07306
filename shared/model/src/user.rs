//! Desired users: what the directory and the mapping say about an account.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, Fingerprinter, TargetAttribute, Value};

/// The name that accounts are matched by. It keeps its spelling and compares without case.
///
/// A user without an e-mail address may have no user name. Where the target allows that, the `externalId` replaces it,
/// marked by a prefix that no user name has. External ids compare with case (RFC 7643, section 3.1).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

/// Why a value can't be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserName {
    /// The value is empty, or all spaces.
    #[error("userName is empty")]
    Empty,
    /// The value has the prefix of an external id.
    #[error("userName begins with {prefix}, which marks an external id", prefix = UserName::EXTERNAL)]
    Marked,
    /// The value is longer than any target accepts.
    #[error("userName has {0} bytes; at most {max} are allowed", max = UserName::MAX_BYTES)]
    TooLong(usize),
}

impl UserName {
    /// Longest user name, in bytes. An e-mail address has at most 254.
    pub const MAX_BYTES: usize = 320;

    /// Prefix of an external id in place of a user name.
    const EXTERNAL: &str = "externalId=";

    /// Takes a mapped external id in place of a user name.
    pub fn external(id: &str) -> Result<Self, InvalidUserName> {
        let name = Self::new(&format!("{}{}", Self::EXTERNAL, id.trim()))?;
        if name.external_id() == Some("") { Err(InvalidUserName::Empty) } else { Ok(name) }
    }

    /// The external id, where it replaces the user name.
    pub fn external_id(&self) -> Option<&str> {
        self.0.strip_prefix(Self::EXTERNAL)
    }

    /// Takes a mapped user name.
    pub fn named(text: &str) -> Result<Self, InvalidUserName> {
        let name = Self::new(text)?;
        if name.external_id().is_some() { Err(InvalidUserName::Marked) } else { Ok(name) }
    }

    /// Takes a stored value, without surrounding spaces.
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

    /// Whether a target's user name is this one, compared without case and surrounding spaces.
    pub fn is_spelled(&self, name: &str) -> bool {
        self.external_id().is_none() && fold_case(name.trim()) == self.folded()
    }

    /// The form that is compared and claimed.
    pub fn folded(&self) -> String {
        if self.external_id().is_some() { self.0.clone() } else { fold_case(&self.0) }
    }
}

/// Folds case. A letter beyond ASCII never becomes an ASCII letter. The lower case of the Kelvin sign is k, and with it an entry could
/// claim the account of another user.
fn fold_case(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() || !c.to_lowercase().any(|lower| lower.is_ascii()) {
            true => folded.extend(c.to_lowercase()),
            false => folded.push(c),
        }
    }
    folded
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

/// The desired state of a mapped attribute. Unmapped attributes are in no map and are left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Managed {
    /// The attribute has this value.
    Set(Value),
    /// The attribute is empty, because the directory has no value for it. Stored as `null`.
    Clear,
}

/// The user that the mapping makes of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredUser {
    /// The name that accounts are matched by.
    pub user_name: UserName,
    /// Whether the account is active.
    pub active: bool,
    /// Managed attributes, without `userName` and `active`.
    pub attributes: BTreeMap<TargetAttribute, Managed>,
    /// Values that are sent at creation and never updated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub create_only: BTreeMap<TargetAttribute, Value>,
}

impl DesiredUser {
    /// The external id, where it is mapped and has a value.
    pub fn external_id(&self) -> Option<&str> {
        match self.attributes.get(&TargetAttribute::from("externalId")) {
            Some(Managed::Set(Value::Text(id))) => Some(id),
            _ => None,
        }
    }

    /// Fingerprint of everything that an update sends. Equal fingerprints mean that no update is needed.
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

/// Why an account is deprovisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeprovisionReason {
    /// The entry is no longer in the directory.
    Deleted,
    /// The entry left the group, or no longer matches the filter.
    OutOfScope,
    /// The entry is no longer under the base entry.
    MovedOutOfBase,
    /// The entry is in scope, and its account status is disabled.
    Disabled,
}

impl DeprovisionReason {
    /// Whether the user's entry is in scope.
    pub fn is_in_scope(self) -> bool {
        match self {
            Self::Disabled => true,
            Self::Deleted | Self::OutOfScope | Self::MovedOutOfBase => false,
        }
    }

    /// Stable word for fingerprints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::OutOfScope => "out_of_scope",
            Self::MovedOutOfBase => "moved_out_of_base",
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
    /// The user has an account like this. It is inactive only where disabled users are provisioned.
    Present(DesiredUser),
    /// The user has no active account.
    Absent {
        /// The name under which an account may exist; unknown for an entry that is gone.
        user_name: Option<UserName>,
        /// Why the user has no account.
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

    /// Whether the user has an active account.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Present(user) if user.active)
    }

    /// Why an active account is deprovisioned; `None` for an active user.
    pub fn deprovision_reason(&self) -> Option<DeprovisionReason> {
        match self {
            Self::Present(user) if user.active => None,
            Self::Present(_) => Some(DeprovisionReason::Disabled),
            Self::Absent { reason, .. } => Some(*reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, DnKey};

    fn user(active: bool) -> DesiredUser {
        let text = |text: &str| Managed::Set(Value::Text(text.into()));
        DesiredUser {
            user_name: UserName::new("Ada@acme.test").unwrap(),
            active,
            attributes: BTreeMap::from([("externalId".into(), text("7")), ("title".into(), Managed::Clear)]),
            create_only: BTreeMap::new(),
        }
    }

    #[test]
    fn stored_values_are_short_and_read_back_as_they_were() {
        let account = AccountId::new("7").unwrap();
        let mut values = vec![
            (Value::Integer(-7), "-7".to_owned()),
            (Value::Boolean(true), "true".to_owned()),
            (Value::Account(account), r#"{"account":"7"}"#.to_owned()),
            (Value::Reference(DnKey::of("cn=a")), format!(r#"{{"reference":"{}"}}"#, DnKey::of("cn=a"))),
        ];
        // Texts that look like another value or like the name of a variant.
        for text in ["Poet", "null", "clear", "true", "7", "reference", "account", "{\"account\":\"7\"}"] {
            let text = Value::Text(text.to_owned());
            values.push((text.clone(), serde_json::to_string(&text.to_string()).unwrap()));
        }
        for (value, expected) in values {
            let stored = serde_json::to_string(&value).unwrap();
            assert_eq!(stored, expected);
            assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value);
            let managed = Managed::Set(value);
            assert_eq!(serde_json::to_string(&managed).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Managed>(&stored).unwrap(), managed);
        }
        assert_eq!(serde_json::to_string(&Managed::Clear).unwrap(), "null");
        assert_eq!(serde_json::from_str::<Managed>("null").unwrap(), Managed::Clear);
    }

    #[test]
    fn user_names_compare_without_case_and_external_ids_with_case() {
        let name = UserName::named(" Ada@acme.test ").unwrap();
        assert_eq!((name.as_str(), name.external_id()), ("Ada@acme.test", None));
        assert_eq!(name, UserName::new("ada@ACME.test").unwrap());
        assert_ne!(name, UserName::new("grace@acme.test").unwrap());
        let external = UserName::external(" aB1 ").unwrap();
        assert_eq!((external.external_id(), external.to_string().as_str()), (Some("aB1"), "externalId=aB1"));
        assert_ne!(external, UserName::external("ab1").unwrap());
    }

    #[test]
    fn lookalike_letter_is_another_name() {
        let name = |text: &str| UserName::new(text).unwrap();
        assert_ne!(name("\u{212a}im@acme.test"), name("kim@acme.test"));
        assert!(!name("kim@acme.test").is_spelled("\u{212a}im@acme.test"));
        assert_ne!(name("\u{130}da@acme.test"), name("ida@acme.test"));
        assert_eq!(name("ÄRGER@acme.test"), name("ärger@ACME.test"));
        assert!(name("Ada@acme.test").is_spelled(" ada@ACME.TEST "));
    }

    #[test]
    fn invalid_user_names_are_refused() {
        assert_eq!(UserName::named("  "), Err(InvalidUserName::Empty));
        assert_eq!(UserName::external(" "), Err(InvalidUserName::Empty));
        assert_eq!(UserName::named("externalId=7"), Err(InvalidUserName::Marked));
        assert!(UserName::new(&"x".repeat(320)).is_ok());
        assert_eq!(UserName::new(&"x".repeat(321)), Err(InvalidUserName::TooLong(321)));
        assert!(serde_json::from_str::<UserName>("\"\"").is_err());
        assert_eq!(serde_json::to_string(&UserName::new("Ada").unwrap()).unwrap(), "\"Ada\"");
    }

    #[test]
    fn update_fingerprint_covers_what_an_update_sends() {
        let (before, create_only) = (user(true), BTreeMap::from([("title".into(), Value::Integer(1))]));
        assert_eq!(
            before.update_fingerprint(),
            DesiredUser { create_only, ..user(true) }.update_fingerprint()
        );
        assert_ne!(before.update_fingerprint(), user(false).update_fingerprint());
        let renamed = DesiredUser { user_name: UserName::new("ada@acme.test").unwrap(), ..user(true) };
        assert_ne!(before.update_fingerprint(), renamed.update_fingerprint(), "the spelling is sent too");
        let unmapped = DesiredUser { attributes: BTreeMap::new(), ..user(true) };
        assert_ne!(before.update_fingerprint(), unmapped.update_fingerprint());
        assert_eq!((before.external_id(), unmapped.external_id()), (Some("7"), None));
    }

    #[test]
    fn deprovision_reason_follows_the_desired_state() {
        let absent = |reason| Desired::Absent { user_name: None, reason };
        for (desired, active, reason) in [
            (Desired::Present(user(true)), true, None),
            (Desired::Present(user(false)), false, Some(DeprovisionReason::Disabled)),
            (absent(DeprovisionReason::Deleted), false, Some(DeprovisionReason::Deleted)),
        ] {
            assert_eq!((desired.is_active(), desired.deprovision_reason()), (active, reason), "{desired:?}");
        }
        assert_eq!(Desired::Present(user(true)).user_name(), Some(&user(true).user_name));
        assert_eq!(absent(DeprovisionReason::Deleted).user_name(), None);
    }

    #[test]
    fn reasons_have_stable_words_and_readable_text() {
        use DeprovisionReason::{Deleted, Disabled, MovedOutOfBase, OutOfScope};
        for (reason, word, text) in [
            (Deleted, "deleted", "deleted from the directory"),
            (OutOfScope, "out_of_scope", "out of scope"),
            (MovedOutOfBase, "moved_out_of_base", "moved out of the base"),
            (Disabled, "disabled", "disabled in the directory"),
        ] {
            assert_eq!((reason.word(), reason.to_string().as_str()), (word, text));
        }
    }
}
