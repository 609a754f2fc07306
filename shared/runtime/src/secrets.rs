//! Secrets: the directory's password and the target's token, fetched when they are needed and never shown.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::OnceCell;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
    /// AWS Secrets Manager, by name or ARN.
    SecretsManager(String),
}

impl SecretRef {
    /// Reads `env:NAME`, `file:PATH` or a Secrets Manager id; a relative path is relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("file", path)) => Self::File(folder.join(path)),
            _ => Self::SecretsManager(text.to_owned()),
        }
    }
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::SecretsManager(id) => write!(f, "the secret {id} in AWS Secrets Manager"),
        }
    }
}

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
pub struct DirectorySecret {
    /// Who reads the directory.
    pub bind_dn: String,
    /// The password.
    pub password: SecretString,
}

/// The target's secret.
#[derive(Deserialize)]
pub struct TargetSecret {
    /// The access token.
    pub access_token: SecretString,
    /// Signs each call where the integration requires it.
    pub app_secret: Option<SecretString>,
}

/// Fetches secrets. AWS is contacted only when a secret is there.
#[derive(Default)]
pub struct Secrets {
    manager: OnceCell<aws_sdk_secretsmanager::Client>,
}

impl Secrets {
    /// The directory's secret.
    pub async fn fetch_directory(&self, secret: &SecretRef) -> Result<DirectorySecret, SecretError> {
        let shape = r#"{"bind_dn": "…", "password": "…"}"#;
        parse(&self.fetch(secret).await?, secret, shape)
    }

    /// The target's secret.
    pub async fn fetch_target(&self, secret: &SecretRef) -> Result<TargetSecret, SecretError> {
        let shape = r#"{"access_token": "…", "app_secret": "…"} (app_secret may be left out)"#;
        parse(&self.fetch(secret).await?, secret, shape)
    }

    async fn fetch(&self, secret: &SecretRef) -> Result<String, SecretError> {
        let fail = |problem: String| SecretError { place: secret.to_string(), problem };
        match secret {
            SecretRef::Env(name) => {
                crate::environment::variable(name).ok_or_else(|| fail("is not set".into()))
            }
            SecretRef::File(path) => {
                std::fs::read_to_string(path).map_err(|error| fail(format!("can't be read: {error}")))
            }
            SecretRef::SecretsManager(id) => {
                let client = self.manager.get_or_init(secrets_manager).await;
                let answer = client.get_secret_value().secret_id(id).send().await;
                let answer = answer.map_err(|error| fail(explain(&error.into())))?;
                answer.secret_string.ok_or_else(|| fail("is binary, and should be JSON text".into()))
            }
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(
    text: &str,
    secret: &SecretRef,
    shape: &str,
) -> Result<T, SecretError> {
    // The parser's own message could quote the secret, so it isn't passed on.
    serde_json::from_str(text).map_err(|error| SecretError {
        place: secret.to_string(),
        problem: format!("should hold {shape}; what it holds can't be understood (line {})", error.line()),
    })
}

async fn secrets_manager() -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(&crate::aws::config().await)
}

fn explain(error: &aws_sdk_secretsmanager::Error) -> String {
    use aws_sdk_secretsmanager::Error;
    match error {
        Error::ResourceNotFoundException(_) => "does not exist (in this account and region)".into(),
        Error::DecryptionFailure(_) => "can't be decrypted: the caller may not use its key".into(),
        other => {
            let code = aws_sdk_secretsmanager::error::ProvideErrorMetadata::code(other);
            format!(
                "can't be fetched: {}",
                code.unwrap_or("no answer; are there AWS credentials and a region?")
            )
        }
    }
}
