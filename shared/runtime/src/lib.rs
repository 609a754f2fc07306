//! Everything that depends on the process: configuration, secrets, clock, environment, logs, metrics and AWS Lambda.
//!
//! A program takes the sections of the configuration that it uses as features: `directory`, `scim`.

mod aws;
pub mod config;
mod deployed;
pub mod environment;
pub mod function;
pub mod metrics;
mod secrets;
pub mod telemetry;
mod text_file;

pub use aws::config as aws_config;
#[cfg(feature = "scim")]
pub use config::{CallLimits, TargetOpenError};
pub use config::{ConfigError, Connection};
#[cfg(feature = "directory")]
pub use config::{DirectoryOpenError, DirectorySecret};
pub use deployed::{Deployment, deployed_table};
pub use environment::now;
pub use function::{FunctionError, Invocation};
pub use secrets::{SecretContent, SecretError, SecretRef, Secrets};
