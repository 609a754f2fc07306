//! The attributes that an account may have.
//!
//! One table says what is accepted, what is read-only, and what `/Schemas/Users` tells.

use serde_json::{Value, json};

use crate::options::Product;

pub(crate) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const START_TERM_DATES: &str =
    "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";
pub(crate) const AUTH_METHOD: &str = "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User";
pub(crate) const ACCOUNT_STATUS: &str =
    "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";

/// What comes back in resources and is ignored when it is sent: the server's own, and the unknown fields.
const READ_ONLY: [&str; 7] = ["schemas", "id", "meta", "groups", "badges", "work_teams", ACCOUNT_STATUS];

#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    OneOf(&'static [&'static str]),
    Flag,
    Integer,
    /// The numeric id of another account.
    AccountId,
    Object(&'static [Attribute]),
    List(&'static [Attribute]),
}

const fn attribute(name: &'static str, kind: Kind) -> Attribute {
    Attribute { name, kind }
}

const fn text(name: &'static str) -> Attribute {
    attribute(name, Kind::Text)
}

const VALUES: &[Attribute] =
    &[text("value"), text("type"), text("display"), attribute("primary", Kind::Flag)];

const ADDRESS: &[Attribute] = &[
    text("type"),
    text("formatted"),
    text("streetAddress"),
    text("locality"),
    text("region"),
    text("postalCode"),
    text("country"),
    attribute("primary", Kind::Flag),
];

static WORKPLACE: &[Attribute] = &[
    text("userName"),
    text("externalId"),
    attribute(
        "name",
        Kind::Object(&[
            text("formatted"),
            text("givenName"),
            text("familyName"),
            text("middleName"),
            text("honorificPrefix"),
            text("honorificSuffix"),
        ]),
    ),
    attribute("active", Kind::Flag),
    text("displayName"),
    text("nickName"),
    text("profileUrl"),
    text("title"),
    text("userType"),
    text("preferredLanguage"),
    text("locale"),
    text("timezone"),
    attribute("emails", Kind::List(VALUES)),
    attribute("phoneNumbers", Kind::List(VALUES)),
    attribute("addresses", Kind::List(ADDRESS)),
    attribute("photos", Kind::List(VALUES)),
    attribute(
        ENTERPRISE,
        Kind::Object(&[
            text("employeeNumber"),
            text("costCenter"),
            text("organization"),
            text("division"),
            text("department"),
            attribute(
                "manager",
                Kind::Object(&[attribute("managerId", Kind::AccountId), text("displayName")]),
            ),
        ]),
    ),
    attribute(
        START_TERM_DATES,
        Kind::Object(&[attribute("startDate", Kind::Integer), attribute("termDate", Kind::Integer)]),
    ),
    attribute(AUTH_METHOD, Kind::Object(&[attribute("authMethod", Kind::OneOf(&["password", "sso"]))])),
];

/// RFC 7643's, sections 4.1 and 4.3, as far as a directory can say anything of them.
static SCIM2: &[Attribute] = &[
    text("userName"),
    text("externalId"),
    attribute(
        "name",
        Kind::Object(&[
            text("formatted"),
            text("givenName"),
            text("familyName"),
            text("middleName"),
            text("honorificPrefix"),
            text("honorificSuffix"),
        ]),
    ),
    attribute("active", Kind::Flag),
    text("displayName"),
    text("nickName"),
    text("profileUrl"),
    text("title"),
    text("userType"),
    text("preferredLanguage"),
    text("locale"),
    text("timezone"),
    attribute("emails", Kind::List(VALUES)),
    attribute("phoneNumbers", Kind::List(VALUES)),
    attribute("ims", Kind::List(VALUES)),
    attribute("addresses", Kind::List(ADDRESS)),
    attribute("photos", Kind::List(VALUES)),
    attribute(
        ENTERPRISE,
        Kind::Object(&[
            text("employeeNumber"),
            text("costCenter"),
            text("organization"),
            text("division"),
            text("department"),
            attribute("manager", Kind::Object(&[text("value"), text("$ref"), text("displayName")])),
        ]),
    ),
];

/// What Meta Admin Center accepts \[doc\].
static ADMIN_CENTER: &[Attribute] = &[
    text("userName"),
    text("externalId"),
    attribute("active", Kind::Flag),
    text("title"),
    text("preferredLanguage"),
    attribute("name", Kind::Object(&[text("givenName"), text("familyName"), text("formatted")])),
    attribute("emails", Kind::List(VALUES)),
    attribute("addresses", Kind::List(ADDRESS)),
    attribute("phoneNumbers", Kind::List(VALUES)),
    attribute(ENTERPRISE, Kind::Object(&[text("employeeNumber"), text("department")])),
];

pub(crate) fn attributes(product: Product) -> &'static [Attribute] {
    match product {
        // v1 has the same under other names.
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

/// RFC 7643's description of the table; the live body is not recorded.
pub(crate) fn describe(product: Product) -> Value {
    json!({
        "id": CORE,
        "name": "User",
        "description": "User account",
        "attributes": attributes(product).iter().map(describe_attribute).collect::<Vec<_>>(),
    })
}

fn describe_attribute(attribute: &Attribute) -> Value {
    let (kind, parts): (_, &[Attribute]) = match attribute.kind {
        Kind::Text | Kind::OneOf(_) => ("string", &[]),
        Kind::Flag => ("boolean", &[]),
        Kind::Integer | Kind::AccountId => ("integer", &[]),
        Kind::Object(parts) | Kind::List(parts) => ("complex", parts),
    };
    let mut description = json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": matches!(attribute.kind, Kind::List(_)),
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
        if let Kind::OneOf(values) = attribute.kind {
            description.insert("canonicalValues".to_owned(), json!(values));
        }
    }
    description
}
