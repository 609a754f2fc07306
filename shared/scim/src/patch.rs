//! PATCH operations on single attributes (RFC 7644, section 3.5.2).

use model::{TargetAttribute, Value, ValueKind};
use serde_json::{Value as Json, json};

use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::render;
use dialect::{Dialect, DialectField, FieldPath};

/// Change of one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchOperation {
    /// Sets a value.
    Replace {
        /// The attribute.
        attribute: TargetAttribute,
        /// The value; an operation with an unresolved reference is omitted.
        value: Value,
    },
    /// Removes the value. A target may refuse this if there is none.
    Remove {
        /// The attribute.
        attribute: TargetAttribute,
    },
}

/// JSON of the operations.
pub(crate) fn operations(dialect: &Dialect, operations: &[PatchOperation]) -> Result<Vec<Json>, TargetError> {
    let mut rendered = Vec::new();
    for operation in operations {
        match operation {
            PatchOperation::Replace { attribute, value } => {
                let field = render::known(dialect, attribute)?;
                if let Some(value) = render::value(dialect, value) {
                    let value = match field.path {
                        FieldPath::Part { part, .. } if field.kind == ValueKind::Reference => {
                            json!({part: value})
                        }
                        _ => value,
                    };
                    rendered.push(json!({"op": "replace", "path": path(field), "value": value}));
                }
            }
            PatchOperation::Remove { attribute } => {
                let field = render::known(dialect, attribute)?;
                rendered.push(json!({"op": "remove", "path": path(field)}));
            }
        }
    }
    Ok(rendered)
}

/// Body of a PATCH.
pub(crate) fn body(operations: Vec<Json>) -> JsonObject {
    let mut body = JsonObject::new();
    body.insert("schemas".to_owned(), json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]));
    body.insert("Operations".to_owned(), Json::Array(operations));
    body
}

/// Whether an operation removes a value.
pub(crate) fn is_removal(operation: &Json) -> bool {
    operation.get("op").and_then(Json::as_str) == Some("remove")
}

/// Operation that sets a plain attribute of the core schema.
pub(crate) fn replacement(name: &str, value: &Json) -> Json {
    json!({"op": "replace", "path": name, "value": value})
}

/// Path of a field. The path of a reference ends at its object, which is one value.
fn path(field: &DialectField) -> String {
    let within = match field.path {
        FieldPath::Plain(name) => name.to_owned(),
        FieldPath::Part { of, .. } if field.kind == ValueKind::Reference => of.to_owned(),
        FieldPath::Part { of, part } => format!("{of}.{part}"),
        FieldPath::Typed { list, kind, part } => format!("{list}[type eq \"{kind}\"].{part}"),
    };
    match field.extension {
        Some(extension) => format!("{extension}:{within}"),
        None => within,
    }
}

#[cfg(test)]
mod tests {
    use model::AccountId;

    use super::*;

    #[test]
    fn operations_have_paths_and_values() {
        let dialect = Dialect::named("workplace").unwrap();
        let replace = |attribute: &str, value| PatchOperation::Replace { attribute: attribute.into(), value };
        let remove = |attribute: &str| PatchOperation::Remove { attribute: attribute.into() };
        let rendered = operations(
            dialect,
            &[
                replace("manager", Value::Account(AccountId::new("100000000000002").unwrap())),
                replace(
                    "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod",
                    Value::Text("sso".to_owned()),
                ),
                replace("manager", Value::Reference(model::DnKey::of("cn=m"))),
                remove("manager"),
                remove("title"),
                remove("name.middleName"),
                remove("phoneNumbers.fax"),
                remove("addresses.work.locality"),
            ],
        );
        // The order of members depends on features of `serde_json`.
        let line = |operation: &Json| {
            let of = |name| operation.get(name).map(ToString::to_string).unwrap_or_default();
            format!("{} {} {}", of("op"), of("path"), of("value")).trim().to_owned()
        };
        let rendered: Vec<String> = rendered.unwrap().iter().map(line).collect();
        insta::assert_snapshot!(rendered.join("\n"), @r#"
        "replace" "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager" {"managerId":100000000000002}
        "replace" "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod" "sso"
        "remove" "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
        "remove" "title"
        "remove" "name.middleName"
        "remove" "phoneNumbers[type eq \"fax\"].value"
        "remove" "addresses[type eq \"work\"].locality"
        "#);
    }

    #[test]
    fn unknown_attribute_is_refused() {
        let dialect = Dialect::named("workplace").unwrap();
        let error = operations(dialect, &[PatchOperation::Remove { attribute: "id".into() }]).unwrap_err();
        assert!(matches!(error, TargetError::Rejected { attribute: Some(name), .. } if name == "id"));
    }
}
