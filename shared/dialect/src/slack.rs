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
//! | throttling | 429 with `Retry-After`; 180 writes and 300 reads a minute, counted apart | \[doc\] |
//!
//! Which type of e-mail address is required is not recorded; any is accepted \[inferred\].

use crate::definition::{CallBudget, Dialect, DialectDelete, DialectPatch, DialectPut};
use crate::scim2;

pub(crate) static SLACK: Dialect = Dialect {
    name: "slack",
    required: &[&["emails.work", "emails.home", "emails.other"]],
    put: DialectPut::Replaces,
    patch: DialectPatch::Always,
    delete: DialectDelete::Deactivates,
    // The tightest documented limits of users and groups. Slack counts the two methods apart.
    budget: CallBudget::PerMethod { reads: 300, writes: 180 },
    ..scim2::SCIM2
};
