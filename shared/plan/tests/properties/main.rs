//! Properties that hold for every directory, every situation and every number of removals.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly, helpers included")]

mod arbitrary;

mod decisions;
mod effects;
mod removals;
mod scans;
