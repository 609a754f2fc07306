//! `workplace` and `workplace-v1`: SCIM v2 and v1 of Workplace from Meta. Meta Admin Center serves a subset of v2.
//!
//! Meta Admin Center has fewer attributes than this table \[doc\] and no other differences, so it uses `workplace` with a
//! smaller mapping.
//!
//! | | `workplace` | `workplace-v1` | certainty |
//! | --- | --- | --- | --- |
//! | base | `https://scim.workplace.com` | `https://www.workplace.com/scim/v1`, before that at `www.facebook.com` | \[doc\] |
//! | URNs | RFC 7643's form | `urn:scim:schemas:…:1.0` | \[doc\] |
//! | sign-in method | `authMethod` | `auth_method` | \[sample\] |
//! | PUT | merges | merges | \[sample\] |
//! | PATCH | yes | no | \[doc\] |
//! | manager | `manager.managerId`, a number | the same | \[sample\] |
//! | errors | any of three shapes | `Errors[]`, Graph's | \[doc\] |
//!
//! Without PATCH, a value that v1 does not clear by an empty text or omission remains, and the response to the update
//! shows it. The extension for frontline workers is in neither table: its v2 URN is not recorded.

use model::ValueKind;

use crate::common::{COMMON, enterprise, joined};
use crate::definition::{AccountIdForm, CallBudget, Dialect, DialectDelete, DialectPatch, DialectPut};
use crate::field::{DialectClear, DialectField};

const STATUS: &str = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";
const STATUS_V1: &str = "urn:scim:schemas:extension:facebook:accountstatusdetails:1.0";

/// `name.formatted` is required \[doc\]; an unmapped one is composed of the other parts.
const NAMES: &[&str] = &["name.formatted", "name.givenName", "name.familyName"];

pub(crate) static WORKPLACE: Dialect = Dialect {
    name: "workplace",
    core: "urn:ietf:params:scim:schemas:core:2.0:User",
    fields: FIELDS,
    required: &[NAMES],
    // Accounts without e-mail address have an `externalId` \[doc\].
    nameless: true,
    immutable: &[],
    // Account status and groups are at best ignored in a request \[seen\].
    read_only: &["schemas", "id", "meta", "groups", STATUS],
    can_delete: Some((STATUS, "canDelete")),
    // A PUT of `active` alone keeps all other attributes \[sample\].
    put: DialectPut::Merges,
    // One recorded use: a `replace` \[sample\].
    patch: DialectPatch::Always,
    // Refused for accounts that were ever claimed \[doc\].
    delete: DialectDelete::Deletes,
    // `managerId` is a number in v1 and v2 \[sample\].
    ids: AccountIdForm::Number,
    // Page size of Meta's exporter; the maximum is not recorded \[sample\].
    page_size: 100,
    // No limit is published \[doc\].
    budget: CallBudget::Unlimited,
    // An integration without calls for 60 days is deactivated \[doc\].
    keep_alive_days: Some(30),
};

pub(crate) static WORKPLACE_V1: Dialect = Dialect {
    name: "workplace-v1",
    core: "urn:scim:schemas:core:1.0",
    fields: FIELDS_V1,
    read_only: &["schemas", "id", "meta", "groups", STATUS_V1],
    can_delete: Some((STATUS_V1, "canDelete")),
    // PATCH exists in v2 only \[doc\].
    patch: DialectPatch::Never,
    ..WORKPLACE
};

static FIELDS: &[DialectField] = &joined::<{ CORE.len() + COMMON.len() + 9 }>(&[
    CORE,
    COMMON,
    &enterprise("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", MANAGER),
    &[
        start_date("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:startDate")
            .of("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User"),
        term_date("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User:termDate")
            .of("urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User"),
        auth_method("urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User:authMethod")
            .at("authMethod")
            .of("urn:ietf:params:scim:schemas:extension:facebook:authmethod:2.0:User"),
    ],
]);

static FIELDS_V1: &[DialectField] = &joined::<{ CORE.len() + COMMON.len() + 9 }>(&[
    CORE,
    COMMON,
    &enterprise("urn:scim:schemas:extension:enterprise:1.0", MANAGER),
    &[
        start_date("urn:scim:schemas:extension:facebook:starttermdates:1.0:startDate")
            .of("urn:scim:schemas:extension:facebook:starttermdates:1.0"),
        term_date("urn:scim:schemas:extension:facebook:starttermdates:1.0:termDate")
            .of("urn:scim:schemas:extension:facebook:starttermdates:1.0"),
        auth_method("urn:scim:schemas:extension:facebook:auth_method:1.0:auth_method")
            .at("auth_method")
            .of("urn:scim:schemas:extension:facebook:auth_method:1.0"),
    ],
]);

const CORE: &[DialectField] = &[
    // Unique, and required for accounts without `userName` \[doc\].
    DialectField::text("externalId"),
    DialectField::part("name.formatted", "name", "formatted").cleared(DialectClear::Never),
    DialectField::typed("photos.profile", "photos", "profile", "value"),
];

/// `managerId`, not RFC 7643's `value` \[sample\].
const MANAGER: &str = "managerId";

/// Unix seconds \[sample\].
const fn start_date(name: &'static str) -> DialectField {
    DialectField::text(name).at("startDate").takes(ValueKind::Integer).cleared(DialectClear::Omit)
}

/// Unix seconds; zero means no date \[sample\].
const fn term_date(name: &'static str) -> DialectField {
    DialectField::text(name).at("termDate").takes(ValueKind::Integer).cleared(DialectClear::Zero)
}

/// `password` or `sso` \[sample\]; every account has one of them \[inferred\].
const fn auth_method(name: &'static str) -> DialectField {
    DialectField::text(name).cleared(DialectClear::Never)
}
