//! Attributes with several values, told apart by their type: e-mails, phone numbers, addresses, photos.

use serde_json::{Value, json};

use crate::json::{self, JsonObject};

/// What should become of one part of the element of one type.
#[derive(Clone, Debug)]
pub(crate) struct ElementChange {
    pub(crate) kind: &'static str,
    pub(crate) part: &'static str,
    /// The new value; `None` when it should go.
    pub(crate) value: Option<Value>,
}

/// The element that stands for a type: the primary one, else the first.
pub(crate) fn standing_for<'a>(elements: &'a [Value], kind: &str) -> Option<&'a JsonObject> {
    let mut of_kind = elements.iter().filter_map(Value::as_object).filter(|element| is_of(element, kind));
    let first = of_kind.clone().next();
    of_kind.find(|element| is_primary(element)).or(first)
}

/// The whole list with the changes made, or `None` where they change nothing that needs to be sent. The changes of
/// one type stand together.
///
/// Elements of other types stay exactly as they are. A mapped type belongs to the mapping: one element is left of
/// it, with those of its parts that nobody mapped, or none when it has nothing left to say.
pub(crate) fn with_changes(elements: &[Value], changes: &[ElementChange]) -> Option<Vec<Value>> {
    let mut list = elements.to_vec();
    let mut is_touched = false;
    for changes in changes.chunk_by(|a, b| a.kind == b.kind) {
        let Some(kind) = changes.first().map(|change| change.kind) else { continue };
        let Some(element) = changed(&list, kind, changes) else { continue };
        is_touched = true;
        let position = list.iter().position(|element| is_of_kind(element, kind)).unwrap_or(list.len());
        list.retain(|element| !is_of_kind(element, kind));
        if says_something(&element) {
            list.insert(position.min(list.len()), Value::Object(element));
        }
    }
    is_touched.then_some(list)
}

/// The element of a type after its changes; `None` when there was nothing to take away and nothing is added.
fn changed(list: &[Value], kind: &str, changes: &[ElementChange]) -> Option<JsonObject> {
    let mut is_touched = false;
    let mut element = standing_for(list, kind).cloned().unwrap_or_else(|| new_element(list, kind));
    for ElementChange { kind: _, part, value } in changes {
        let old = element.remove(*part);
        is_touched |= value.is_some() || old.is_some();
        if old != *value {
            // A label for the old value, made by the server (RFC 7643, 2.4).
            element.remove("display");
        }
        if let Some(value) = value {
            element.insert((*part).to_owned(), value.clone());
        }
    }
    is_touched.then_some(element)
}

/// The first of a list is its primary element, as the samples have it; one that is there already keeps the rank.
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
    let its_kind = json::member(element, "type").and_then(Value::as_str);
    its_kind.is_some_and(|its_kind| its_kind.eq_ignore_ascii_case(kind))
}

fn is_primary(element: &JsonObject) -> bool {
    json::member(element, "primary").and_then(json::boolean) == Some(true)
}

fn says_something(element: &JsonObject) -> bool {
    let is_about_itself = |name: &str| matches!(name, "type" | "primary" | "display");
    element.iter().any(|(name, value)| !is_about_itself(name) && !value.is_null())
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
    fn other_types_stay_as_they_are() {
        check(
            json!([{"type": "home", "value": "1", "x": 1}, {"type": "work", "value": "2", "primary": true}]),
            &[("work", "value", Some("3"))],
            json!([{"type": "home", "value": "1", "x": 1}, {"type": "work", "value": "3", "primary": true}]),
        );
    }

    #[test]
    fn a_new_type_is_added_and_the_first_is_primary() {
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
    fn several_values_of_a_mapped_type_become_one() {
        check(
            json!([{"type": "work", "value": "1"}, {"type": "Work", "value": "2", "primary": true}, {"value": "3"}]),
            &[("work", "value", Some("4"))],
            json!([{"type": "Work", "value": "4", "primary": true}, {"value": "3"}]),
        );
    }

    #[test]
    fn unmapped_parts_of_an_address_stay() {
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
    fn an_element_without_content_goes_with_all_of_its_type() {
        check(
            json!([{"type": "work", "value": "1", "display": "1"}, {"type": "work", "value": "2"}]),
            &[("work", "value", None)],
            json!([]),
        );
    }

    #[test]
    fn nothing_is_sent_where_there_is_nothing_to_clear() {
        check(json!([{"type": "home", "value": "1"}]), &[("work", "value", None)], Value::Null);
        check(json!([]), &[("work", "value", None), ("fax", "value", None)], Value::Null);
    }

    #[test]
    fn a_strange_list_is_left_alone() {
        check(
            json!(["x", 1, null, {"type": 3}]),
            &[("work", "value", Some("1"))],
            json!(["x", 1, null, {"type": 3}, {"type": "work", "value": "1", "primary": true}]),
        );
    }
}
