//! Attributes of an account.
//!
//! One table defines the accepted attributes, the read-only ones and the response of `/Schemas/Users`.

use serde_json::{Value, json};

use crate::options::Product;

pub(crate) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const START_TERM_DATES: &str =
    "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";
pub(crate) const AUTH_METHOD: &str = "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User";
pub(crate) const ACCOUNT_STATUS: &str =
    "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";

/// Attributes of the server and unknown fields: shown in resources, ignored in requests.
const READ_ONLY: [&str; 7] = ["schemas", "id", "meta", "groups", "badges", "work_teams", ACCOUNT_STATUS];

#[derive(Debug)]
pub(crate) struct SchemaAttribute {
    pub(crate) name: &'static str,
    pub(crate) kind: AttributeType,
}

#[derive(Debug)]
pub(crate) enum AttributeType {
    Text,
    OneOf(&'static [&'static str]),
    Flag,
    Integer,
    /// The numeric id of another account.
    AccountId,
    Object(&'static [SchemaAttribute]),
    List(&'static [SchemaAttribute]),
}

const fn attribute(name: &'static str, kind: AttributeType) -> SchemaAttribute {
    SchemaAttribute { name, kind }
}

const fn text(name: &'static str) -> SchemaAttribute {
    attribute(name, AttributeType::Text)
}

const VALUES: &[SchemaAttribute] =
    &[text("value"), text("type"), text("display"), attribute("primary", AttributeType::Flag)];

const ADDRESS: &[SchemaAttribute] = &[
    text("type"),
    text("formatted"),
    text("streetAddress"),
    text("locality"),
    text("region"),
    text("postalCode"),
    text("country"),
    attribute("primary", AttributeType::Flag),
];

static WORKPLACE: &[SchemaAttribute] = &[
    text("userName"),
    text("externalId"),
    attribute(
        "name",
        AttributeType::Object(&[
            text("formatted"),
            text("givenName"),
            text("familyName"),
            text("middleName"),
            text("honorificPrefix"),
            text("honorificSuffix"),
        ]),
    ),
    attribute("active", AttributeType::Flag),
    text("displayName"),
    text("nickName"),
    text("profileUrl"),
    text("title"),
    text("userType"),
    text("preferredLanguage"),
    text("locale"),
    text("timezone"),
    attribute("emails", AttributeType::List(VALUES)),
    attribute("phoneNumbers", AttributeType::List(VALUES)),
    attribute("addresses", AttributeType::List(ADDRESS)),
    attribute("photos", AttributeType::List(VALUES)),
    attribute(
        ENTERPRISE,
        AttributeType::Object(&[
            text("employeeNumber"),
            text("costCenter"),
            text("organization"),
            text("division"),
            text("department"),
            attribute(
                "manager",
                AttributeType::Object(&[
                    attribute("managerId", AttributeType::AccountId),
                    text("displayName"),
                ]),
            ),
        ]),
    ),
    attribute(
        START_TERM_DATES,
        AttributeType::Object(&[
            attribute("startDate", AttributeType::Integer),
            attribute("termDate", AttributeType::Integer),
        ]),
    ),
    attribute(
        AUTH_METHOD,
        AttributeType::Object(&[attribute("authMethod", AttributeType::OneOf(&["password", "sso"]))]),
    ),
];

/// Attributes of RFC 7643, sections 4.1 and 4.3, that a directory can supply.
static SCIM2: &[SchemaAttribute] = &[
    text("userName"),
    text("externalId"),
    attribute(
        "name",
        AttributeType::Object(&[
            text("formatted"),
            text("givenName"),
            text("familyName"),
            text("middleName"),
            text("honorificPrefix"),
            text("honorificSuffix"),
        ]),
    ),
    attribute("active", AttributeType::Flag),
    text("displayName"),
    text("nickName"),
    text("profileUrl"),
    text("title"),
    text("userType"),
    text("preferredLanguage"),
    text("locale"),
    text("timezone"),
    attribute("emails", AttributeType::List(VALUES)),
    attribute("phoneNumbers", AttributeType::List(VALUES)),
    attribute("ims", AttributeType::List(VALUES)),
    attribute("addresses", AttributeType::List(ADDRESS)),
    attribute("photos", AttributeType::List(VALUES)),
    attribute(
        ENTERPRISE,
        AttributeType::Object(&[
            text("employeeNumber"),
            text("costCenter"),
            text("organization"),
            text("division"),
            text("department"),
            attribute("manager", AttributeType::Object(&[text("value"), text("$ref"), text("displayName")])),
        ]),
    ),
];

/// Attributes of Meta Admin Center \[doc\].
static ADMIN_CENTER: &[SchemaAttribute] = &[
    text("userName"),
    text("externalId"),
    attribute("active", AttributeType::Flag),
    text("title"),
    text("preferredLanguage"),
    attribute("name", AttributeType::Object(&[text("givenName"), text("familyName"), text("formatted")])),
    attribute("emails", AttributeType::List(VALUES)),
    attribute("addresses", AttributeType::List(ADDRESS)),
    attribute("phoneNumbers", AttributeType::List(VALUES)),
    attribute(ENTERPRISE, AttributeType::Object(&[text("employeeNumber"), text("department")])),
];

pub(crate) fn attributes(product: Product) -> &'static [SchemaAttribute] {
    match product {
        // v1 has the same attributes under other names.
        Product::Workplace | Product::WorkplaceV1 => WORKPLACE,
        Product::AdminCenter => ADMIN_CENTER,
        Product::Scim2 | Product::Workvivo | Product::Slack => SCIM2,
    }
}

pub(crate) fn is_read_only(name: &str) -> bool {
    READ_ONLY.contains(&name)
}

pub(crate) fn is_extension(name: &str) -> bool {
    name.starts_with("urn:")
}

/// Schema in the form of RFC 7643; the live body is not recorded.
pub(crate) fn describe(product: Product) -> Value {
    json!({
        "id": CORE,
        "name": "User",
        "description": "User account",
        "attributes": attributes(product).iter().map(describe_attribute).collect::<Vec<_>>(),
    })
}

fn describe_attribute(attribute: &SchemaAttribute) -> Value {
    let (kind, parts): (_, &[SchemaAttribute]) = match attribute.kind {
        AttributeType::Text | AttributeType::OneOf(_) => ("string", &[]),
        AttributeType::Flag => ("boolean", &[]),
        AttributeType::Integer | AttributeType::AccountId => ("integer", &[]),
        AttributeType::Object(parts) | AttributeType::List(parts) => ("complex", parts),
    };
    let mut description = json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": matches!(attribute.kind, AttributeType::List(_)),
        "required": attribute.name == "name",
        "mutability": "readWrite",
        "returned": "default",
        "caseExact": attribute.name == "externalId",
        "uniqueness": match attribute.name {
            "userName" | "externalId" => "server",
            _ => "none",
        },
    });
    if let Some(description) = description.as_object_mut() {
        if !parts.is_empty() {
            let parts = parts.iter().map(describe_attribute).collect();
            description.insert("subAttributes".to_owned(), Value::Array(parts));
        }
        if let AttributeType::OneOf(values) = attribute.kind {
            description.insert("canonicalValues".to_owned(), json!(values));
        }
    }
    description
}
