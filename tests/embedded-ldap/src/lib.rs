//! Embedded LDAP server for the demo and for tests.
//!
//! It fails on demand in ways that no real server does: a connection lost inside an entry, a cookie that ends too early, a
//! replica that lags. Tests of real servers' behaviour use real servers, so this one stays small.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use embedded_ldap::{EmbeddedLdap, LdapFault, LdapOptions, ResultCode, company};
//!
//! let server = EmbeddedLdap::start(LdapOptions::default()).await?;
//! company::populate(&server)?;
//! server.set(company::GRACE, "title", &["Chief Technology Officer"])?;
//! server.inject(LdapFault::FailPage { page: 2, entries: 3, code: ResultCode::Busy }.once());
//! let url = server.url(); // for a client
//! # Ok(())
//! # }
//! ```
//!
//! It supports simple binds of one name, "Who am I?", the root DSE, and searches with filters, attribute selection, paging and
//! size limits. It has no schema (a few attributes compare as DNs or bytes, the rest as text without case), no TLS, and no
//! writes over LDAP: [`EmbeddedLdap`]'s methods change the tree.
//!
//! It is deterministic: entries are returned in the order in which they were added, entryUUIDs follow from a counter, and
//! `modifyTimestamp` counts changes.
//!
//! The encoding of messages is the directory crate's; this crate's tests use another library's client.

#![warn(rustdoc::broken_intra_doc_links)]

mod admin;
pub mod company;
mod fault;
mod options;
mod server;

mod filter;
mod page;
mod request;
mod response;
mod root_dse;
mod search;
mod selection;
mod session;

mod clock;
mod dn;
mod entry;
mod tree;

pub use fault::{FaultInjection, LdapFault};
pub use options::LdapOptions;
pub use response::ResultCode;
pub use server::EmbeddedLdap;
