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

/// Value of one type. In a list without types, the primary or first element is the one for work.
pub(crate) fn value<'a>(elements: &'a [Value], kind: &str, part: &str) -> Option<&'a Value> {
    if let Some(element) = representative(elements, kind) {
        return json::member(element, part);
    }
    if kind != "work" || !is_untyped(elements) {
        return None;
    }
    match elements.get(primary_position(elements))? {
        Value::Object(element) => json::member(element, part),
        text @ Value::String(_) if part == "value" => Some(text),
        _ => None,
    }
}

/// Text of a sub-attribute of an element; a plain text is its own value.
pub(crate) fn text_of(element: &Value, part: &str) -> Option<String> {
    match element {
        Value::Object(element) => json::text(json::member(element, part)?),
        Value::String(_) if part == "value" => json::text(element),
        _ => None,
    }
}

/// Position of the primary element, else of the first.
pub(crate) fn primary_position(elements: &[Value]) -> usize {
    let is_primary = |element: &Value| element.as_object().is_some_and(is_primary);
    elements.iter().position(is_primary).unwrap_or_default()
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

/// Whether a list has elements, texts or objects, and none of them a type.
pub(crate) fn is_untyped(elements: &[Value]) -> bool {
    let has_no_type = |element: &Value| match element {
        Value::Object(element) => json::member(element, "type").is_none_or(Value::is_null),
        Value::String(_) => true,
        _ => false,
    };
    !elements.is_empty() && elements.iter().all(has_no_type)
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

pub(crate) fn is_of_kind(element: &Value, kind: &str) -> bool {
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

    type TestChange = (&'static str, &'static str, Option<&'static str>);

    fn after(before: &Value, changes: &[TestChange]) -> Value {
        let changes: Vec<ElementChange> = changes
            .iter()
            .map(|(kind, part, value)| ElementChange { kind, part, value: value.map(|value| json!(value)) })
            .collect();
        with_changes(before.as_array().unwrap(), &changes).map_or(Value::Null, Value::Array)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table with one case per row")]
    fn change_of_a_list_keeps_all_other_elements_and_parts() {
        let set = |value| vec![("work", "value", Some(value))];
        let (home, primary) =
            (json!({"type": "home", "value": "1", "x": 1}), json!({"type": "home", "primary": true}));
        let address = json!({"type": "work", "formatted": "London", "country": "GB", "primary": true});
        for (reason, before, changes, expected) in [
            (
                "elements of other types are unchanged",
                json!([home, {"type": "work", "value": "2", "primary": true}]),
                set("3"),
                json!([home, {"type": "work", "value": "3", "primary": true}]),
            ),
            (
                "the first element is primary",
                json!([]),
                vec![("work", "value", Some("1")), ("mobile", "value", Some("2"))],
                json!([{"type": "work", "value": "1", "primary": true}, {"type": "mobile", "value": "2"}]),
            ),
            (
                "a primary element stays primary",
                json!([primary]),
                set("2"),
                json!([primary, {"type": "work", "value": "2"}]),
            ),
            (
                "a mapped type keeps one element",
                json!([{"type": "work", "value": "1"}, {"type": "Work", "value": "2", "primary": true}, {"value": "3"}]),
                set("4"),
                json!([{"type": "Work", "value": "4", "primary": true}, {"value": "3"}]),
            ),
            (
                "unmapped parts are kept",
                json!([address]),
                vec![("work", "formatted", Some("Paris"))],
                json!([{"type": "work", "formatted": "Paris", "country": "GB", "primary": true}]),
            ),
            (
                "unmapped parts are kept without the mapped one",
                json!([address]),
                vec![("work", "formatted", None)],
                json!([{"type": "work", "country": "GB", "primary": true}]),
            ),
            (
                "an element without content is removed",
                json!([{"type": "work", "value": "1", "display": "1"}, {"type": "work", "value": "2"}]),
                vec![("work", "value", None)],
                json!([]),
            ),
            ("an absent value needs no clearing", json!([home]), vec![("work", "value", None)], Value::Null),
            (
                "several absent values need no clearing",
                json!([]),
                vec![("work", "value", None), ("fax", "value", None)],
                Value::Null,
            ),
            (
                "elements without a type are kept",
                json!(["x", 1, null, {"type": 3}]),
                set("1"),
                json!(["x", 1, null, {"type": 3}, {"type": "work", "value": "1", "primary": true}]),
            ),
        ] {
            assert_eq!(after(&before, &changes), expected, "{reason}");
        }
    }
}
