//! What must hold when things go wrong: reads that end early, runs that are killed, calls that are lost or repeated,
//! directories that are large.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, helpers included, and print the figures and seeds that they worked with"
)]
#![allow(clippy::needless_range_loop, reason = "a story calls people by their numbers")]

mod site;
mod workshop;

mod costs;
mod grace;
mod idle;
mod incomplete;
mod kills;
mod lost_creations;
mod memory;
mod pace;
mod properties;
mod references;
mod target_faults;
