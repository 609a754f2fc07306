//! The section of the target: checks, and the creation of a client.

use std::path::Path;
use std::time::Duration;

use dialect::{CallBudget, Dialect};
use scim::{RetryPolicy, Target, TargetCredentials, TargetError, TargetOptions};
use secrecy::SecretString;
use serde::Deserialize;

use super::KeyProblem;
use super::check::check_range;
use super::fields::{check_secret, check_timeout};
use super::file::TargetTable;
use crate::secrets::{SecretContent, SecretError, SecretRef, Secrets};

/// Settings of the target.
#[derive(Debug)]
pub struct TargetSettings {
    /// Dialect of SCIM.
    pub dialect: &'static Dialect,
    /// Base URL.
    pub url: String,
    /// Concurrent requests. On AWS, users that are provisioned concurrently, with one request each.
    pub concurrency: usize,
    /// Limits of requests, for all workers together.
    pub budget: CallBudget,
    /// Failed attempts after which a user is failed, unless the target is down.
    pub max_attempts: u32,
    secret: SecretRef,
    timeout: Duration,
}

/// Checks the section.
pub(super) fn check(
    table: TargetTable,
    dialect: &'static Dialect,
    folder: &Path,
) -> Result<TargetSettings, KeyProblem> {
    let TargetTable { kind: _, url, secret, timeout_seconds, concurrency, calls_per_second, max_attempts } =
        table;
    scim::check_url(&url).map_err(|error| KeyProblem::at("target.url", error.to_string()))?;
    let budget = match calls_per_second {
        None => dialect.budget,
        Some(calls) => CallBudget::Shared(
            check_range(calls, 1..=1000, "target.calls_per_second", "")?.saturating_mul(60),
        ),
    };
    Ok(TargetSettings {
        dialect,
        url,
        concurrency: check_range(concurrency, 1..=64, "target.concurrency", "")?,
        budget,
        max_attempts: check_range(max_attempts, 1..=100, "target.max_attempts", "")?,
        secret: check_secret(&secret, folder, "target.secret")?,
        timeout: check_timeout(timeout_seconds, "target.timeout_seconds")?,
    })
}

/// Credentials for the target.
#[derive(Deserialize)]
pub struct TargetSecret {
    /// The access token.
    pub access_token: SecretString,
    /// App secret, with which each request is signed where the target requires it.
    pub app_secret: Option<SecretString>,
}

impl SecretContent for TargetSecret {
    const SHAPE: &'static str = r#"{"access_token": "…", "app_secret": "…"} (app_secret may be left out)"#;
}

/// Limits of a request to the target.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Retries of a request.
    pub retry: RetryPolicy,
    /// Upper limit of the configured timeout. A function that is stopped during a request can't record its outcome.
    pub max_timeout: Duration,
    /// Processes that divide the call budget among them.
    pub workers: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), max_timeout: Duration::MAX, workers: 1 }
    }
}

/// Why a client of the target can't be created.
#[derive(Debug, thiserror::Error)]
pub enum TargetOpenError {
    /// The secret is not available.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The settings are invalid.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl TargetSettings {
    /// Place of the access token.
    pub fn secret(&self) -> &SecretRef {
        &self.secret
    }

    /// Reads the secret. Nothing is sent to the target.
    pub async fn check_secret(&self, secrets: &Secrets) -> Result<(), SecretError> {
        secrets.fetch::<TargetSecret>(&self.secret).await.map(drop)
    }

    /// Creates a client; no request is sent. When the target refuses the access token, the client fetches the secret
    /// again, so that a rotation fails no user.
    pub async fn open(&self, secrets: &Secrets, limits: CallLimits) -> Result<Target, TargetOpenError> {
        let CallLimits { retry, max_timeout, workers } = limits;
        let timeout = self.timeout.min(max_timeout);
        let (url, max_concurrent_calls) = (self.url.clone(), self.concurrency);
        let options = TargetOptions { url, timeout, retry, max_concurrent_calls, now: crate::now };
        let client = |secret| Target::new(self.dialect, options.clone(), credentials(secret));
        let target = match client(secrets.fetch(&self.secret).await?) {
            // The token can't be sent, such as an empty one. It may have been corrected since.
            Err(TargetError::Unauthorized { .. }) => client(secrets.refetch(&self.secret).await?)?,
            created => created?,
        };
        let target = target.with_call_budget(self.budget, workers);
        let (secrets, secret) = (secrets.clone(), self.secret.clone());
        Ok(target.with_renewal(move || current_credentials(secrets.clone(), secret.clone())))
    }
}

/// The current secret; `None` where it can't be fetched, and the request stays refused.
async fn current_credentials(secrets: Secrets, secret: SecretRef) -> Option<TargetCredentials> {
    let fetched = secrets.refetch(&secret).await;
    fetched.map(credentials).inspect_err(|error| error.warn("the target refused the access token")).ok()
}

fn credentials(secret: TargetSecret) -> TargetCredentials {
    let TargetSecret { access_token, app_secret } = secret;
    TargetCredentials { access_token, app_secret }
}
