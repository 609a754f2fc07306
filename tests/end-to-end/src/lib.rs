//! What the end-to-end tests stand on: a real OpenLDAP, people to put into it, a wire that can be cut, and a directory
//! in which the real `provisioner` binary runs.
//!
//! Everything here is synchronous and works inside and outside an async test, because what is tested lives in other
//! processes. Whatever starts also ends with its owner: each value stops its process, thread or directory on drop.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use end_to_end::{people, Group, Slapd, SlapdOptions, TestDir};
//!
//! let people = people::generate(50, 1);
//! let slapd = Slapd::start(SlapdOptions {
//!     groups: vec![Group::of("workplace", &people)],
//!     people,
//!     ..SlapdOptions::default()
//! })?;
//! let dir = TestDir::for_slapd(&slapd, "http://127.0.0.1:8080")?;
//! dir.provisioner(["plan", "--config", "corp.toml"]).run()?.expect_exit(0);
//! # Ok(())
//! # }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "a panic of the support library is a failed test, which is what it should be"
)]

mod people_names;
mod random;

pub mod people;

pub use people::{Group, Person};

mod leash;
mod ports;
mod wait;

mod tls;

pub use tls::trusting;

mod slapd;
mod slapd_admin;
mod slapd_conf;

pub use slapd::Slapd;
pub use slapd_admin::Admin;
pub use slapd_conf::{ADMIN_DN, BASE_DN, GROUPS_DN, PEOPLE_DN, READER_DN, SlapdOptions};

mod proxy;

pub use proxy::CuttingProxy;

mod configuration;
mod run;
mod workspace;

pub use configuration::Configuration;
pub use run::{Finished, Invocation, Running};
pub use workspace::TestDir;
