//! Small helpers for JSON that somebody else wrote.

use serde_json::{Map, Value};

/// A JSON object.
pub(crate) type JsonObject = Map<String, Value>;

/// A member by name, as it is spelled or else without case: SCIM's attribute names have none (RFC 7643, 2.1).
pub(crate) fn member<'a>(object: &'a JsonObject, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        let mut members = object.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// A member that is an object.
pub(crate) fn object<'a>(object: &'a JsonObject, name: &str) -> Option<&'a JsonObject> {
    member(object, name).and_then(Value::as_object)
}

/// A member that is a list; the empty list otherwise.
pub(crate) fn list<'a>(object: &'a JsonObject, name: &str) -> &'a [Value] {
    member(object, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// All texts in a resource that may be about a person: everything but what says of which form or type something is.
pub(crate) fn texts(object: &JsonObject) -> impl Iterator<Item = &str> {
    let is_form = |name: &str| matches!(name, "schemas" | "meta" | "type" | "id");
    object.iter().filter(move |(name, _)| !is_form(name)).flat_map(|(_, value)| texts_of(value))
}

/// A parsed text is nested less deeply than what the parser takes, so this ends.
fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(elements) => elements.iter().flat_map(texts_of).collect(),
        Value::Object(parts) => texts(parts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Text that says something; numbers are taken as they are written.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, also one that is written as text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// A truth value, also one that is written as text.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An id as text. A number is taken only where its digits are known exactly: a rounded id is another account's.
pub(crate) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
        Value::Number(number) => number.as_u64().map(|id| id.to_string()),
        _ => None,
    }
}
