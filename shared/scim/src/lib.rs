#![doc = include_str!("../README.md")]

mod client;
mod errors;
mod features;
mod options;
mod resource;

mod changes;
mod difference;
mod patch;
mod render;

mod lists;
mod parse;
mod recognise;

mod access;
mod metrics;
mod pace;
mod proof;
mod transport;

mod base_url;
mod body;
mod meaning;
mod redact;
mod retry;

mod json;

#[cfg(test)]
mod arbitrary;
mod fuzz;

pub use base_url::check_url;
pub use client::Target;
pub use client::deleting::DeleteOutcome;
pub use client::finding::ListedAccounts;
pub use client::locating::LocatedAccount;
pub use dialect::{CallBudget, Dialect};
pub use errors::TargetError;
#[doc(hidden)]
pub use fuzz::read_arbitrary_response;
pub use metrics::CallCounts;
pub use options::{RetryPolicy, TargetCredentials, TargetOptions};
pub use patch::PatchOperation;
pub use resource::{AccountPage, InactiveResource, Resource};
