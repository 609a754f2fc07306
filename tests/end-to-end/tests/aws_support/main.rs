//! What the tests of the deployed system stand on keeps its promises: queues, secrets, their delivery, and functions.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and what they share is tests too"
)]

mod bridge;
mod lambda;
mod moto;
mod queue;
mod secrets;
