//! Places of secrets.

use std::fmt;
use std::path::{Path, PathBuf};

/// The place of a secret.
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
    /// Parses `env:NAME`, `file:PATH` or a Secrets Manager id. A relative path starts from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("file", path)) => Self::File(folder.join(path)),
            _ => Self::SecretsManager(text.to_owned()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::SecretsManager(id) => write!(f, "the secret {id} in AWS Secrets Manager"),
        }
    }
}
