//! What ties the provisioner to its surroundings: configuration, secrets, the clock, the environment, telemetry.

mod aws;
pub mod config;
pub mod environment;
mod secrets;
pub mod telemetry;

pub use config::{ConfigError, Connection};
pub use environment::now;
pub use secrets::{DirectorySecret, SecretError, SecretRef, Secrets, TargetSecret};
