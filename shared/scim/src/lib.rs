//! Speaks to the store of accounts: one SCIM client, and a table per dialect.
//!
//! [`Target`] is the client. It looks accounts up, creates, updates, deactivates and deletes them, one call at a
//! time. [`Dialect`] is data: which attributes there are, where each of them stands in the JSON, what PUT does,
//! how a value is cleared. Workplace is the first; another one is another table, not another client.
//!
//! What comes back is an [`Account`](model::Account) in the same names and values that a mapping yields, so that
//! the two can be compared, or a [`TargetError`] that says what the answer *means*: policy (wait, park the user,
//! stop everything) depends on that meaning, never on a status code.
//!
//! Four rules shape the bodies that are sent:
//!
//! - what nobody mapped must survive. Where PUT merges, only what is mapped is sent. Where it replaces, a PATCH says
//!   what differs, or, without PATCH, all that was read goes back with the changes in it;
//! - what has several values or parts (phone numbers, the name) is sent whole to a server that merges, with the unmapped
//!   ones as they are, because nobody has recorded how far it merges;
//! - an account that is known to be as it was left need not be read: then only what has changed is sent, in one call, where
//!   that can be said without the rest ([`Target::update_unread`]);
//! - an account can only be changed by who holds an [`OwnedAccount`](model::OwnedAccount).
//!
//! Comments give the weight of a fact as **\[doc\]** (Meta's or an identity vendor's documentation),
//! **\[sample\]** (Meta's published samples), **\[seen\]** (a client that ran against the live API relied on it) or
//! **\[inferred\]** (our conclusion).
//!
//! There is no clock here and no environment: time is waited for, measured and asked of whoever opens a target
//! ([`TargetOptions::now`]), and proxies and other
//! surroundings are not picked up silently. Where credentials are kept is not known here either: whoever opens a
//! target says how to get new ones ([`Target::with_renewal`]).

mod dialect;

mod announced;
mod client;
mod errors;
mod options;
mod resource;

mod changes;
mod difference;
mod patch;
mod render;

mod lists;
mod parse;

mod access;
mod pace;
mod proof;
mod tally;
mod transport;

mod body;
mod meaning;
mod redact;
mod retry;
mod retry_after;

mod json;

mod anything;
#[cfg(test)]
mod arbitrary;

#[doc(hidden)]
pub use anything::read_arbitrary_response;
pub use client::{DeleteOutcome, Target};
pub use dialect::{Dialect, DialectPut};
pub use errors::TargetError;
pub use options::{RetryPolicy, TargetCredentials, TargetOptions};
pub use patch::PatchOperation;
pub use resource::{AccountPage, Resource};
pub use tally::CallCounts;
