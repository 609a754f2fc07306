//! Incremental read: the users among the changed entries, and the evidence about them.
//!
//! Three events change the scope or the DNs of users without changing their entries:
//!
//! - a change of the group's members or of a nested group: the users in scope are compared with the known ones by anchor
//!   ([`ChangeSet::compare_scope`]), which costs a fraction of a full read;
//! - a renamed container: a full read is needed;
//! - in Active Directory, a renamed manager: the entries that name the manager are read too. After a deleted user a full read
//!   is needed.

mod compare;
mod read;
mod set;

pub use compare::ScopeComparison;
pub use read::ChangeRead;
pub use set::{ChangeResponse, ChangeSet};
