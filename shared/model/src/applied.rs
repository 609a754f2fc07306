//! What was last written to an account, and what has changed since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DesiredUser, Fingerprint, Fingerprinter, Managed, TargetAttribute, UserName, Value};

/// State in which the last recorded outcome left an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedState {
    /// Fingerprint of the desired user that was applied, with references as the directory names them.
    pub fingerprint: Fingerprint,
    /// The account's user name.
    pub user_name: Option<UserName>,
    /// Whether the account is active.
    pub active: bool,
    /// Hash of each mapped attribute as it was sent. An attribute with an unknown value is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<TargetAttribute, AttributeHash>,
    /// Hash of what the target stores in place of the value that was sent: in lower case, trimmed, or nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<TargetAttribute, AttributeHash>,
}

/// Short hash of one attribute as it was sent. Equal hashes only save sending the attribute: every answer of the
/// target is compared with the whole desired user, so a collision is found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeHash(u32);

/// What an account had in an attribute before it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviousValue {
    /// A value, not known here.
    Set,
    /// No value, or it is not known whether it had one.
    Empty,
}

/// Differences between a desired user and the applied state of its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedChanges {
    /// The account's user name, if another one is desired.
    pub previous_user_name: Option<UserName>,
    /// Whether the account becomes active or inactive.
    pub active: bool,
    /// Attributes to be sent.
    pub attributes: BTreeMap<TargetAttribute, PreviousValue>,
}

impl AttributeHash {
    /// The hash of a value as it is sent, or of an attribute that is cleared.
    pub fn of(managed: &Managed) -> Self {
        let mut hash = Fingerprinter::new("provisioner 2026 applied attribute");
        hash.managed(managed);
        let [a, b, c, d, ..] = hash.finish().0;
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    /// The hash of a value that an account shows.
    fn of_shown(value: Option<&Value>) -> Self {
        Self::of(&value.cloned().map_or(Managed::Clear, Managed::Set))
    }
}

impl AppliedState {
    /// State of an account that was made equal to `desired`. `sent` is the same user with its references resolved.
    pub fn of(desired: &DesiredUser, sent: &DesiredUser, active: bool) -> Self {
        let known = sent.attributes.iter().filter(|(_, managed)| !is_unresolved(managed));
        Self {
            fingerprint: desired.update_fingerprint(),
            user_name: Some(desired.user_name.clone()),
            active,
            attributes: known.map(|(name, managed)| (name.clone(), AttributeHash::of(managed))).collect(),
            kept: BTreeMap::new(),
        }
    }

    /// Remembers attributes with the values that the target stores in place of those that were sent.
    #[must_use]
    pub fn keeping<'a>(self, kept: impl Iterator<Item = (&'a TargetAttribute, Option<&'a Value>)>) -> Self {
        let kept =
            kept.map(|(attribute, value)| (attribute.clone(), AttributeHash::of_shown(value))).collect();
        Self { kept, ..self }
    }

    /// Whether a value that an account shows is the one that was sent last.
    pub fn has_sent(&self, attribute: &TargetAttribute, shown: Option<&Value>) -> bool {
        self.attributes.get(attribute) == Some(&AttributeHash::of_shown(shown))
    }

    /// Whether a value that an account shows is what the target stores in place of the desired one.
    pub fn keeps(&self, attribute: &TargetAttribute, shown: Option<&Value>) -> bool {
        self.kept.get(attribute) == Some(&AttributeHash::of_shown(shown))
    }

    /// What differs in `user`. Its references are resolved; unresolved ones are left out. `None` if the
    /// account, or the user, has no user name: then only the account itself shows what differs.
    pub fn changes_to(&self, user: &DesiredUser) -> Option<AppliedChanges> {
        let name = self.user_name.as_ref().filter(|name| name.external_id().is_none())?;
        if user.user_name.external_id().is_some() {
            return None;
        }
        let differs = |(attribute, managed): (&TargetAttribute, &Managed)| {
            let known = self.attributes.get(attribute);
            let is_same = known == Some(&AttributeHash::of(managed)) || is_unresolved(managed);
            let was_set = known.is_some_and(|hash| *hash != AttributeHash::of(&Managed::Clear));
            let previous = if was_set { PreviousValue::Set } else { PreviousValue::Empty };
            (!is_same).then(|| (attribute.clone(), previous))
        };
        Some(AppliedChanges {
            previous_user_name: (*name != user.user_name).then(|| name.clone()),
            active: self.active != user.active,
            attributes: user.attributes.iter().filter_map(differs).collect(),
        })
    }
}

