//! Everything that depends on the process: configuration, secrets, clock, environment, logs, metrics and AWS Lambda.

mod aws;
pub mod config;
mod deployed;
pub mod environment;
pub mod function;
pub mod metrics;
mod secrets;
pub mod telemetry;

pub use aws::config as aws_config;
pub use config::{CallLimits, ConfigError, Connection, OpenError};
pub use deployed::{Deployment, deployed_table};
pub use environment::now;
pub use function::{FunctionError, Invocation};
pub use secrets::{DirectorySecret, SecretError, SecretRef, Secrets, TargetSecret};
