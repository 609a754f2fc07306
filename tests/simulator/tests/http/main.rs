//! The simulator over real HTTP, as a client meets it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it should do"
)]

mod client;

mod control;
mod create;
mod faults;
mod handle;
mod list;
mod patch;
mod refusals;
mod remove;
mod update;
mod v1;
