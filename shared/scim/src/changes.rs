//! What has changed since an account was last written, said in a way that needs nothing else of the account to be known.

use std::collections::BTreeMap;

use model::{DesiredUser, Managed, TargetAttribute, Value};
use serde_json::{Value as Json, json};

use crate::Dialect;
use crate::dialect::{DialectClear, DialectField, FieldPath};
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::patch::{self, PatchOperation};
use crate::render;

/// What changes in an attribute.
type Changed<'a> = (&'a TargetAttribute, &'static DialectField, &'a Managed);

/// The mapped attributes that are to be otherwise than they were left, and can be.
fn changed<'a>(
    dialect: &Dialect,
    before: &DesiredUser,
    after: &'a DesiredUser,
) -> Result<Vec<Changed<'a>>, TargetError> {
    let mut changed = Vec::new();
    for (attribute, managed) in &after.attributes {
        let field = render::known(dialect, attribute)?;
        let is_fixed = dialect.immutable.contains(&field.name);
        let can_not_go = *managed == Managed::Clear && field.clear == DialectClear::Never;
        let is_unresolved = matches!(managed, Managed::Set(Value::Reference(_)));
        let is_same = before.attributes.get(attribute) == Some(managed);
        if !(is_same || is_fixed || can_not_go || is_unresolved) {
            changed.push((attribute, field, managed));
        }
    }
    Ok(changed)
}

/// Whether both have a user name: where an external id stands in for one, there is another attribute to be dealt with.
fn have_names(before: &DesiredUser, after: &DesiredUser) -> bool {
    before.user_name.external_id().is_none() && after.user_name.external_id().is_none()
}

