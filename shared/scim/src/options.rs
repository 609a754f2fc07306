//! What a client needs to be told.

use std::time::Duration;

use model::UnixSeconds;
use secrecy::SecretString;

/// What proves that we may.
#[derive(Clone, Debug)]
pub struct TargetCredentials {
    /// The integration's access token, sent as bearer token with every call.
    pub access_token: SecretString,
    /// The integration's app secret. With it every call carries an app secret proof, which an integration may require
    /// \[seen\]. A blank one is none. It is itself never sent.
    pub app_secret: Option<SecretString>,
}

/// Where the target is and how patiently it is called.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// The base of its SCIM API, such as `https://scim.workplace.com`.
    pub url: String,
    /// How long one attempt may take, answer included.
    pub timeout: Duration,
    /// How often a call is tried.
    pub retry: RetryPolicy,
    /// How many calls are under way at most; one or more.
    pub max_concurrent_calls: usize,
    /// The time, which goes into the app secret proof. Time is a parameter here as everywhere.
    pub now: fn() -> UnixSeconds,
}

/// How often a call is tried, and how long the pauses are. They double from one attempt to the next. A target that
/// names a longer pause than the longest is not asked again: whoever called hears of it and comes back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often in all; 1 means that nothing is tried again.
    pub attempts: u32,
    /// The first pause.
    pub initial_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, initial_delay: Duration::from_millis(500), max_delay: Duration::from_secs(30) }
    }
}
