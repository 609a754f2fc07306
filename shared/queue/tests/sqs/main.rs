//! The queue's client against an SQS that refuses on demand, which no real one does.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and what they share is tests too"
)]

mod endpoint;

mod delay;
mod send;
