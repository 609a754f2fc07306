//! Elements of multi-valued attributes that are the user's, although the target shows another type for them, or none.
//!
//! A server may store e-mail addresses as plain texts, or under a type of its own. An element is recognised by its value:
//! the desired one, or the one that was sent last. Otherwise each change would add an element.

use std::collections::BTreeMap;

use model::{AppliedState, DesiredUser, Managed, TargetAttribute, Value};
use serde_json::{Value as Json, json};

use crate::json::{self, JsonObject};
use crate::lists;
use dialect::{Dialect, DialectField, FieldPath};

/// The mapped values of one type of a list.
#[derive(Debug)]
pub(crate) struct ListKind<'a> {
    pub(crate) kind: &'static str,
    /// Each sub-attribute, with its attribute and the desired value.
    pub(crate) parts: Vec<(&'static str, TargetAttribute, Option<&'a Value>)>,
}

/// How an element is known as the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recognition {
    /// It has the desired value.
    Desired,
    /// It has the value that was sent last.
    Sent,
}

/// The resource with recognised elements under the types of the mapping.
pub(crate) fn recognised(
    dialect: &Dialect,
    raw: &JsonObject,
    user: &DesiredUser,
    applied: Option<&AppliedState>,
) -> JsonObject {
    let mut resource = raw.clone();
    for (list, kinds) in mapped_lists(dialect, user) {
        let elements = json::list(raw, list);
        if elements.is_empty() {
            continue;
        }
        let typed = with_types(elements, &kinds, applied);
        let name = resource.keys().find(|name| name.eq_ignore_ascii_case(list)).cloned();
        resource.insert(name.unwrap_or_else(|| list.to_owned()), Json::Array(typed));
    }
    resource
}

/// The lists with mapped elements, each with its types.
fn mapped_lists<'a>(dialect: &Dialect, user: &'a DesiredUser) -> BTreeMap<&'static str, Vec<ListKind<'a>>> {
    let mut lists: BTreeMap<&'static str, Vec<ListKind<'a>>> = BTreeMap::new();
    for (attribute, managed) in &user.attributes {
        let Some(DialectField { extension: None, path: FieldPath::Typed { list, kind, part }, .. }) =
            dialect.field(attribute.as_str())
        else {
            continue;
        };
        let desired = match managed {
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        };
        let kinds = lists.entry(list).or_default();
        let part = (*part, attribute.clone(), desired);
        match kinds.iter_mut().find(|known| known.kind == *kind) {
            Some(known) => known.parts.push(part),
            None => kinds.push(ListKind { kind, parts: vec![part] }),
        }
    }
    lists
}

/// The list with the type of the mapping in each recognised element. Where the target shows the desired value and the one
/// sent before it, the older one is left out.
pub(crate) fn with_types(
    elements: &[Json],
    kinds: &[ListKind<'_>],
    applied: Option<&AppliedState>,
) -> Vec<Json> {
    let mut list = elements.to_vec();
    for kind in kinds {
        if lists::representative(&list, kind.kind).is_some() {
            continue;
        }
        let is_other = |element: &Json| kinds.iter().any(|other| lists::is_of_kind(element, other.kind));
        let recognise = |element: &Json| match is_other(element) {
            true => None,
            false => kind.recognise(element, applied),
        };
        let found: Vec<Option<Recognition>> = list.iter().map(recognise).collect();
        let desired = found.iter().position(|found| *found == Some(Recognition::Desired));
        let recognised = desired.or_else(|| found.iter().position(Option::is_some));
        let Some(first) = recognised.or_else(|| kind.replaced(&list, applied)) else { continue };
        let mut position = 0..;
        list.retain(|_| {
            let at = position.next();
            at == Some(first) || found.get(at.unwrap_or_default()) != Some(&Some(Recognition::Sent))
        });
        let removed = found.iter().take(first).filter(|found| **found == Some(Recognition::Sent)).count();
        if let Some(element) = list.get_mut(first - removed) {
            *element = typed(std::mem::take(element), kind.kind);
        }
    }
    list
}

impl ListKind<'_> {
    /// Element of a list without types that the value for work replaces: the primary or first one, unless no value was sent
    /// before. Another client may have changed the value.
    fn replaced(&self, list: &[Json], applied: Option<&AppliedState>) -> Option<usize> {
        let [(_, attribute, Some(_))] = self.parts.as_slice() else { return None };
        let was_absent = applied.is_some_and(|applied| applied.has_sent(attribute, None));
        let is_replaced = self.kind == "work" && lists::is_untyped(list) && !was_absent;
        is_replaced.then(|| lists::primary_position(list))
    }

    fn recognise(&self, element: &Json, applied: Option<&AppliedState>) -> Option<Recognition> {
        let mut recognition = None;
        for (part, attribute, desired) in &self.parts {
            let Some(shown) = lists::text_of(element, part) else { continue };
            let shown = Value::Text(shown);
            if *desired == Some(&shown) {
                return Some(Recognition::Desired);
            }
            if applied.is_some_and(|applied| applied.has_sent(attribute, Some(&shown))) {
                recognition = Some(Recognition::Sent);
            }
        }
        recognition
    }
}

