//! PATCH: operations on parts of an account (RFC 7644, section 3.5.2).
//!
//! One use is recorded, a `replace` of `authMethod` \[sample\]; the rest follows the RFC. Each operation becomes a
//! fragment of a resource, which is validated and merged as in PUT.

use serde_json::{Map, Value, json};

use crate::{
    accounts::AccountAttributes,
    attributes,
    filter::Comparison,
    merge::{MergeDepth, merge},
    options::{EmptyValueRule, NoTargetRule, SimulatorOptions},
    path::{PatchPath, PathTarget},
    reply::Refusal,
};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Whether values are added to a list or replace it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ListMode {
    Add,
    Replace,
}

/// Applies the operations. After a refusal the caller drops `account`.
pub(crate) fn apply(
    account: &mut AccountAttributes,
    request: &AccountAttributes,
    options: &SimulatorOptions,
) -> Result<(), Refusal> {
    let syntax = |detail: &str| Refusal::invalid("invalidSyntax", detail);
    let is_patch =
        request.get("schemas").and_then(Value::as_array).is_some_and(|urns| urns.contains(&json!(PATCH_OP)));
    if !is_patch {
        return Err(syntax("schemas: must name the PatchOp message"));
    }
    let operations = match request.get("Operations") {
        Some(Value::Array(operations)) if !operations.is_empty() => operations,
        _ => return Err(syntax("Operations: must be a list of operations")),
    };
    for operation in operations {
        let path = match operation.get("path") {
            None => None,
            Some(Value::String(path)) => Some(PatchPath::parse(path)?),
            Some(_) => return Err(Refusal::invalid("invalidPath", "path: must be a string")),
        };
        let name = operation.get("op").and_then(Value::as_str).unwrap_or("");
        let mode = match name.to_ascii_lowercase().as_str() {
            "add" => ListMode::Add,
            "replace" => ListMode::Replace,
            "remove" if !options.patch_removes => {
                return Err(Refusal::invalid_value("op: remove is not supported"));
            }
            "remove" => {
                let path =
                    path.ok_or_else(|| Refusal::invalid("noTarget", "path: must say what to remove"))?;
                remove(account, &path);
                continue;
            }
            _ => return Err(syntax("op: must be add, replace or remove")),
        };
        match (path, operation.get("value")) {
            (Some(path), Some(value)) => set(account, (mode, &path), value, options)?,
            (None, Some(Value::Object(values))) => {
                for (name, value) in values {
                    // Senders put paths where the RFC has attribute names.
                    set(account, (mode, &PatchPath::parse(name)?), value, options)?;
                }
            }
            (None, Some(_)) => {
                return Err(Refusal::invalid_value("value: must be an object without path"));
            }
            (_, None) => return Err(Refusal::invalid_value("value: is missing")),
        }
    }
    Ok(())
}

fn set(
    account: &mut AccountAttributes,
    (mode, path): (ListMode, &PatchPath),
    value: &Value,
    options: &SimulatorOptions,
) -> Result<(), Refusal> {
    if is_ignored(value, options) {
        return Ok(());
    }
    let there = container(account, path);
    let list = |attribute: &str| {
        let list = there.and_then(|there| there.get(attribute));
        list.and_then(Value::as_array).cloned()
    };
    let fragment = match &path.target {
        PathTarget::Extension => value.clone(),
        PathTarget::Attribute(attribute) => match list(attribute) {
            Some(elements) if mode == ListMode::Add => json!({attribute: added(elements, value)}),
            _ => json!({attribute: value}),
        },
        PathTarget::Part(attribute, part) => json!({attribute: {part: value}}),
        PathTarget::Elements(attribute, comparison, part) => {
            let mut elements = list(attribute).unwrap_or_default();
            if !elements.iter().any(|element| comparison.selects(element)) {
                elements.push(missing_element(comparison, options)?);
            }
            for element in elements.iter_mut().filter(|e| comparison.selects(e)) {
                write_element(element, part.as_deref(), value)?;
            }
            json!({attribute: elements})
        }
    };
    let fragment = match &path.extension {
        Some(urn) => json!({urn: fragment}),
        None => fragment,
    };
    if let Value::Object(fragment) = fragment {
        merge(account, attributes::accept(&fragment, options)?, MergeDepth::Parts);
    }
    Ok(())
}

