//! The provisioner's clients for SQS and Secrets Manager against moto, an implementation that is not ours.

pub mod queue;
mod secrets;
