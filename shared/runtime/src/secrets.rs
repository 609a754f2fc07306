//! Secrets: the password for the directory and the access token for the target. They are fetched on use and never
//! shown.
//!
//! Values from Secrets Manager are cached for five minutes, because a function runs many times a second and a secret
//! changes a few times a year. After a refused request the caller fetches the secret again (`refetch`), so a rotation
//! takes effect at once. Environment variables and files are read each time.

mod cache;
mod manager;
mod reference;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use cache::{Cache, SecretRead, SecretRequest};
pub use reference::SecretRef;

use crate::text_file;

/// A secret that can't be used: which and why, without its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct SecretError {
    /// Place of the secret.
    pub place: String,
    /// The problem.
    pub problem: String,
}

impl SecretError {
    /// Logs that a refused secret can't be fetched again.
    #[cfg(any(feature = "directory", feature = "scim"))]
    pub(crate) fn warn(&self, event: &str) {
        tracing::warn!("{event}, and the secret can't be fetched again: {self}");
    }
}

/// Content of a secret, as JSON.
pub trait SecretContent: DeserializeOwned {
    /// Expected JSON, for error messages.
    const SHAPE: &'static str;
}

/// Fetches secrets. AWS is contacted only for secrets in Secrets Manager. Clones share one cache.
#[derive(Clone, Default)]
pub struct Secrets {
    sources: Arc<SecretSources>,
}

/// The client, made on first use, and the cache.
#[derive(Default)]
struct SecretSources {
    manager: OnceCell<Client>,
    cache: Cache,
}

impl Secrets {
    /// Fetches with this client.
    pub fn with_client(client: Client) -> Self {
        let sources = SecretSources { manager: OnceCell::new_with(Some(client)), cache: Cache::default() };
        Self { sources: Arc::new(sources) }
    }

    /// A secret, cached or current.
    pub async fn fetch<T: SecretContent>(&self, secret: &SecretRef) -> Result<T, SecretError> {
        self.read(secret, SecretRead::Cached).await
    }

    /// The current secret, after the cached one was refused.
    pub async fn refetch<T: SecretContent>(&self, secret: &SecretRef) -> Result<T, SecretError> {
        self.read(secret, SecretRead::Current).await
    }

    async fn read<T: SecretContent>(&self, secret: &SecretRef, read: SecretRead) -> Result<T, SecretError> {
        let fail = |problem: String| SecretError { place: secret.to_string(), problem };
        let parse = |text: &SecretString| parse(text).map_err(|line| fail(invalid(T::SHAPE, line)));
        match secret {
            SecretRef::Env(name) => {
                let text = crate::environment::variable(name);
                parse(&text.ok_or_else(|| fail("is not set".into()))?.into())
            }
            SecretRef::File(path) => {
                parse(&text_file::read(path).map_err(|problem| fail(problem.to_string()))?.into())
            }
            SecretRef::SecretsManager(id) => {
                let SecretSources { manager, cache } = &*self.sources;
                let fetch = async || {
                    let client = manager.get_or_init(manager::client).await;
                    manager::fetch(client, id).await.map_err(fail)
                };
                cache.get(SecretRequest { id, read, now: Instant::now() }, fetch, parse).await
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Parses the JSON of a secret. The error is the line alone, because the parser's message may quote the secret.
fn parse<T: DeserializeOwned>(text: &SecretString) -> Result<T, usize> {
    serde_json::from_str(text.expose_secret()).map_err(|error| error.line())
}

fn invalid(shape: &str, line: usize) -> String {
    format!("should hold {shape}; its content is invalid in line {line}")
}

#[cfg(test)]
#[cfg(all(feature = "directory", feature = "scim"))]
mod tests;
