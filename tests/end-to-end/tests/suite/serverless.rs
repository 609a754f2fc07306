//! The deployed system: OpenLDAP, both functions under Lambda's emulator, DynamoDB, SQS and Secrets Manager behind the
//! real SDKs, messages delivered as an event source mapping delivers them, and a simulated Workplace.
//!
//! The state is in the embedded engine over HTTP, in one test in moto's DynamoDB. With
//! `DYNAMODB_TEST_ENDPOINT=http://127.0.0.1:8000` it is in DynamoDB Local instead.

mod deployment;

mod first_load;
mod journey;

mod disorder;
mod isolation;
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
