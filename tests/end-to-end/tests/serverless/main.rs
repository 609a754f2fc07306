//! The deployed system, as a whole: a real OpenLDAP, both functions under Lambda's emulator, DynamoDB, SQS and Secrets
//! Manager behind the real SDKs, messages delivered as an event source mapping does, and a Workplace.
//!
//! The state is in the embedded engine, over HTTP, and once more in moto's DynamoDB as an independent opinion. With
//! `DYNAMODB_TEST_ENDPOINT=http://127.0.0.1:8000` all of it goes to DynamoDB Local, or whatever answers there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they measured, and what they share is tests too"
)]

mod cloud;

mod journey;

mod disorder;
mod lag;
mod outage;
mod services;
mod token;

mod deadline;
mod overlap;

mod dead_letters;
mod direct;

mod surroundings;
mod telemetry;

mod remains;
mod terminal;

mod cold_start;
mod load;
mod speed;