fn is_unresolved(managed: &Managed) -> bool {
    matches!(managed, Managed::Set(Value::Reference(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, DnKey};

    fn user(name: &str, active: bool, attributes: &[(&str, Option<Value>)]) -> DesiredUser {
        let managed = |value: &Option<Value>| value.clone().map_or(Managed::Clear, Managed::Set);
        DesiredUser {
            user_name: UserName::new(name).unwrap(),
            active,
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), managed(value))).collect(),
            create_only: BTreeMap::new(),
        }
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::Text(text.to_owned()))
    }

    #[test]
    fn changes_name_what_differs_from_the_applied_state() {
        let before = user("a@x.test", true, &[("title", text("Poet")), ("locale", None), ("x", text("1"))]);
        let applied = AppliedState::of(&before, &before, true);
        let none = AppliedChanges { previous_user_name: None, active: false, attributes: BTreeMap::new() };
        assert_eq!(applied.changes_to(&before), Some(none.clone()));
        let spelled = DesiredUser { user_name: UserName::new("A@x.test").unwrap(), ..before.clone() };
        assert_eq!(applied.changes_to(&spelled), Some(none));
        let after = user("b@x.test", false, &[("title", None), ("locale", text("en")), ("new", text("2"))]);
        let expected = AppliedChanges {
            previous_user_name: Some(before.user_name),
            active: true,
            attributes: [
                ("title".into(), PreviousValue::Set),
                ("locale".into(), PreviousValue::Empty),
                ("new".into(), PreviousValue::Empty),
            ]
            .into(),
        };
        assert_eq!(applied.changes_to(&after), Some(expected));
    }

    #[test]
    fn unresolved_reference_is_no_change_and_another_account_is_one() {
        let manager = |value| user("a@x.test", true, &[("manager", Some(value))]);
        let unresolved = manager(Value::Reference(DnKey::of("cn=m")));
        let account = |id| manager(Value::Account(AccountId::new(id).unwrap()));
        let changes = |sent: &DesiredUser, user: &DesiredUser| {
            AppliedState::of(&unresolved, sent, true).changes_to(user).unwrap().attributes.len()
        };
        assert_eq!(changes(&account("1"), &unresolved), 0);
        assert_eq!(changes(&account("1"), &account("1")), 0);
        assert_eq!(changes(&account("1"), &account("2")), 1);
        assert_eq!(changes(&unresolved, &account("1")), 1);
    }

    #[test]
    fn account_without_user_name_has_to_be_read() {
        let (named, external) = (user("a@x.test", true, &[]), UserName::external("7").unwrap());
        let nameless = DesiredUser { user_name: external, ..named.clone() };
        assert_eq!(AppliedState::of(&nameless, &nameless, true).changes_to(&named), None);
        assert_eq!(AppliedState::of(&named, &named, true).changes_to(&nameless), None);
    }

    #[test]
    fn kept_value_is_known_again() {
        let sent = user("a@x.test", true, &[("title", text("Poet")), ("locale", text("en"))]);
        let (title, locale): (TargetAttribute, TargetAttribute) = ("title".into(), "locale".into());
        let lower = text("poet");
        let applied = AppliedState::of(&sent, &sent, true)
            .keeping([(&title, lower.as_ref()), (&locale, None)].into_iter());
        assert!(applied.keeps(&title, lower.as_ref()) && applied.keeps(&locale, None));
        assert!(
            !applied.keeps(&title, text("Clerk").as_ref()) && !applied.keeps(&locale, text("de").as_ref())
        );
        assert!(!applied.keeps(&"nickName".into(), None));
    }

    /// Stored state depends on these bytes.
    #[test]
    fn hashes_are_stable() {
        let of = |managed: &Managed| serde_json::to_string(&AttributeHash::of(managed)).unwrap();
        assert_eq!(of(&Managed::Clear), "1727516663");
        assert_eq!(of(&Managed::Set(Value::Text("Poet".to_owned()))), "3879994705");
    }
}
