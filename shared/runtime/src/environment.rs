//! The process's surroundings. Nothing else reads the environment or the clock.

use model::UnixSeconds;

/// The connection's configuration file, or a folder of them.
pub const CONFIG: &str = "PROVISIONER_CONFIG";
/// The table that holds the state.
pub const TABLE: &str = "PROVISIONER_TABLE";
/// URL of the connections' queues up to the connection's name.
pub const QUEUE_URL_PREFIX: &str = "PROVISIONER_QUEUE_URL_PREFIX";
/// ARN of the connections' dead-letter queues up to the connection's name.
pub const DEAD_LETTER_ARN_PREFIX: &str = "PROVISIONER_DEAD_LETTER_ARN_PREFIX";
/// Name of the provision function; the scan function invokes it for one user on demand.
pub const PROVISION_FUNCTION: &str = "PROVISIONER_PROVISION_FUNCTION";
/// What is logged: a level, or levels by part of the program.
pub const LOG: &str = "PROVISIONER_LOG";

/// An environment variable that has to be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is not set; it should hold {what}")]
pub struct MissingVariable {
    /// Its name.
    pub name: &'static str,
    /// What it should hold.
    pub what: &'static str,
}

/// An environment variable, if it is set to text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// An environment variable that has to be there, and what it should hold.
pub fn required(name: &'static str, what: &'static str) -> Result<String, MissingVariable> {
    variable(name).filter(|value| !value.is_empty()).ok_or(MissingVariable { name, what })
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}
