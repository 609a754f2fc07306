//! Facts of the target's API, checked over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it should do"
)]

mod client;

mod create;
mod faults;
mod list;
mod patch;
mod refusals;
mod remove;
mod update;
mod v1;
