//! Tests of the client against the simulator, and against fixed responses that the simulator does not give.

mod support;

mod activation;
mod create;
mod delete;
mod dialects;
mod find;
mod list;
mod lists;
mod update;

mod concurrency;
mod failures;
mod proof;
mod renewal;
mod retry;
mod scim2;
mod unusual_responses;
