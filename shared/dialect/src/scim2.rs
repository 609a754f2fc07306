//! `scim2`: any server that conforms to RFC 7643 and RFC 7644.
//!
//! | | `scim2` | source |
//! | --- | --- | --- |
//! | URNs | `urn:ietf:params:scim:schemas:…`, none of Facebook's | RFC 7643, 4.1 and 4.3 |
//! | PUT | replaces: attributes that are not sent are removed | RFC 7644, 3.5.1 |
//! | PATCH | as announced in the server's configuration | RFC 7644, 3.5.2 and 4 |
//! | manager | `manager.value`, a text | RFC 7643, 4.3 |
//! | clearing | omission in a PUT, or `remove` in a PATCH | RFC 7643, 2.5; RFC 7644, 3.5.2.2 |
//! | DELETE | deletes | RFC 7644, 3.6 |
//! | errors | the Error message | RFC 7644, 3.12 |
//! | required | `userName` | RFC 7643, 4.1.1 |

use crate::common::{COMMON, enterprise, joined};
use crate::definition::{AccountIdForm, CallBudget, Dialect, DialectDelete, DialectPatch, DialectPut};
use crate::field::DialectField;

pub(crate) static SCIM2: Dialect = Dialect {
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
    // A server may return fewer (RFC 7644, 3.4.2.4).
    page_size: 100,
    budget: CallBudget::Unlimited,
    keep_alive_days: None,
};

pub(crate) static FIELDS: &[DialectField] = &joined::<{ CORE.len() + COMMON.len() + 6 }>(&[
    CORE,
    COMMON,
    &enterprise("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "value"),
]);

/// Attributes beyond the common ones (RFC 7643, 4.1.2).
const CORE: &[DialectField] = &[
    DialectField::text("externalId"),
    DialectField::part("name.formatted", "name", "formatted"),
    DialectField::typed("phoneNumbers.pager", "phoneNumbers", "pager", "value"),
    DialectField::typed("phoneNumbers.other", "phoneNumbers", "other", "value"),
    DialectField::typed("photos.photo", "photos", "photo", "value"),
    DialectField::typed("photos.thumbnail", "photos", "thumbnail", "value"),
];
