//! What a user was to be before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DesiredUser, Managed, TargetAttribute, UserName};

/// What was otherwise in an earlier desired user: enough to know that one again from the later one, and no more, because it
/// is kept in the user's record. What is for the moment of creation only doesn't come into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_name: Option<UserName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    /// What an attribute was to be; `None` where it was not mapped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<TargetAttribute, Option<Managed>>,
}

impl Before {
    /// What was otherwise in `earlier` than in `later`.
    pub fn between(earlier: &DesiredUser, later: &DesiredUser) -> Self {
        let DesiredUser { user_name, active, attributes, create_only: _ } = earlier;
        // The spelling counts too, although names compare without case.
        let renamed = user_name.as_str() != later.user_name.as_str();
        let names = attributes.keys().chain(later.attributes.keys());
        let differs = |name: &&TargetAttribute| attributes.get(*name) != later.attributes.get(*name);
        Self {
            user_name: renamed.then(|| user_name.clone()),
            active: (*active != later.active).then_some(*active),
            attributes: names
                .filter(differs)
                .map(|name| (name.clone(), attributes.get(name).cloned()))
                .collect(),
        }
    }

    /// The earlier user, out of the later one.
    pub fn of(&self, later: &DesiredUser) -> DesiredUser {
        let Self { user_name, active, attributes: otherwise } = self;
        let mut attributes = later.attributes.clone();
        for (name, managed) in otherwise {
            match managed {
                Some(managed) => attributes.insert(name.clone(), managed.clone()),
                None => attributes.remove(name),
            };
        }
        DesiredUser {
            user_name: user_name.as_ref().unwrap_or(&later.user_name).clone(),
            active: active.unwrap_or(later.active),
            attributes,
            create_only: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn user(name: &str, active: bool, attributes: &[(&str, Option<&str>)]) -> DesiredUser {
        let managed = |value: &Option<&str>| match value {
            Some(text) => Managed::Set(Value::Text((*text).to_owned())),
            None => Managed::Clear,
        };
        DesiredUser {
            user_name: UserName::new(name).unwrap(),
            active,
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), managed(value))).collect(),
            create_only: BTreeMap::new(),
        }
    }

    #[test]
    fn the_earlier_one_is_known_again_from_the_later_one() {
        let users = [
            user("a@x.test", true, &[("title", Some("Poet")), ("locale", None)]),
            user("A@x.test", true, &[("title", Some("Poet")), ("locale", None)]),
            user("b@x.test", false, &[("title", None)]),
            user("a@x.test", true, &[("locale", Some("en_GB")), ("nickName", Some("Ada"))]),
            user("a@x.test", true, &[]),
        ];
        for earlier in &users {
            for later in &users {
                let again = Before::between(earlier, later).of(later);
                assert_eq!(again.update_fingerprint(), earlier.update_fingerprint());
                assert_eq!((&again.attributes, again.active), (&earlier.attributes, earlier.active));
            }
        }
    }

    #[test]
    fn only_what_was_otherwise_is_kept() {
        let earlier = user("a@x.test", true, &[("title", Some("Poet")), ("locale", None)]);
        let later = user("a@x.test", true, &[("title", Some("Analyst")), ("locale", None)]);
        let kept = serde_json::to_string(&Before::between(&earlier, &later)).unwrap();
        assert_eq!(kept, r#"{"attributes":{"title":{"set":{"text":"Poet"}}}}"#);
        assert_eq!(Before::between(&later, &later), Before::default());
    }
}
