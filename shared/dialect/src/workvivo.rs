//! `workvivo`: Workvivo, named by Meta as Workplace's successor. It conforms to RFC 7644, with these differences:
//!
//! | | `workvivo` | certainty |
//! | --- | --- | --- |
//! | required | `externalId`, `userName` (an e-mail address), given and family name | \[doc\] |
//! | `externalId` | immutable | \[doc\] |
//! | PUT | not stated, so updates use PATCH | \[inferred\] |
//! | PATCH | yes | \[doc\] |
//! | clearing | `remove` in a PATCH; never null | \[doc\] |
//! | manager | `manager.value` | \[doc\] |
//! | DELETE | deactivates | \[doc\] |
//! | errors, throttling | not recorded: all error shapes are read | |

use crate::definition::{Dialect, DialectDelete, DialectPatch, DialectPut};
use crate::scim2;

pub(crate) static WORKVIVO: Dialect = Dialect {
    name: "workvivo",
    required: &[&["externalId"], &["name.givenName"], &["name.familyName"]],
    immutable: &["externalId"],
    put: DialectPut::Replaces,
    patch: DialectPatch::Always,
    delete: DialectDelete::Deactivates,
    ..scim2::SCIM2
};
