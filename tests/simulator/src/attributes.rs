//! Validation of received attributes.
//!
//! The result contains only known attributes of the right type. A `null` in it always clears the attribute: the rules for
//! `""` and `null` in the request have been applied.

use serde_json::{Map, Value};

use crate::{
    accounts::AccountAttributes,
    options::{EmptyValueRule, IdForm, SimulatorOptions, UndeclaredExtensionRule, UnknownAttributeRule},
    reply::Refusal,
    schema::{self, AttributeType, CORE, SchemaAttribute},
    spelling,
};

/// Validates a whole resource, from POST or PUT.
pub(crate) fn accept_resource(
    body: &AccountAttributes,
    options: &SimulatorOptions,
) -> Result<AccountAttributes, Refusal> {
    let mut body = spelling::received(body, options.product)?;
    let declared: Vec<String> = declared_schemas(&body)?.into_iter().map(str::to_owned).collect();
    let undeclared: Vec<String> = body
        .keys()
        .filter(|name| schema::is_extension(name) && !schema::is_read_only(name))
        .filter(|name| !declared.contains(name))
        .cloned()
        .collect();
    match options.undeclared_extensions {
        UndeclaredExtensionRule::Accept => {}
        UndeclaredExtensionRule::Ignore => body.retain(|name, _| !undeclared.contains(name)),
        UndeclaredExtensionRule::Refuse => {
            if let Some(name) = undeclared.first() {
                return Err(Refusal::invalid_value(format!(
                    "schemas: does not name {name}, which the body carries"
                )));
            }
        }
    }
    // Core attributes under the core URN are ignored; no server is known to read them there.
    body.remove(CORE);
    accept(&body, options)
}

/// Validates a resource, or the part that a PATCH operation names.
pub(crate) fn accept(
    body: &AccountAttributes,
    options: &SimulatorOptions,
) -> Result<AccountAttributes, Refusal> {
    let mut body = body.clone();
    body.retain(|name, _| !schema::is_read_only(name));
    accept_parts(&body, schema::attributes(options.product), "", options)
}

fn declared_schemas(body: &AccountAttributes) -> Result<Vec<&str>, Refusal> {
    let refusal = || Refusal::invalid_value("schemas: must be a list of strings");
    match body.get("schemas") {
        None => Ok(Vec::new()),
        Some(Value::Array(urns)) => urns.iter().map(|urn| urn.as_str().ok_or_else(refusal)).collect(),
        Some(_) => Err(refusal()),
    }
}

fn accept_parts(
    parts: &Map<String, Value>,
    known: &[SchemaAttribute],
    within: &str,
    options: &SimulatorOptions,
) -> Result<Map<String, Value>, Refusal> {
    let mut accepted = Map::new();
    for (name, value) in parts {
        let place = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        let value = match known.iter().find(|attribute| attribute.name == name) {
            Some(attribute) => accept_value(value, &attribute.kind, &place, options)?,
            None => accept_unknown(name, value, &place, options)?,
        };
        if let Some(value) = value {
            accepted.insert(name.clone(), value);
        }
    }
    Ok(accepted)
}

/// Unknown extensions are kept as received, where the product has extensions.
fn accept_unknown(
    name: &str,
    value: &Value,
    place: &str,
    options: &SimulatorOptions,
) -> Result<Option<Value>, Refusal> {
    if options.product.keeps_unknown_extensions() && schema::is_extension(name) {
        return match value {
            Value::Object(_) => Ok(Some(value.clone())),
            Value::Null => blank(options.null, place),
            _ => Err(wrong(place, "an object")),
        };
    }
    match options.unknown_attributes {
        UnknownAttributeRule::Ignore => Ok(None),
        UnknownAttributeRule::Refuse => {
            Err(Refusal::invalid_value(format!("{place}: there is no such attribute")))
        }
    }
}

fn accept_value(
    value: &Value,
    kind: &AttributeType,
    place: &str,
    options: &SimulatorOptions,
) -> Result<Option<Value>, Refusal> {
    if value.is_null() {
        return blank(options.null, place);
    }
    if value.as_str() == Some("") {
        return blank(options.empty_string, place);
    }
    let accepted = match (kind, value) {
        (AttributeType::Text, Value::String(_)) | (AttributeType::Flag, Value::Bool(_)) => value.clone(),
        (AttributeType::Text, _) => return Err(wrong(place, "a string")),
        (AttributeType::Flag, _) => return Err(wrong(place, "true or false")),
        (AttributeType::OneOf(choices), Value::String(text)) if choices.contains(&text.as_str()) => {
            value.clone()
        }
        (AttributeType::OneOf(choices), _) => {
            return Err(wrong(place, &format!("one of {}", choices.join(", "))));
        }
        (AttributeType::Integer, Value::Number(number)) if number.is_i64() => value.clone(),
        (AttributeType::Integer, _) => return Err(wrong(place, "an integer")),
        (AttributeType::AccountId, _) => {
            account_id(value, options.ids).ok_or_else(|| wrong(place, "the numeric id of an account"))?.into()
        }
        (AttributeType::Object(known), Value::Object(parts)) => {
            Value::Object(accept_parts(parts, known, place, options)?)
        }
        (AttributeType::Object(_), _) => return Err(wrong(place, "an object")),
        (AttributeType::List(known), Value::Array(elements)) => {
            return accept_list(elements, known, place, options);
        }
        (AttributeType::List(_), _) => return Err(wrong(place, "a list")),
    };
    Ok(Some(accepted))
}

/// An element whose content was empty, so that only its type remains, is dropped.
fn accept_list(
    elements: &[Value],
    known: &[SchemaAttribute],
    place: &str,
    options: &SimulatorOptions,
) -> Result<Option<Value>, Refusal> {
    let mut accepted = Vec::new();
    let mut cleared = false;
    for element in elements {
        let Value::Object(parts) = element else {
            return Err(wrong(place, "a list of objects"));
        };
        let mut parts_accepted = accept_parts(parts, known, place, options)?;
        cleared |= parts_accepted.values().any(Value::is_null);
        parts_accepted.retain(|_, value| !value.is_null());
        let is_content = |name: &str| !matches!(name, "type" | "primary");
        let lost_content =
            parts_accepted.len() < parts.len() && !parts_accepted.keys().any(|name| is_content(name));
        if !lost_content {
            accepted.push(Value::Object(parts_accepted));
        }
    }
    let was_ignored = accepted.is_empty() && !elements.is_empty() && !cleared;
    Ok((!was_ignored).then_some(Value::Array(accepted)))
}

fn account_id(value: &Value, ids: IdForm) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) if ids == IdForm::Text => digits.parse().ok(),
        _ => None,
    }
}

fn blank(rule: EmptyValueRule, place: &str) -> Result<Option<Value>, Refusal> {
    match rule {
        EmptyValueRule::Clear => Ok(Some(Value::Null)),
        EmptyValueRule::Ignore => Ok(None),
        EmptyValueRule::Refuse => Err(Refusal::invalid_value(format!("{place}: must not be empty"))),
    }
}

fn wrong(place: &str, expected: &str) -> Refusal {
    Refusal::invalid_value(format!("{place}: must be {expected}"))
}
