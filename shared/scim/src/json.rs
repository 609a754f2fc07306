//! Tolerant access to JSON of a server.

use serde_json::{Map, Value};

/// A JSON object.
pub(crate) type JsonObject = Map<String, Value>;

/// Member by name, first with exact case, then without: attribute names are case-insensitive (RFC 7643, 2.1).
pub(crate) fn member<'a>(object: &'a JsonObject, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        let mut members = object.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// Member that is an object.
pub(crate) fn object<'a>(object: &'a JsonObject, name: &str) -> Option<&'a JsonObject> {
    member(object, name).and_then(Value::as_object)
}

/// Member that is a list, or an empty list.
pub(crate) fn list<'a>(object: &'a JsonObject, name: &str) -> &'a [Value] {
    member(object, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Texts in a resource that may be personal data: all but those of schemas, metadata, types and ids.
pub(crate) fn texts(object: &JsonObject) -> impl Iterator<Item = &str> {
    let is_technical = |name: &str| matches!(name, "schemas" | "meta" | "type" | "id");
    object.iter().filter(move |(name, _)| !is_technical(name)).flat_map(|(_, value)| texts_of(value))
}

/// The recursion is bounded by the nesting that the JSON parser accepts.
fn texts_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(elements) => elements.iter().flat_map(texts_of).collect(),
        Value::Object(parts) => texts(parts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// Text that is not blank, or a number as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Integer, also if written as text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// Boolean, also if written as text or as 1 or 0.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) if text.trim() == "1" => Some(true),
        Value::String(text) if text.trim() == "0" => Some(false),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Id as text. A number must be an exact integer: a rounded id would name another account.
pub(crate) fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
        Value::Number(number) => number.as_u64().map(|id| id.to_string()),
        _ => None,
    }
}
