//! PATCH operations that turn one resource into another.

use serde_json::{Value as Json, json};

use crate::json::{self, JsonObject};
use dialect::Dialect;

/// Operations that turn `before` into `after`; none if they differ in read-only attributes only.
///
/// Multi-valued attributes are sent whole, because not every server supports a filter in a path. Complex attributes of
/// an extension, such as `manager`, are sent whole too.
pub(crate) fn operations(dialect: &Dialect, before: &JsonObject, after: &JsonObject) -> Vec<Json> {
    let mut operations = Vec::new();
    let is_read_only = |name: &&str| dialect.read_only.iter().any(|it| it.eq_ignore_ascii_case(name));
    for name in names(before, after).filter(|name| !is_read_only(name)) {
        let (old, new) = (assigned(json::member(before, name)), assigned(json::member(after, name)));
        match (parts(old), parts(new)) {
            // A path must name an attribute, so an extension is compared by attribute (RFC 7644, 3.5.2).
            _ if name.starts_with("urn:") => {
                let (nothing, old, new) = (JsonObject::new(), parts(old), parts(new));
                let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
                compare_parts(&format!("{name}:"), old, new, &mut operations);
            }
            (Some(old), Some(new)) => compare_parts(&format!("{name}."), old, new, &mut operations),
            _ => compare(name, old, new, &mut operations),
        }
    }
    operations
}

fn compare_parts(within: &str, old: &JsonObject, new: &JsonObject, operations: &mut Vec<Json>) {
    for name in names(old, new) {
        let (old, new) = (assigned(json::member(old, name)), assigned(json::member(new, name)));
        compare(&format!("{within}{name}"), old, new, operations);
    }
}

fn compare(path: &str, old: Option<&Json>, new: Option<&Json>, operations: &mut Vec<Json>) {
    match (old, new) {
        (old, new) if old == new => {}
        (_, None) => operations.push(json!({"op": "remove", "path": path})),
        (None, Some(value)) => operations.push(json!({"op": "add", "path": path, "value": value})),
        (Some(_), Some(value)) => operations.push(json!({"op": "replace", "path": path, "value": value})),
    }
}

/// Names of both objects, each once.
fn names<'a>(before: &'a JsonObject, after: &'a JsonObject) -> impl Iterator<Item = &'a str> {
    let added = after.keys().filter(|name| json::member(before, name).is_none());
    before.keys().chain(added).map(String::as_str)
}

/// Value that counts as assigned: null and empty values are unassigned (RFC 7643, 2.5).
fn assigned(value: Option<&Json>) -> Option<&Json> {
    value.filter(|value| match value {
        Json::Null => false,
        Json::Array(elements) => !elements.is_empty(),
        Json::Object(parts) => !parts.is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => true,
    })
}

fn parts(value: Option<&Json>) -> Option<&JsonObject> {
    value.and_then(Json::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn check(before: Json, after: Json, expect: &[Json]) {
        let dialect = Dialect::named("scim2").unwrap();
        let mut operations = operations(dialect, before.as_object().unwrap(), after.as_object().unwrap());
        operations.sort_by_key(|operation| operation["path"].to_string());
        assert_eq!(operations, expect);
    }

    #[test]
    fn equal_attributes_are_not_sent() {
        let now = json!({
            "schemas": ["a"], "id": "1", "meta": {"version": "7"}, "groups": [1],
            "title": "Analyst", "name": {"givenName": "Ada"}, "nickName": null, "emails": [],
            (ENTERPRISE): {"department": "Research", "manager": {"value": "2", "displayName": "M"}},
        });
        let mut after = now.as_object().unwrap().clone();
        after.retain(|name, _| !matches!(name.as_str(), "id" | "meta" | "groups" | "nickName"));
        after.insert("schemas".to_owned(), json!(["b"]));
        after.insert("phoneNumbers".to_owned(), json!([]));
        check(now, Json::Object(after), &[]);
    }

    #[test]
    fn each_attribute_is_added_replaced_or_removed() {
        check(
            json!({
                "title": "Analyst", "nickName": "x", "emails": [{"value": "a"}],
                "name": {"givenName": "Ada", "middleName": "King"},
                (ENTERPRISE): {"department": "Research", "manager": {"value": "2", "displayName": "M"}},
            }),
            json!({
                "title": "Poet", "locale": "en_GB", "emails": [],
                "name": {"givenName": "Augusta", "familyName": "Lovelace"},
                (ENTERPRISE): {"division": "East", "manager": {"value": "3"}},
            }),
            &[
                json!({"op": "remove", "path": "emails"}),
                json!({"op": "add", "path": "locale", "value": "en_GB"}),
                json!({"op": "add", "path": "name.familyName", "value": "Lovelace"}),
                json!({"op": "replace", "path": "name.givenName", "value": "Augusta"}),
                json!({"op": "remove", "path": "name.middleName"}),
                json!({"op": "remove", "path": "nickName"}),
                json!({"op": "replace", "path": "title", "value": "Poet"}),
                json!({"op": "remove", "path": format!("{ENTERPRISE}:department")}),
                json!({"op": "add", "path": format!("{ENTERPRISE}:division"), "value": "East"}),
                json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "3"}}),
            ],
        );
    }

    #[test]
    fn extension_is_added_and_removed_by_attribute() {
        let with = json!({(ENTERPRISE): {"division": "East"}});
        let path = format!("{ENTERPRISE}:division");
        check(json!({}), with.clone(), &[json!({"op": "add", "path": path, "value": "East"})]);
        check(with, json!({}), &[json!({"op": "remove", "path": path})]);
    }

    #[test]
    fn name_is_added_and_removed_whole() {
        let with = json!({"name": {"givenName": "Ada"}});
        check(
            json!({}),
            with.clone(),
            &[json!({"op": "add", "path": "name", "value": {"givenName": "Ada"}})],
        );
        check(with, json!({"name": {}}), &[json!({"op": "remove", "path": "name"})]);
    }
}
