//! Requests of a blind update: what changed since the applied state, said so that nothing else of the account has to be
//! known.

use std::collections::BTreeMap;

use model::{AppliedChanges, DesiredUser, Managed, PreviousValue, TargetAttribute};
use serde_json::{Value as Json, json};

use crate::Dialect;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::patch::{self, PatchOperation};
use crate::render;
use dialect::{DialectClear, DialectField, FieldPath};

/// One attribute to be sent.
struct SentChange<'a> {
    attribute: &'a TargetAttribute,
    field: &'static DialectField,
    managed: &'a Managed,
    previous: PreviousValue,
}

/// The changed attributes that the dialect can send.
fn sendable<'a>(
    dialect: &Dialect,
    changes: &'a AppliedChanges,
    user: &'a DesiredUser,
) -> Result<Vec<SentChange<'a>>, TargetError> {
    let mut sendable = Vec::new();
    for (attribute, previous) in &changes.attributes {
        let Some(managed) = user.attributes.get(attribute) else { continue };
        let field = render::known(dialect, attribute)?;
        let is_immutable = dialect.immutable.contains(&field.name);
        let is_kept = *managed == Managed::Clear && field.clear == DialectClear::Never;
        if !(is_immutable || is_kept) {
            sendable.push(SentChange { attribute, field, managed, previous: *previous });
        }
    }
    Ok(sendable)
}

/// The operations of a PATCH. `None`: the account has to be read. A list value is replaced by its type only where an
/// element of that type was set, because a server refuses to replace what it does not find (RFC 7644, 3.5.2.3).
/// Removing a list value would leave an empty element.
pub(crate) fn operations(
    dialect: &Dialect,
    changes: &AppliedChanges,
    user: &DesiredUser,
) -> Result<Option<Vec<Json>>, TargetError> {
    let mut patches = Vec::new();
    for SentChange { attribute, field, managed, previous } in sendable(dialect, changes, user)? {
        let attribute = attribute.clone();
        patches.push(match (managed, field.path) {
            (Managed::Set(_), FieldPath::Typed { .. }) if previous == PreviousValue::Empty => {
                return Ok(None);
            }
            (Managed::Clear, FieldPath::Typed { .. }) => return Ok(None),
            (Managed::Set(value), _) => PatchOperation::Replace { attribute, value: value.clone() },
            (Managed::Clear, _) => PatchOperation::Remove { attribute },
        });
    }
    let mut operations = patch::operations(dialect, &patches)?;
    if changes.previous_user_name.is_some() {
        operations.push(patch::replacement("userName", &json!(user.user_name.as_str())));
    }
    if changes.active {
        operations.push(patch::replacement("active", &json!(user.active)));
    }
    Ok(Some(operations))
}

/// The body of a PUT that merges. `None`: the account has to be read. How deep such a PUT merges is not recorded, so a
/// name, a list or an extension is sent whole, with its unmapped parts.
pub(crate) fn merged(
    dialect: &Dialect,
    changes: &AppliedChanges,
    user: &DesiredUser,
) -> Result<Option<JsonObject>, TargetError> {
    let sendable = sendable(dialect, changes, user)?;
    let stands_alone =
        |field: &DialectField| field.extension.is_none() && matches!(field.path, FieldPath::Plain(_));
    if !sendable.iter().all(|change| stands_alone(change.field)) {
        return Ok(None);
    }
    let attributes: BTreeMap<TargetAttribute, Managed> =
        sendable.iter().map(|change| (change.attribute.clone(), change.managed.clone())).collect();
    let user = DesiredUser { attributes, create_only: BTreeMap::new(), ..user.clone() };
    render::partial(dialect, &user).map(Some)
}

#[cfg(test)]
mod tests {
    use model::{AccountId, AppliedState, UserName, Value};

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

    fn changes(before: &DesiredUser, after: &DesiredUser) -> AppliedChanges {
        AppliedState::of(before, before, before.active).changes_to(after).unwrap()
    }

    fn patched(before: &DesiredUser, after: &DesiredUser) -> Option<Vec<Json>> {
        operations(Dialect::named("scim2").unwrap(), &changes(before, after), after).unwrap()
    }

    #[test]
    fn patch_holds_only_what_changed() {
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
    fn added_or_removed_list_value_needs_the_account() {
        let with = user("a@x.test", &[("phoneNumbers.work", Some("1"))]);
        let without = user("a@x.test", &[("phoneNumbers.work", None)]);
        let unmapped = user("a@x.test", &[]);
        for (before, after) in [(&without, &with), (&with, &without), (&unmapped, &with)] {
            assert_eq!(patched(before, after), None);
        }
    }

    #[test]
    fn immutable_attribute_is_not_sent() {
        let workvivo = Dialect::named("workvivo").unwrap();
        let (before, after) =
            (user("a", &[("externalId", Some("1"))]), user("a", &[("externalId", Some("2"))]));
        assert_eq!(
            operations(workvivo, &changes(&before, &after), &after).unwrap().unwrap(),
            Vec::<Json>::new()
        );
    }

    #[test]
    fn merging_put_takes_only_plain_attributes() {
        let v1 = Dialect::named("workplace-v1").unwrap();
        let before =
            user("a@x.test", &[("title", Some("Poet")), ("locale", Some("en_GB")), ("nickName", Some("A"))]);
        let after =
            user("a@x.test", &[("title", Some("Analyst")), ("locale", Some("en_GB")), ("nickName", None)]);
        let body = merged(v1, &changes(&before, &after), &after).unwrap().unwrap();
        let expect = json!({
            "schemas": ["urn:scim:schemas:core:1.0"], "userName": "a@x.test", "active": true,
            "title": "Analyst", "nickName": "",
        });
        assert_eq!(Json::Object(body), expect);
        for whole in ["name.givenName", "phoneNumbers.work", "department"] {
            let after = user("a@x.test", &[("title", Some("Analyst")), (whole, Some("x"))]);
            assert_eq!(merged(v1, &changes(&before, &after), &after).unwrap(), None, "{whole}");
        }
    }
}
