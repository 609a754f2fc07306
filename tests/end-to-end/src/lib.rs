//! Fixtures of the end-to-end tests and of the benchmark.
//!
//! | fixture | what runs |
//! | --- | --- |
//! | [`TerminalFixture`] | the real `provisioner` program, a directory, a simulated Workplace |
//! | [`EngineFixture`] | the engines in the test's process, with a clock that the test sets |
//! | [`Slapd`], [`Ds389`], [`Samba`], [`embedded_directory`] | a directory |
//! | [`Aws`], [`SqsDelivery`], [`LambdaEmulator`] | AWS's services, an event source mapping, and functions on Lambda's runtime |
//! | [`CuttingProxy`], [`ServiceProxy`] | faults on the way to a directory, and to a service of AWS |
//!
//! Servers and programs start synchronously, inside and outside an async test, and end when their value is dropped or the
//! test process ends. `tests/README.md` says which fixture fits which test.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic of a fixture is a failed test, and seeds are printed for the developer"
)]

mod people_names;
mod random;

pub mod people;

pub use people::{GroupEntry, PersonEntry, enabled_people};
pub use random::{SeededRandom, seed};

mod ldap_server;
mod owned_process;
mod ports;
mod tls;
mod wait;

mod slapd;
mod slapd_admin;
mod slapd_conf;

pub use slapd::Slapd;
pub use slapd_admin::DirectoryAdmin;
pub use slapd_conf::{ADMIN_DN, BASE_DN, GROUPS_DN, PEOPLE_DN, READER_DN, SlapdOptions};

mod ds389;

pub use ds389::Ds389;

mod samba;
mod samba_entries;

pub use samba::{SAMBA_BASE_DN, Samba};
pub use samba_entries::{DISABLED, ENABLED, samba_group, samba_user};

mod embedded_directory;

pub use embedded_directory::{embedded_directory, embedded_secret, populate};

mod proxy;

pub use proxy::CuttingProxy;

mod background;
mod tools;

pub use tools::program;

mod browser;

pub use browser::{Browser, BrowserKey, ColourScheme};

mod aws;
mod queue_depth;

pub use aws::{Aws, QueueUrls, aws};
pub use queue_depth::QueueDepth;

mod function;

pub use function::LambdaFunction;

mod sqs_delivery;
mod sqs_event;

pub use sqs_delivery::{DeliveryCounts, QueueFaults, SqsDelivery, SqsDeliveryOptions};
pub use sqs_event::failed_messages;

mod async_invokes;
mod lambda;
mod sandbox;
mod service_proxy;

pub use lambda::{LambdaEmulator, LambdaOptions};
pub use service_proxy::{ProxyVerdict, ServiceProxy};

mod scim_server;

pub use scim_server::{ScimProduct, ScimServer};

mod all_people;
mod configuration;
mod console;
mod program;
mod workspace;

pub use configuration::{NO_LIMITS, STATUS, TestConfiguration, workplace_group};
pub use console::{ConsoleProcess, ConsoleResponse};
pub use program::{ProgramCall, ProgramOutput, RunningProgram};
pub use wait::until;
pub use workspace::TestDir;

mod accounts;
mod engine_fixture;
mod state_dump;
mod terminal_fixture;

pub use accounts::{
    ENTERPRISE, accounts_by_name, active_names, deactivates, deprovisions, expect_same_accounts,
    request_lines,
};
pub use engine_fixture::{EngineFixture, advance_clock, clock};
pub use state_dump::{StateDump, damage_record};
pub use terminal_fixture::{TerminalFixture, server_runtime};
