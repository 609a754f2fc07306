//! Reads of Samba as a domain controller and of OpenLDAP: incremental scans against full scans, and directory faults.

mod differential;
mod history;
mod names;
mod server;

mod faults;
mod replicas;
mod rights;
mod samba;
mod slapd;
