//! A small LDAP server inside the process, for the demo and for tests.
//!
//! The demo needs a directory that looks like a company's and changes while one watches. Tests need a directory that fails in
//! ways no real server fails on demand: a connection lost in the middle of an entry, a cookie that ends too early, a replica
//! that lags behind. Behaviour that real servers do show is tested against those; this one stays small.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use embedded_ldap::{EmbeddedLdap, LdapFault, LdapOptions, ResultCode, company};
//!
//! let server = EmbeddedLdap::start(LdapOptions::default()).await?;
//! company::populate(&server)?;
//! server.set(company::GRACE, "title", &["Chief Technology Officer"])?;
//! server.inject(LdapFault::FailPage { page: 2, entries: 3, code: ResultCode::Busy }.once());
//! let url = server.url(); // give it to a client
//! # Ok(())
//! # }
//! ```
//!
//! What it answers: simple binds of one name, "Who am I?", the root DSE, and searches with the usual filters, attribute
//! selection, simple paging and size limits. It has no schema (a handful of attributes compare as names or bytes, the
//! rest as text without case), no TLS, and no writes over LDAP: the tree changes through [`EmbeddedLdap`]'s methods.
//!
//! Everything is deterministic. Entries are answered in the order in which they were added, entryUUIDs follow from a counter,
//! and `modifyTimestamp` counts changes instead of reading a clock.
//!
//! How it is built, in the order in which a request passes through: [`server`] accepts, [`session`] takes requests from
//! [`codec`], [`search`] finds entries in the [`tree`] by a [`filter`], and [`page`] writes them, with each [`fault`] that is
//! due, as far as the [`selection`] wants them.

#![warn(rustdoc::broken_intra_doc_links)]
#![allow(rustdoc::private_intra_doc_links)] // The map above is for whoever works on this crate.

mod admin;
pub mod company;
mod fault;
mod options;
mod server;

mod ber;
mod codec;
mod filter;
mod output;
mod page;
mod request;
mod root_dse;
mod search;
mod selection;
mod session;

mod clock;
mod dn;
mod entry;
mod tree;

pub use fault::{Injection, LdapFault, ResultCode};
pub use options::LdapOptions;
pub use server::EmbeddedLdap;
