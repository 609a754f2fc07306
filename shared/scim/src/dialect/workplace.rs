//! Workplace from Meta, SCIM v2, and before it v1; Meta Admin Center serves a part of v2.
//!
//! Meta Admin Center takes fewer attributes than this table has \[doc\]. It is no dialect of its own: what it doesn't
//! know is the administrator's to leave unmapped, and nothing else differs.
//!
//! | | `workplace` | `workplace-v1` | weight |
//! | --- | --- | --- | --- |
//! | base | `https://scim.workplace.com` | `https://www.workplace.com/scim/v1`, before that at `www.facebook.com` | \[doc\] |
//! | URNs | RFC 7643's form | `urn:scim:schemas:…:1.0` | \[doc\] |
//! | sign-in method | `authMethod` | `auth_method` | \[sample\] |
//! | PUT | merges | merges | \[sample\] |
//! | PATCH | yes | no | \[doc\] |
//! | manager | `manager.managerId`, a number | the same | \[sample\] |
//! | errors | any of three shapes | `Errors[]`, Graph's | \[doc\] |
//!
//! Without PATCH, v1 has one way less of clearing: what an empty text or leaving it out doesn't clear stays, and shows
//! in the resource that an update gives back. The extension for frontline workers is in neither table: v2's URN is not
//! recorded.

use model::ValueKind;

use super::common::{COMMON, enterprise, joined};
use super::{AccountIdForm, Dialect, DialectClear, DialectDelete, DialectField, DialectPatch, DialectPut};

const STATUS: &str = "urn:ietf:params:scim:schemas:extension:facebook:accountstatusdetails:2.0:User";
const STATUS_V1: &str = "urn:scim:schemas:extension:facebook:accountstatusdetails:1.0";

/// A mapping makes `name.formatted`, the required part \[doc\], of the others where it is not mapped.
const NAMES: &[&str] = &["name.formatted", "name.givenName", "name.familyName"];

pub(super) static WORKPLACE: Dialect = Dialect {
    name: "workplace",
    core: "urn:ietf:params:scim:schemas:core:2.0:User",
    fields: FIELDS,
    required: &[NAMES],
    // Accounts without e-mail address have an externalId instead \[doc\].
    nameless: true,
    immutable: &[],
    // An echoed account status or group membership is at best ignored \[seen\].
    read_only: &["schemas", "id", "meta", "groups", STATUS],
    can_delete: Some((STATUS, "canDelete")),
    // Meta's samples PUT `active` alone and lose nothing \[sample\].
    put: DialectPut::Merges,
    // One use is recorded, a `replace` \[sample\].
    patch: DialectPatch::Always,
    // Or refuses to, of an account that somebody has claimed \[doc\].
    delete: DialectDelete::Deletes,
    // The manager is a number in v2 too \[sample\].
    ids: AccountIdForm::Number,
    // As Meta's own exporter asks; the maximum is not recorded, and shorter pages are fine \[sample\].
    page_size: 100,
    // None is published \[doc\].
    calls_per_second: None,
    // An integration that makes no call for 60 days is deactivated \[doc\].
    keep_alive_days: Some(30),
};

pub(super) static WORKPLACE_V1: Dialect = Dialect {
    name: "workplace-v1",
    core: "urn:scim:schemas:core:1.0",
    fields: FIELDS_V1,
    read_only: &["schemas", "id", "meta", "groups", STATUS_V1],
    can_delete: Some((STATUS_V1, "canDelete")),
    // On v2 only \[doc\].
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
    // Unique, and required of accounts without userName \[doc\].
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

/// Unix seconds; zero stands for no date \[sample\].
const fn term_date(name: &'static str) -> DialectField {
    DialectField::text(name).at("termDate").takes(ValueKind::Integer).cleared(DialectClear::Zero)
}

/// `password` or `sso` \[sample\]; an account always has one of them \[inferred\].
const fn auth_method(name: &'static str) -> DialectField {
    DialectField::text(name).cleared(DialectClear::Never)
}
