//! Environment variables and the clock. No other module reads them.

use model::UnixSeconds;

/// Path of a configuration file, or of a folder of them.
pub const CONFIG: &str = "PROVISIONER_CONFIG";
/// Name of the state table.
pub const TABLE: &str = "PROVISIONER_TABLE";
/// URL of the connections' queues up to the connection's name.
pub const QUEUE_URL_PREFIX: &str = "PROVISIONER_QUEUE_URL_PREFIX";
/// ARN of the connections' dead-letter queues up to the connection's name.
pub const DEAD_LETTER_ARN_PREFIX: &str = "PROVISIONER_DEAD_LETTER_ARN_PREFIX";
/// Name of the provision function; the scan function invokes it for one user on demand.
pub const PROVISION_FUNCTION: &str = "PROVISIONER_PROVISION_FUNCTION";
/// Name of the deployment, a dimension of its metrics.
pub const DEPLOYMENT: &str = "PROVISIONER_DEPLOYMENT";
/// `true` switches `options.observe` on for each connection.
pub const OBSERVE: &str = "PROVISIONER_OBSERVE";
/// Log level, or levels by module.
pub const LOG: &str = "PROVISIONER_LOG";

/// A required environment variable that is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is not set; set it to {what}")]
pub struct MissingVariable {
    /// Name of the variable.
    pub name: &'static str,
    /// Expected content.
    pub what: &'static str,
}

/// An environment variable; `None` where it is unset or not text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A required environment variable; `what` describes its content.
pub fn required(name: &'static str, what: &'static str) -> Result<String, MissingVariable> {
    variable(name).filter(|value| !value.is_empty()).ok_or(MissingVariable { name, what })
}

/// The current time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}