/// An ignored empty value must not reach a list, where it would remove its element.
fn is_ignored(value: &Value, options: &SimulatorOptions) -> bool {
    match value {
        Value::Null => options.null == EmptyValueRule::Ignore,
        Value::String(text) if text.is_empty() => options.empty_string == EmptyValueRule::Ignore,
        _ => false,
    }
}

fn container<'a>(account: &'a AccountAttributes, path: &PatchPath) -> Option<&'a Map<String, Value>> {
    match &path.extension {
        Some(urn) => account.get(urn)?.as_object(),
        None => Some(account),
    }
}

/// Existing values are not added again, and only the newest primary value stays primary.
fn added(mut elements: Vec<Value>, value: &Value) -> Vec<Value> {
    let new = match value {
        Value::Array(new) => new.clone(),
        one => vec![one.clone()],
    };
    for value in new {
        if elements.contains(&value) {
            continue;
        }
        if value.get("primary") == Some(&Value::Bool(true)) {
            for parts in elements.iter_mut().filter_map(Value::as_object_mut) {
                parts.remove("primary");
            }
        }
        elements.push(value);
    }
    elements
}

fn missing_element(comparison: &Comparison, options: &SimulatorOptions) -> Result<Value, Refusal> {
    let Comparison { attribute, value } = comparison;
    match options.patch_no_target {
        NoTargetRule::Create => Ok(json!({attribute: value})),
        NoTargetRule::Refuse => {
            Err(Refusal::invalid("noTarget", format!("path: no value has the {attribute} {value}")))
        }
    }
}

fn write_element(element: &mut Value, part: Option<&str>, value: &Value) -> Result<(), Refusal> {
    let Some(parts) = element.as_object_mut() else {
        return Ok(());
    };
    match (part, value) {
        (Some(part), value) => {
            parts.insert(part.to_owned(), value.clone());
        }
        (None, Value::Object(new)) => parts.extend(new.clone()),
        (None, _) => return Err(Refusal::invalid_value("value: must be an object")),
    }
    Ok(())
}

/// Removing an absent value is no error.
fn remove(account: &mut AccountAttributes, path: &PatchPath) {
    let Some(urn) = &path.extension else {
        return remove_target(account, &path.target);
    };
    if path.target == PathTarget::Extension {
        account.remove(urn);
    } else if let Some(Value::Object(extension)) = account.get_mut(urn) {
        remove_target(extension, &path.target);
        if extension.is_empty() {
            account.remove(urn);
        }
    }
}

fn remove_target(container: &mut Map<String, Value>, target: &PathTarget) {
    let (attribute, is_empty) = match target {
        PathTarget::Extension => return,
        PathTarget::Attribute(attribute) => (attribute, true),
        PathTarget::Part(attribute, part) => {
            let Some(Value::Object(parts)) = container.get_mut(attribute) else {
                return;
            };
            parts.remove(part);
            (attribute, parts.is_empty())
        }
        PathTarget::Elements(attribute, comparison, part) => {
            let Some(Value::Array(elements)) = container.get_mut(attribute) else {
                return;
            };
            match part {
                None => elements.retain(|element| !comparison.selects(element)),
                Some(part) => {
                    let selected = elements.iter_mut().filter(|e| comparison.selects(e));
                    for parts in selected.filter_map(Value::as_object_mut) {
                        parts.remove(part);
                    }
                }
            }
            (attribute, elements.is_empty())
        }
    };
    if is_empty {
        container.remove(attribute);
    }
}
