//! Faults: incomplete reads, killed runs, lost and repeated calls, large directories.

#![allow(clippy::needless_range_loop, reason = "the tests name people by their numbers")]

mod engine;

mod after_outcome;
mod costs;
mod duplicates;
mod grace;
mod idle;
mod incomplete;
mod kills;
mod leavers;
mod lost_creations;
mod memory;
mod ownership;
mod pace;
mod properties;
mod protected;
mod references;
mod swaps;
mod target_faults;
mod throttling;
