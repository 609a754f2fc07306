//! Settings of a client.

use std::time::Duration;

use model::UnixSeconds;
use secrecy::SecretString;

/// Credentials of the integration at the target.
#[derive(Clone, Debug)]
pub struct TargetCredentials {
    /// Access token, sent as bearer token with every call.
    pub access_token: SecretString,
    /// App secret. With it every call carries an app secret proof, which an integration may require \[seen\]. The
    /// secret itself is never sent. Blank means none.
    pub app_secret: Option<SecretString>,
}

/// Address of the target and limits of the client.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// Base URL of the SCIM API, such as `https://scim.workplace.com`.
    pub url: String,
    /// Longest duration of one attempt, response included.
    pub timeout: Duration,
    /// Retries of one call.
    pub retry: RetryPolicy,
    /// Highest number of calls under way at a time; at least one.
    pub max_concurrent_calls: usize,
    /// Clock for the app secret proof.
    pub now: fn() -> UnixSeconds,
}

/// Attempts of one call and the pauses between them, which double. If the target asks for a pause longer than
/// `max_delay`, the call fails at once and the caller comes back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Number of attempts; 1 means no retry.
    pub attempts: u32,
    /// First pause.
    pub initial_delay: Duration,
    /// Longest pause.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, initial_delay: Duration::from_millis(500), max_delay: Duration::from_secs(30) }
    }
}
