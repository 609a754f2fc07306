//! The queue's client against an endpoint that refuses messages on demand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and what they share is tests too"
)]

mod endpoint;

mod delay;
mod send;
