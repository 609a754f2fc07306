//! The terminal program between a real OpenLDAP and a simulated Workplace.
//!
//! The embedded directory replaces OpenLDAP where a test needs entries that OpenLDAP refuses to store.

mod approvals;
mod capabilities;
mod demo_picture;
mod first_load;
mod identity;
mod limits;
mod link_drops;
mod other_target;
mod skipped;
mod summaries;
mod thousand;

mod arguments;
mod bad_input;
mod check;
mod connections;
mod console;
mod drift;
mod during_sync;
mod explain;
mod init;
mod mistakes;
mod plan;
mod plan_file;

mod scim_client;
mod scim_servers;
mod several_values;