/// An element with a type.
fn typed(element: Json, kind: &str) -> Json {
    match element {
        Json::Object(mut element) => {
            element.retain(|name, _| !name.eq_ignore_ascii_case("type"));
            element.insert("type".to_owned(), json!(kind));
            Json::Object(element)
        }
        text => json!({"type": kind, "value": text}),
    }
}

#[cfg(test)]
mod tests {
    use model::UserName;
    use proptest::prelude::*;

    use super::*;
    use crate::render::{self, EmptyText};
    use crate::resource::Resource;

    /// What a server stores of each element that it gets.
    #[derive(Clone, Copy, Debug)]
    enum Stored {
        AsSent,
        WithoutType,
        WithoutPrimary,
        WithoutTypeAndPrimary,
        PlainText,
        OtherType,
        UpperCaseType,
        LowerCaseValue,
    }

    const STORED: [Stored; 8] = [
        Stored::AsSent,
        Stored::WithoutType,
        Stored::WithoutPrimary,
        Stored::WithoutTypeAndPrimary,
        Stored::PlainText,
        Stored::OtherType,
        Stored::UpperCaseType,
        Stored::LowerCaseValue,
    ];

    impl Stored {
        fn element(self, element: &Json) -> Json {
            let Json::Object(sent) = element else { return element.clone() };
            let mut stored = sent.clone();
            let mut without = |names: &[&str]| stored.retain(|name, _| !names.contains(&name.as_str()));
            match self {
                Self::AsSent => {}
                Self::WithoutType => without(&["type"]),
                Self::WithoutPrimary => without(&["primary"]),
                Self::WithoutTypeAndPrimary => without(&["type", "primary"]),
                Self::PlainText => return sent.get("value").cloned().unwrap_or(Json::Null),
                Self::OtherType => {
                    stored.insert("type".to_owned(), json!("custom"));
                }
                Self::UpperCaseType => {
                    let kind = sent.get("type").and_then(Json::as_str).unwrap_or_default().to_uppercase();
                    stored.insert("type".to_owned(), json!(kind));
                }
                Self::LowerCaseValue => {
                    let value = sent.get("value").and_then(Json::as_str).unwrap_or_default().to_lowercase();
                    stored.insert("value".to_owned(), json!(value));
                }
            }
            Json::Object(stored)
        }
    }

    fn user(values: &[(&str, Option<String>)]) -> DesiredUser {
        let managed = |value: &Option<String>| match value {
            Some(text) => Managed::Set(Value::Text(text.clone())),
            None => Managed::Clear,
        };
        DesiredUser {
            user_name: UserName::new("ada").unwrap(),
            active: true,
            attributes: values.iter().map(|(name, value)| ((*name).into(), managed(value))).collect(),
            create_only: BTreeMap::new(),
        }
    }

