//! The main job, end to end: the real `provisioner` between a real OpenLDAP and a simulated Workplace.
//!
//! The small company of the embedded directory stands in where OpenLDAP would refuse to be that wrong.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and what they share is tests too"
)]

mod said;
mod state;
mod world;

mod approvals;
mod capabilities;
mod identity;
mod limits;
mod skipped;
mod thousand;

mod bad_input;
mod check;
mod console;
mod drift;
mod explain;
mod plan;
mod plan_file;

mod scim_client;
mod scim_servers;
