//! Workplace from Meta, SCIM v2; Meta Admin Center serves a part of the same.
//!
//! Meta Admin Center takes fewer attributes than this table has \[doc\]. It is no dialect of its own: what it doesn't
//! know is the administrator's to leave unmapped, and nothing else differs.

use model::ValueKind;

use super::{Clear, Dialect, Field, IdForm, Put};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const DATES: &str = "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";
const AUTH: &str = "urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User";
const STATUS: &str = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";

pub(super) static WORKPLACE: Dialect = Dialect {
    name: "workplace",
    core: CORE,
    fields: FIELDS,
    // `name.formatted` is the required part \[doc\]; a mapping makes it of the others where it is not mapped.
    one_of: &["name.formatted", "name.givenName", "name.familyName"],
    // An echoed account status or group membership is at best ignored \[seen\].
    read_only: &["schemas", "id", "meta", "groups", STATUS],
    can_delete: Some((STATUS, "canDelete")),
    // Meta's samples PUT `active` alone and lose nothing \[sample\].
    put: Put::Merges,
    // One use is recorded, a `replace` \[sample\].
    has_patch: true,
    // The manager is a number in v2 too \[sample\].
    ids: IdForm::Number,
    // As Meta's own exporter asks; the maximum is not recorded, and shorter pages are fine \[sample\].
    page_size: 100,
};

static FIELDS: &[Field] = &[
    // Unique, and required of accounts without userName \[doc\].
    Field::text("externalId"),
    Field::part("name.formatted", "name", "formatted").cleared(Clear::Never),
    Field::part("name.givenName", "name", "givenName"),
    Field::part("name.familyName", "name", "familyName"),
    Field::part("name.middleName", "name", "middleName"),
    Field::part("name.honorificPrefix", "name", "honorificPrefix"),
    Field::part("name.honorificSuffix", "name", "honorificSuffix"),
    Field::text("displayName"),
    Field::text("nickName"),
    Field::text("profileUrl"),
    Field::text("title"),
    Field::text("userType"),
    Field::text("preferredLanguage"),
    Field::text("locale"),
    Field::text("timezone"),
    // The types are RFC 7643's where Workplace's own are not recorded \[inferred\]; for phone numbers they are
    // \[sample\], and so is the address of type work, which people see as their location \[doc\].
    Field::typed("emails.work", "emails", "work", "value"),
    Field::typed("emails.home", "emails", "home", "value"),
    Field::typed("emails.other", "emails", "other", "value"),
    Field::typed("phoneNumbers.work", "phoneNumbers", "work", "value"),
    Field::typed("phoneNumbers.mobile", "phoneNumbers", "mobile", "value"),
    Field::typed("phoneNumbers.home", "phoneNumbers", "home", "value"),
    Field::typed("phoneNumbers.fax", "phoneNumbers", "fax", "value"),
    Field::typed("addresses.work.formatted", "addresses", "work", "formatted"),
    Field::typed("addresses.work.streetAddress", "addresses", "work", "streetAddress"),
    Field::typed("addresses.work.locality", "addresses", "work", "locality"),
    Field::typed("addresses.work.region", "addresses", "work", "region"),
    Field::typed("addresses.work.postalCode", "addresses", "work", "postalCode"),
    Field::typed("addresses.work.country", "addresses", "work", "country"),
    Field::typed("addresses.home.formatted", "addresses", "home", "formatted"),
    Field::typed("addresses.home.streetAddress", "addresses", "home", "streetAddress"),
    Field::typed("addresses.home.locality", "addresses", "home", "locality"),
    Field::typed("addresses.home.region", "addresses", "home", "region"),
    Field::typed("addresses.home.postalCode", "addresses", "home", "postalCode"),
    Field::typed("addresses.home.country", "addresses", "home", "country"),
    Field::typed("addresses.other.formatted", "addresses", "other", "formatted"),
    Field::typed("addresses.other.streetAddress", "addresses", "other", "streetAddress"),
    Field::typed("addresses.other.locality", "addresses", "other", "locality"),
    Field::typed("addresses.other.region", "addresses", "other", "region"),
    Field::typed("addresses.other.postalCode", "addresses", "other", "postalCode"),
    Field::typed("addresses.other.country", "addresses", "other", "country"),
    Field::typed("photos.profile", "photos", "profile", "value"),
    Field::text("employeeNumber").of(ENTERPRISE),
    Field::text("costCenter").of(ENTERPRISE),
    Field::text("organization").of(ENTERPRISE),
    Field::text("division").of(ENTERPRISE),
    Field::text("department").of(ENTERPRISE),
    // `managerId`, not RFC 7643's `value` \[sample\].
    Field::part("manager", "manager", "managerId")
        .of(ENTERPRISE)
        .takes(ValueKind::Reference)
        .cleared(Clear::Omit),
    // Unix seconds \[sample\].
    Field::text("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:startDate")
        .at("startDate")
        .of(DATES)
        .takes(ValueKind::Integer)
        .cleared(Clear::Omit),
    // Zero stands for no date \[sample\].
    Field::text("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:termDate")
        .at("termDate")
        .of(DATES)
        .takes(ValueKind::Integer)
        .cleared(Clear::Zero),
    // `password` or `sso` \[sample\]; an account always has one of them \[inferred\].
    Field::text("urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod")
        .at("authMethod")
        .of(AUTH)
        .cleared(Clear::Never),
];