    /// The list after these users were sent one after the other to a server that begins with foreign elements.
    fn stored_after(stored: Stored, foreign: &[Json], users: &[DesiredUser]) -> Vec<Vec<Json>> {
        let dialect = Dialect::named("scim2").unwrap();
        let mut emails = foreign.to_vec();
        let mut applied = None;
        users
            .iter()
            .map(|user| {
                let raw = json!({"id": "1", "userName": "ada", "emails": emails});
                let raw = recognised(dialect, raw.as_object().unwrap(), user, applied.as_ref());
                let resource = Resource::from_object(dialect, raw).unwrap();
                let body = render::update(dialect, &resource, user, EmptyText::Omitted).unwrap();
                emails = json::list(&body, "emails").iter().map(|element| stored.element(element)).collect();
                let shown = json!({"id": "1", "userName": "ada", "emails": emails});
                let shown = Resource::from_object(dialect, shown.as_object().unwrap().clone()).unwrap();
                let kept = user.attributes.keys().map(|name| (name, shown.account.attributes.get(name)));
                applied = Some(AppliedState::of(user, user, true).keeping(kept));
                emails.clone()
            })
            .collect()
    }

    /// The e-mail addresses of an account after another one is sent for work, where this one was sent before.
    fn after(emails: Json, before: Option<&str>) -> Json {
        let sent = user(&[("emails.work", before.map(str::to_owned))]);
        let applied = before.map(|_| AppliedState::of(&sent, &sent, true));
        let wanted = user(&[("emails.work", Some("new@x.test".to_owned()))]);
        let dialect = Dialect::named("scim2").unwrap();
        let raw = json!({"id": "1", "userName": "ada", "emails": emails});
        let raw = recognised(dialect, raw.as_object().unwrap(), &wanted, applied.as_ref());
        let resource = Resource::from_object(dialect, raw).unwrap();
        let body = render::update(dialect, &resource, &wanted, EmptyText::Omitted).unwrap();
        json!(json::list(&body, "emails"))
    }

    #[test]
    fn element_is_recognised_by_its_value() {
        let new = json!({"type": "work", "value": "new@x.test"});
        let other = json!({"value": "other@x.test"});
        for (reason, emails, expected) in [
            ("a text", json!(["old@x.test"]), json!([new])),
            ("no type", json!([other, {"value": "old@x.test"}]), json!([other, new])),
            ("another type", json!([{"type": "x", "value": "old@x.test"}]), json!([new])),
            ("the old and the new value", json!(["old@x.test", "new@x.test"]), json!([new])),
            ("changed by another client", json!([{"value": "y@x.test"}, other]), json!([new, other])),
        ] {
            assert_eq!(after(emails, Some("old@x.test")), expected, "{reason}");
        }
        // When the account is linked, the primary element without a type is the one for work.
        let primary = json!({"value": "p@x.test", "primary": true});
        let linked = json!([other, {"type": "work", "value": "new@x.test", "primary": true}]);
        assert_eq!(after(json!([other, primary]), None), linked);
    }

    proptest! {
        /// However a server stores the elements, ten changes leave as many as there are values, and the foreign ones.
        #[test]
        fn list_does_not_grow_by_changes(
            stored in proptest::sample::select(&STORED),
            has_foreign in any::<bool>(),
            changes in proptest::collection::vec((any::<bool>(), any::<bool>()), 10),
        ) {
            let foreign = match has_foreign {
                true => vec![json!({"type": "custom", "value": "foreign@acme.test"})],
                false => Vec::new(),
            };
            let users: Vec<DesiredUser> = changes
                .iter()
                .enumerate()
                .map(|(number, (has_work, has_home))| {
                    let value = |kind: &str| format!("{kind}{number}@acme.test");
                    user(&[
                        ("emails.work", has_work.then(|| value("Work"))),
                        ("emails.home", has_home.then(|| value("Home"))),
                    ])
                })
                .collect();
            let lists = stored_after(stored, &foreign, &users);
            for ((has_work, has_home), list) in changes.iter().zip(&lists) {
                let expected = foreign.len() + usize::from(*has_work) + usize::from(*has_home);
                prop_assert_eq!(list.len(), expected, "{:?} {:?}", stored, lists);
                let foreign = foreign.iter().all(|it| list.contains(&stored.element(it)));
                prop_assert!(foreign, "{:?} {:?}", stored, list);
            }
        }
    }
}
