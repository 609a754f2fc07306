//! `slack`: SCIM v2 of Slack. It conforms to RFC 7644, with these differences:
//!
//! | | `slack` | certainty |
//! | --- | --- | --- |
//! | required | `userName` and an e-mail address | \[doc\] |
//! | PUT | replaces | \[doc\] |
//! | PATCH | yes | \[doc\] |
//! | clearing | PUT, where a PATCH is refused or leaves the value | \[doc\] |
//! | manager | `manager.value` | \[doc\] |
//! | DELETE | deactivates | \[doc\] |
//! | throttling | 429 with `Retry-After`; 180 writes to users a minute | \[doc\] |
//!
//! Which type of e-mail address is required is not recorded; any is accepted \[inferred\].

use super::definition::{Dialect, DialectDelete, DialectPatch, DialectPut};
use super::scim2;

pub(super) static SLACK: Dialect = Dialect {
    name: "slack",
    required: &[&["emails.work", "emails.home", "emails.other"]],
    put: DialectPut::Replaces,
    patch: DialectPatch::Always,
    delete: DialectDelete::Deactivates,
    // Limit of writes; the limit of reads is not recorded.
    calls_per_second: Some(3),
    ..scim2::SCIM2
};
