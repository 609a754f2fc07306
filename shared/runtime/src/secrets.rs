//! Secrets: the password for the directory and the access token for the target. They are fetched on use and never
//! shown.
//!
//! Values from Secrets Manager are cached for five minutes, because a function runs many times a second and a secret
//! changes a few times a year. After a refused request the caller fetches the secret again (`refetch_…`), so a rotation
//! takes effect at once. Environment variables and files are read each time.

mod cache;
mod manager;
mod reference;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use cache::{Cache, SecretRead, SecretRequest};
pub use reference::SecretRef;

/// A secret that can't be used: which and why, without its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct SecretError {
    /// Place of the secret.
    pub place: String,
    /// The problem.
    pub problem: String,
}

/// Credentials for the directory.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum DirectorySecret {
    /// A bind DN and a password.
    Password {
        /// DN of the bind account.
        bind_dn: String,
        /// The password.
        password: SecretString,
    },
    /// A client certificate.
    Certificate {
        /// The certificate and its intermediate certificates, in PEM.
        certificate: String,
        /// The private key, in PEM.
        private_key: SecretString,
    },
}

impl DirectorySecret {
    const SHAPE: &str = r#"{"bind_dn": "…", "password": "…"} or {"certificate": "…", "private_key": "…"}"#;

    /// Whether both have the same content.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (self, other) {
            (
                Self::Password { bind_dn, password },
                Self::Password { bind_dn: other_dn, password: other_password },
            ) => bind_dn == other_dn && same(password, other_password),
            (
                Self::Certificate { certificate, private_key },
                Self::Certificate { certificate: other_certificate, private_key: other_key },
            ) => certificate == other_certificate && same(private_key, other_key),
            _ => false,
        }
    }
}

/// Credentials for the target.
#[derive(Deserialize)]
pub struct TargetSecret {
    /// The access token.
    pub access_token: SecretString,
    /// App secret, with which each request is signed where the target requires it.
    pub app_secret: Option<SecretString>,
}

impl TargetSecret {
    const SHAPE: &str = r#"{"access_token": "…", "app_secret": "…"} (app_secret may be left out)"#;
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

    /// The directory's secret.
    pub async fn fetch_directory(&self, secret: &SecretRef) -> Result<DirectorySecret, SecretError> {
        self.fetch(secret, DirectorySecret::SHAPE, SecretRead::Cached).await
    }

    /// The directory's current secret, after the cached one was refused.
    pub async fn refetch_directory(&self, secret: &SecretRef) -> Result<DirectorySecret, SecretError> {
        self.fetch(secret, DirectorySecret::SHAPE, SecretRead::Current).await
    }

    /// The target's secret.
    pub async fn fetch_target(&self, secret: &SecretRef) -> Result<TargetSecret, SecretError> {
        self.fetch(secret, TargetSecret::SHAPE, SecretRead::Cached).await
    }

    /// The target's current secret, after the cached one was refused.
    pub async fn refetch_target(&self, secret: &SecretRef) -> Result<TargetSecret, SecretError> {
        self.fetch(secret, TargetSecret::SHAPE, SecretRead::Current).await
    }

    async fn fetch<T>(&self, secret: &SecretRef, shape: &str, read: SecretRead) -> Result<T, SecretError>
    where
        T: DeserializeOwned,
    {
        let fail = |problem: String| SecretError { place: secret.to_string(), problem };
        let parse = |text: &SecretString| parse(text).map_err(|line| fail(invalid(shape, line)));
        match secret {
            SecretRef::Env(name) => {
                let text = crate::environment::variable(name);
                parse(&text.ok_or_else(|| fail("is not set".into()))?.into())
            }
            SecretRef::File(path) => {
                let text = std::fs::read_to_string(path);
                parse(&text.map_err(|error| fail(format!("can't be read: {error}")))?.into())
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
mod tests;
