//! Slack, SCIM v2. It is RFC 7644's, with these differences:
//!
//! | | `slack` | weight |
//! | --- | --- | --- |
//! | must be sent | `userName` and an e-mail address | \[doc\] |
//! | PUT | overwrites everything | \[doc\] |
//! | PATCH | yes | \[doc\] |
//! | clearing | PUT; what a PATCH doesn't clear, or refuses to, is cleared by it | \[doc\] |
//! | manager | `manager.value` | \[doc\] |
//! | DELETE | deactivates | \[doc\] |
//! | throttling | 429 with `Retry-After`; 180 writes to users a minute | \[doc\] |
//!
//! Which types of e-mail address count is not recorded, so any will do \[inferred\].

use super::{Dialect, DialectDelete, DialectPatch, DialectPut, scim2};

pub(super) static SLACK: Dialect = Dialect {
    name: "slack",
    required: &[&["emails.work", "emails.home", "emails.other"]],
    put: DialectPut::Replaces,
    patch: DialectPatch::Always,
    delete: DialectDelete::Deactivates,
    // Of writes; what is allowed of reads is not recorded.
    calls_per_second: Some(3),
    ..scim2::SCIM2
};