/// The operations of a PATCH. `None` where the account has to be read: what has several values is changed by its type only
/// where an element of that type was left there, because a server refuses to replace what it does not find (RFC 7644,
/// 3.5.2.3), and taking a value out of a list would leave an empty element.
pub(crate) fn operations(
    dialect: &Dialect,
    before: &DesiredUser,
    after: &DesiredUser,
) -> Result<Option<Vec<Json>>, TargetError> {
    if !have_names(before, after) {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for (attribute, field, managed) in changed(dialect, before, after)? {
        let was_set = matches!(before.attributes.get(attribute), Some(Managed::Set(_)));
        let attribute = attribute.clone();
        changes.push(match (managed, field.path) {
            (Managed::Set(_), FieldPath::Typed { .. }) if !was_set => return Ok(None),
            (Managed::Clear, FieldPath::Typed { .. }) => return Ok(None),
            (Managed::Set(value), _) => PatchOperation::Replace { attribute, value: value.clone() },
            (Managed::Clear, _) => PatchOperation::Remove { attribute },
        });
    }
    let mut operations = patch::operations(dialect, &changes)?;
    if before.user_name != after.user_name {
        operations.push(json!({"op": "replace", "path": "userName", "value": after.user_name.as_str()}));
    }
    if before.active != after.active {
        operations.push(patch::activation(after.active));
    }
    Ok(Some(operations))
}

/// The body of a PUT that merges. `None` where the account has to be read: how deep it merges is not recorded, so a name,
/// a list or an extension is sent whole, with what nobody mapped in it.
pub(crate) fn merged(
    dialect: &Dialect,
    before: &DesiredUser,
    after: &DesiredUser,
) -> Result<Option<JsonObject>, TargetError> {
    let changed = changed(dialect, before, after)?;
    let stands_alone =
        |field: &DialectField| field.extension.is_none() && matches!(field.path, FieldPath::Plain(_));
    if !have_names(before, after) || !changed.iter().all(|(_, field, _)| stands_alone(field)) {
        return Ok(None);
    }
    let only: BTreeMap<TargetAttribute, Managed> =
        changed.into_iter().map(|(attribute, _, managed)| (attribute.clone(), managed.clone())).collect();
    let user = DesiredUser { attributes: only, create_only: BTreeMap::new(), ..after.clone() };
    render::partial(dialect, &user).map(Some)
}

#[cfg(test)]
mod tests {
    use model::{AccountId, DnKey, UserName};

    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn user(name: &str, attributes: &[(&str, Option<&str>)]) -> DesiredUser {
        let managed = |value: &Option<&str>| match value {
            Some(text) => Managed::Set(Value::Text((*text).to_owned())),
            None => Managed::Clear,
        };
        DesiredUser {
            user_name: UserName::new(name).unwrap(),
            active: true,
            attributes: attributes.iter().map(|(name, value)| ((*name).into(), managed(value))).collect(),
            create_only: BTreeMap::new(),
        }
    }

    fn patched(before: &DesiredUser, after: &DesiredUser) -> Option<Vec<Json>> {
        operations(Dialect::named("scim2").unwrap(), before, after).unwrap()
    }

    #[test]
    fn a_patch_says_what_has_changed_and_nothing_else() {
        let before = user(
            "a@x.test",
            &[
                ("title", Some("Poet")),
                ("locale", Some("en_GB")),
                ("name.middleName", Some("King")),
                ("department", None),
                ("phoneNumbers.work", Some("1")),
                ("nickName", Some("Ada")),
            ],
        );
        let mut after = user(
            "b@x.test",
            &[
                ("title", Some("Analyst")),
                ("locale", Some("en_GB")),
                ("name.middleName", None),
                ("department", Some("Research")),
                ("phoneNumbers.work", Some("2")),
            ],
        );
        after.active = false;
        let boss = Value::Account(AccountId::new("7").unwrap());
        after.attributes.insert("manager".into(), Managed::Set(boss));
        after.attributes.insert("organization".into(), Managed::Set(Value::Text("Acme".into())));
        let expect = [
            json!({"op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Research"}),
            json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "7"}}),
            json!({"op": "remove", "path": "name.middleName"}),
            json!({"op": "replace", "path": format!("{ENTERPRISE}:organization"), "value": "Acme"}),
            json!({"op": "replace", "path": "phoneNumbers[type eq \"work\"].value", "value": "2"}),
            json!({"op": "replace", "path": "title", "value": "Analyst"}),
            json!({"op": "replace", "path": "userName", "value": "b@x.test"}),
            json!({"op": "replace", "path": "active", "value": false}),
        ];
        assert_eq!(patched(&before, &after).unwrap(), expect);
        assert_eq!(patched(&after, &after).unwrap(), Vec::<Json>::new());
    }

    #[test]
    fn a_manager_who_is_not_there_yet_is_not_sent() {
        let before = user("a@x.test", &[]);
        let mut after = before.clone();
        after.attributes.insert("manager".into(), Managed::Set(Value::Reference(DnKey::of("cn=m"))));
        assert_eq!(patched(&before, &after).unwrap(), Vec::<Json>::new());
    }

    #[test]
    fn what_comes_into_a_list_or_leaves_it_needs_the_list() {
        let with = user("a@x.test", &[("phoneNumbers.work", Some("1"))]);
        let without = user("a@x.test", &[("phoneNumbers.work", None)]);
        let unmapped = user("a@x.test", &[]);
        for (before, after) in [(&without, &with), (&with, &without), (&unmapped, &with)] {
            assert_eq!(patched(before, after), None);
        }
        let nameless = DesiredUser { user_name: UserName::external("7").unwrap(), ..with.clone() };
        assert_eq!(patched(&nameless, &with), None);
    }

    #[test]
    fn what_an_account_keeps_is_not_sent() {
        let workvivo = Dialect::named("workvivo").unwrap();
        let (before, after) =
            (user("a", &[("externalId", Some("1"))]), user("a", &[("externalId", Some("2"))]));
        assert_eq!(operations(workvivo, &before, &after).unwrap().unwrap(), Vec::<Json>::new());
    }

    #[test]
    fn a_put_that_merges_takes_what_stands_alone() {
        let v1 = Dialect::named("workplace-v1").unwrap();
        let before =
            user("a@x.test", &[("title", Some("Poet")), ("locale", Some("en_GB")), ("nickName", Some("A"))]);
        let after =
            user("a@x.test", &[("title", Some("Analyst")), ("locale", Some("en_GB")), ("nickName", None)]);
        let body = merged(v1, &before, &after).unwrap().unwrap();
        let expect = json!({
            "schemas": ["urn:scim:schemas:core:1.0"], "userName": "a@x.test", "active": true,
            "title": "Analyst", "nickName": "",
        });
        assert_eq!(Json::Object(body), expect);
        for whole in ["name.givenName", "phoneNumbers.work", "department"] {
            let after = user("a@x.test", &[("title", Some("Analyst")), (whole, Some("x"))]);
            assert_eq!(merged(v1, &before, &after).unwrap(), None, "{whole}");
        }
    }
}
