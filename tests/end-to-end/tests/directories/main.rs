//! Directories as they really are: Samba as a domain controller, and OpenLDAP.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, helpers included, and print the figures and seeds that they worked with"
)]

mod differential;
mod history;
mod server;
mod side;

mod faults;
mod samba;
mod slapd;
