//! Names of Workplace's SCIM v1.
//!
//! The simulator uses v2's names internally and converts v1 bodies. v2's names in a v1 request are refused, so that a
//! client that mixes the two fails.

use serde_json::{Map, Value, json};

use crate::{
    options::Product,
    reply::Refusal,
    schema::{ACCOUNT_STATUS, AUTH_METHOD, CORE, ENTERPRISE, START_TERM_DATES},
};

/// URNs of v2 and v1 \[doc\].
const URNS: [(&str, &str); 5] = [
    (CORE, "urn:scim:schemas:core:1.0"),
    (ENTERPRISE, "urn:scim:schemas:extension:enterprise:1.0"),
    (START_TERM_DATES, "urn:scim:schemas:extension:facebook:starttermdates:1.0"),
    (ACCOUNT_STATUS, "urn:scim:schemas:extension:facebook:accountstatusdetails:1.0"),
    (AUTH_METHOD, "urn:scim:schemas:extension:facebook:auth_method:1.0"),
];

/// `authMethod` in v2 and v1 \[sample\].
const AUTH: (&str, &str) = ("authMethod", "auth_method");

/// Received resource, in v2's names.
pub(crate) fn received(body: &Map<String, Value>, product: Product) -> Result<Map<String, Value>, Refusal> {
    if product != Product::WorkplaceV1 {
        return Ok(body.clone());
    }
    let declared = body.get("schemas").and_then(Value::as_array).into_iter().flatten();
    let mut names = body.keys().map(String::as_str).chain(declared.filter_map(Value::as_str));
    if let Some(name) = names.find(|name| name.starts_with("urn:ietf:")) {
        return Err(Refusal::invalid_value(format!("schemas: {name} is not a schema of v1")));
    }
    Ok(respelled(body, |(v2, v1)| (v1, v2)))
}

/// Resource of a response, in the product's names.
pub(crate) fn sent(resource: Map<String, Value>, product: Product) -> Map<String, Value> {
    match product {
        Product::WorkplaceV1 => respelled(&resource, |(v2, v1)| (v2, v1)),
        _ => resource,
    }
}

type NamePair = (&'static str, &'static str);

fn respelled(resource: &Map<String, Value>, direction: fn(NamePair) -> NamePair) -> Map<String, Value> {
    let respell = |name: &str| {
        let found = URNS.into_iter().map(direction).find(|(from, _)| *from == name);
        found.map_or_else(|| name.to_owned(), |(_, to)| to.to_owned())
    };
    let (from, to) = direction(AUTH);
    let members = resource.iter().map(|(name, value)| {
        let value = match value {
            Value::Array(urns) if name == "schemas" => urns
                .iter()
                .map(|urn| urn.as_str().map_or_else(|| urn.clone(), |urn| json!(respell(urn))))
                .collect(),
            Value::Object(parts) if URNS.into_iter().map(direction).any(|(urn, _)| urn == name) => {
                let rename = |part: &String| if part == from { to.to_owned() } else { part.clone() };
                Value::Object(parts.iter().map(|(part, value)| (rename(part), value.clone())).collect())
            }
            other => other.clone(),
        };
        (respell(name), value)
    });
    members.collect()
}
