//! Secrets: the directory's password and the target's token, fetched when they are needed and never shown.
//!
//! What comes from Secrets Manager is kept for five minutes, because a function is invoked many times a second and a
//! secret changes a few times a year. Whoever is refused with a secret fetches it again (`refetch_…`): that is how
//! a rotation is noticed at once. Environment variables and files are read each time.

mod cache;
mod manager;
mod place;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use cache::{Cache, SecretRead};
pub use place::SecretRef;

/// A secret that can't be used. It says which and why, never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {problem}")]
pub struct SecretError {
    /// Where the secret was looked for.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The directory's secret.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum DirectorySecret {
    /// To sign in with a password.
    Password {
        /// Who reads the directory.
        bind_dn: String,
        /// The password.
        password: SecretString,
    },
    /// To sign in with a client certificate.
    Certificate {
        /// The certificate in PEM, and those between it and the authority.
        certificate: String,
        /// Its private key, in PEM.
        private_key: SecretString,
    },
}

impl DirectorySecret {
    const SHAPE: &str = r#"{"bind_dn": "…", "password": "…"} or {"certificate": "…", "private_key": "…"}"#;

    /// Whether both say the same.
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

/// The target's secret.
#[derive(Deserialize)]
pub struct TargetSecret {
    /// The access token.
    pub access_token: SecretString,
    /// Proves each call; an integration may require it.
    pub app_secret: Option<SecretString>,
}

impl TargetSecret {
    const SHAPE: &str = r#"{"access_token": "…", "app_secret": "…"} (app_secret may be left out)"#;
}

/// Fetches secrets. AWS is contacted only when a secret is there. Clones share what was fetched.
#[derive(Clone, Default)]
pub struct Secrets {
    shared: Arc<SecretSources>,
}

#[derive(Default)]
struct SecretSources {
    manager: OnceCell<Client>,
    cache: Cache,
}

impl Secrets {
    /// The same by way of this client.
    pub fn with_client(client: Client) -> Self {
        let shared = SecretSources { manager: OnceCell::new_with(Some(client)), cache: Cache::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The directory's secret.
    pub async fn fetch_directory(&self, secret: &SecretRef) -> Result<DirectorySecret, SecretError> {
        self.fetch(secret, DirectorySecret::SHAPE, SecretRead::CachedSecret).await
    }

    /// The directory's secret as it is now, for whoever was refused with the one that [`fetch_directory`] gave.
    ///
    /// [`fetch_directory`]: Self::fetch_directory
    pub async fn refetch_directory(&self, secret: &SecretRef) -> Result<DirectorySecret, SecretError> {
        self.fetch(secret, DirectorySecret::SHAPE, SecretRead::Current).await
    }

    /// The target's secret.
    pub async fn fetch_target(&self, secret: &SecretRef) -> Result<TargetSecret, SecretError> {
        self.fetch(secret, TargetSecret::SHAPE, SecretRead::CachedSecret).await
    }

    /// The target's secret as it is now, for whoever was refused with the one that [`fetch_target`] gave.
    ///
    /// [`fetch_target`]: Self::fetch_target
    pub async fn refetch_target(&self, secret: &SecretRef) -> Result<TargetSecret, SecretError> {
        self.fetch(secret, TargetSecret::SHAPE, SecretRead::Current).await
    }

    async fn fetch<T>(&self, secret: &SecretRef, shape: &str, wanted: SecretRead) -> Result<T, SecretError>
    where
        T: DeserializeOwned,
    {
        let fail = |problem: String| SecretError { place: secret.to_string(), problem };
        let parse = |text: &SecretString| parse(text).map_err(|line| fail(misshapen(shape, line)));
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
                let SecretSources { manager, cache } = &*self.shared;
                let fetch = async || {
                    let client = manager.get_or_init(manager::client).await;
                    manager::fetch(client, id).await.map_err(fail)
                };
                cache.get(id, wanted, Instant::now(), fetch, parse).await
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Reads a secret's JSON, or tells the line that can't be understood: the parser's own words could quote the secret.
fn parse<T: DeserializeOwned>(text: &SecretString) -> Result<T, usize> {
    serde_json::from_str(text.expose_secret()).map_err(|error| error.line())
}

fn misshapen(shape: &str, line: usize) -> String {
    format!("should hold {shape}; what it holds can't be understood (line {line})")
}

#[cfg(test)]
mod tests;
