//! Any server that keeps to RFC 7643 and RFC 7644.
//!
//! | | `scim2` | where it is said |
//! | --- | --- | --- |
//! | URNs | `urn:ietf:params:scim:schemas:…`, none of Facebook's | RFC 7643, 4.1 and 4.3 |
//! | PUT | replaces: what isn't sent is lost | RFC 7644, 3.5.1 |
//! | PATCH | where the server's configuration says so | RFC 7644, 3.5.2 and 4 |
//! | manager | `manager.value`, a text | RFC 7643, 4.3 |
//! | clearing | by leaving it out of a PUT, or `remove` in a PATCH | RFC 7643, 2.5; RFC 7644, 3.5.2.2 |
//! | DELETE | deletes | RFC 7644, 3.6 |
//! | errors | the Error message | RFC 7644, 3.12 |
//! | must be sent | `userName` | RFC 7643, 4.1.1 |

use super::common::{COMMON, enterprise, joined};
use super::{AccountIdForm, Dialect, DialectDelete, DialectField, DialectPatch, DialectPut};

pub(super) static SCIM2: Dialect = Dialect {
    name: "scim2",
    core: "urn:ietf:params:scim:schemas:core:2.0:User",
    fields: FIELDS,
    required: &[],
    // RFC 7643, 4.1.1.
    nameless: false,
    immutable: &[],
    // RFC 7643, 3.1 and 4.1.2.
    read_only: &["schemas", "id", "meta", "groups"],
    can_delete: None,
    put: DialectPut::Replaces,
    patch: DialectPatch::Announced,
    delete: DialectDelete::Deletes,
    ids: AccountIdForm::Text,
    // A server gives fewer where it wants to (RFC 7644, 3.4.2.4).
    page_size: 100,
    calls_per_second: None,
    keep_alive_days: None,
};

pub(super) static FIELDS: &[DialectField] = &joined::<{ CORE.len() + COMMON.len() + 6 }>(&[
    CORE,
    COMMON,
    &enterprise("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "value"),
]);

/// The types beyond those that all dialects have (RFC 7643, 4.1.2).
const CORE: &[DialectField] = &[
    DialectField::text("externalId"),
    DialectField::part("name.formatted", "name", "formatted"),
    DialectField::typed("phoneNumbers.pager", "phoneNumbers", "pager", "value"),
    DialectField::typed("phoneNumbers.other", "phoneNumbers", "other", "value"),
    DialectField::typed("photos.photo", "photos", "photo", "value"),
    DialectField::typed("photos.thumbnail", "photos", "thumbnail", "value"),
];
