//! Workvivo, which Meta named as Workplace's successor. Its SCIM is RFC 7644's, with these differences:
//!
//! | | `workvivo` | weight |
//! | --- | --- | --- |
//! | must be sent | `externalId`, `userName` (an e-mail address), given and family name | \[doc\] |
//! | `externalId` | can't be changed later | \[doc\] |
//! | PUT | not stated, so nothing depends on it: a PATCH says what differs | \[inferred\] |
//! | PATCH | yes | \[doc\] |
//! | clearing | `remove` in a PATCH; never null | \[doc\] |
//! | manager | `manager.value` | \[doc\] |
//! | DELETE | is a deactivation | \[doc\] |
//! | errors, throttling | not recorded: all shapes are understood | |

use super::{Dialect, DialectDelete, DialectPatch, DialectPut, scim2};

pub(super) static WORKVIVO: Dialect = Dialect {
    name: "workvivo",
    required: &[&["externalId"], &["name.givenName"], &["name.familyName"]],
    immutable: &["externalId"],
    put: DialectPut::Replaces,
    patch: DialectPatch::Always,
    delete: DialectDelete::Deactivates,
    ..scim2::SCIM2
};
