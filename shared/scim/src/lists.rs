//! Multi-valued attributes with typed elements: e-mails, phone numbers, addresses, photos.

use serde_json::{Value, json};

use crate::json::{self, JsonObject};

/// Change of one sub-attribute in the element of one type.
#[derive(Clone, Debug)]
pub(crate) struct ElementChange {
    pub(crate) kind: &'static str,
    pub(crate) part: &'static str,
    /// New value; `None` removes it.
    pub(crate) value: Option<Value>,
}

/// Element that represents a type: the primary one, else the first.
pub(crate) fn representative<'a>(elements: &'a [Value], kind: &str) -> Option<&'a JsonObject> {
    let mut of_kind = elements.iter().filter_map(Value::as_object).filter(|element| is_of(element, kind));
    let first = of_kind.clone().next();
    of_kind.find(|element| is_primary(element)).or(first)
}

/// The whole list with the changes applied; `None` if there is nothing to send. Changes of one type are adjacent.
///
/// Elements of other types stay unchanged. Of a mapped type one element remains, with its unmapped sub-attributes, or
/// none if it has no content left.
pub(crate) fn with_changes(elements: &[Value], changes: &[ElementChange]) -> Option<Vec<Value>> {
    let mut list = elements.to_vec();
    let mut is_touched = false;
    for changes in changes.chunk_by(|a, b| a.kind == b.kind) {
        let Some(kind) = changes.first().map(|change| change.kind) else { continue };
        let Some(element) = changed(&list, kind, changes) else { continue };
        is_touched = true;
        let position = list.iter().position(|element| is_of_kind(element, kind)).unwrap_or(list.len());
        list.retain(|element| !is_of_kind(element, kind));
        if has_content(&element) {
            list.insert(position.min(list.len()), Value::Object(element));
        }
    }
    is_touched.then_some(list)
}

/// Element of a type after its changes; `None` if the changes neither remove nor add a value.
fn changed(list: &[Value], kind: &str, changes: &[ElementChange]) -> Option<JsonObject> {
    let mut is_touched = false;
    let mut element = representative(list, kind).cloned().unwrap_or_else(|| new_element(list, kind));
    for ElementChange { kind: _, part, value } in changes {
        let old = element.remove(*part);
        is_touched |= value.is_some() || old.is_some();
        if old != *value {
            // The server's label for the old value (RFC 7643, 2.4).
            element.remove("display");
        }
        if let Some(value) = value {
            element.insert((*part).to_owned(), value.clone());
        }
    }
    is_touched.then_some(element)
}

/// The first element of a list is primary, as in Meta's samples; an existing primary element stays primary.
fn new_element(list: &[Value], kind: &str) -> JsonObject {
    let mut element = JsonObject::new();
    element.insert("type".to_owned(), json!(kind));
    if !list.iter().filter_map(Value::as_object).any(is_primary) {
        element.insert("primary".to_owned(), json!(true));
    }
    element
}

fn is_of_kind(element: &Value, kind: &str) -> bool {
    element.as_object().is_some_and(|element| is_of(element, kind))
}

fn is_of(element: &JsonObject, kind: &str) -> bool {
    let element_type = json::member(element, "type").and_then(Value::as_str);
    element_type.is_some_and(|element_type| element_type.eq_ignore_ascii_case(kind))
}

fn is_primary(element: &JsonObject) -> bool {
    json::member(element, "primary").and_then(json::boolean) == Some(true)
}

fn has_content(element: &JsonObject) -> bool {
    let is_descriptive = |name: &str| matches!(name, "type" | "primary" | "display");
    element.iter().any(|(name, value)| !is_descriptive(name) && !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: Value, changes: &[(&'static str, &'static str, Option<&str>)], expect: Value) {
        let changes: Vec<ElementChange> = changes
            .iter()
            .map(|(kind, part, value)| ElementChange { kind, part, value: value.map(|value| json!(value)) })
            .collect();
        let after = with_changes(before.as_array().unwrap(), &changes);
        assert_eq!(after.map_or(Value::Null, Value::Array), expect);
    }

    #[test]
    fn elements_of_other_types_are_unchanged() {
        check(
            json!([{"type": "home", "value": "1", "x": 1}, {"type": "work", "value": "2", "primary": true}]),
            &[("work", "value", Some("3"))],
            json!([{"type": "home", "value": "1", "x": 1}, {"type": "work", "value": "3", "primary": true}]),
        );
    }

    #[test]
    fn new_type_is_added_and_first_element_is_primary() {
        check(
            json!([]),
            &[("work", "value", Some("1")), ("mobile", "value", Some("2"))],
            json!([{"type": "work", "value": "1", "primary": true}, {"type": "mobile", "value": "2"}]),
        );
        check(
            json!([{"type": "home", "value": "1", "primary": true}]),
            &[("work", "value", Some("2"))],
            json!([{"type": "home", "value": "1", "primary": true}, {"type": "work", "value": "2"}]),
        );
    }

    #[test]
    fn mapped_type_keeps_one_element() {
        check(
            json!([{"type": "work", "value": "1"}, {"type": "Work", "value": "2", "primary": true}, {"value": "3"}]),
            &[("work", "value", Some("4"))],
            json!([{"type": "Work", "value": "4", "primary": true}, {"value": "3"}]),
        );
    }

    #[test]
    fn unmapped_parts_of_an_address_are_kept() {
        check(
            json!([{"type": "work", "formatted": "London", "country": "GB", "primary": true}]),
            &[("work", "formatted", Some("Paris"))],
            json!([{"type": "work", "formatted": "Paris", "country": "GB", "primary": true}]),
        );
        check(
            json!([{"type": "work", "formatted": "London", "country": "GB", "primary": true}]),
            &[("work", "formatted", None)],
            json!([{"type": "work", "country": "GB", "primary": true}]),
        );
    }

    #[test]
    fn element_without_content_is_removed_with_its_type() {
        check(
            json!([{"type": "work", "value": "1", "display": "1"}, {"type": "work", "value": "2"}]),
            &[("work", "value", None)],
            json!([]),
        );
    }

    #[test]
    fn clearing_an_absent_value_sends_nothing() {
        check(json!([{"type": "home", "value": "1"}]), &[("work", "value", None)], Value::Null);
        check(json!([]), &[("work", "value", None), ("fax", "value", None)], Value::Null);
    }

    #[test]
    fn elements_without_type_are_kept() {
        check(
            json!(["x", 1, null, {"type": 3}]),
            &[("work", "value", Some("1"))],
            json!(["x", 1, null, {"type": 3}, {"type": "work", "value": "1", "primary": true}]),
        );
    }
}
