//! What the end-to-end tests stand on: a real OpenLDAP, a real domain controller, people to put into it, a wire that can be cut, a directory in which
//! the real `provisioner` binary runs, and what it runs on in the cloud: queues and secrets ([`Aws`]), the event source
//! mapping between a queue and a function ([`Bridge`]), and functions on Lambda's runtime ([`Functions`]).
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
pub use random::Random;

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

mod samba;
mod samba_entries;

pub use samba::{SAMBA_BASE_DN, Samba};
pub use samba_entries::{DISABLED, ENABLED, samba_group, samba_user};

mod proxy;

pub use proxy::CuttingProxy;

mod background;
mod tools;

pub use tools::program;

mod browser;

pub use browser::{Browser, Colours, Key};

mod aws;
mod queue_depth;

pub use aws::{Aws, QueueUrls};
pub use queue_depth::QueueDepth;

mod function;

pub use function::Function;

mod bridge;
mod sqs_event;

pub use bridge::{Bridge, BridgeOptions, Counters, Faults};

mod async_invokes;
mod lambda;
mod sandbox;
mod service_proxy;

pub use lambda::{FunctionOptions, Functions};
pub use service_proxy::{ServiceProxy, Verdict};

mod scim_server;

pub use scim_server::{ScimProduct, ScimServer};

mod configuration;
mod console;
mod everybody;
mod run;
mod workspace;

pub use configuration::Configuration;
pub use console::{Answer, Console};
pub use run::{Finished, Invocation, Running};
pub use workspace::TestDir;
