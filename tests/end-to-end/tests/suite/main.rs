//! End-to-end tests: real programs and real servers, in one binary that is linked once.
//!
//! `tests/README.md` says which fixture serves what, and where a new test goes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests and their helpers fail by panicking, and print seeds and measured figures"
)]

mod harness;

mod terminal;

mod aws;
mod serverless;

mod directories;
mod robustness;
