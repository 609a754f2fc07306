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
    /// Parses `env:NAME`, `file:PATH` or `secretsmanager:ID`. A relative path starts from `folder`. `None`: the text has
    /// another form, and may be the secret itself, so it must not be shown.
    pub fn parse(text: &str, folder: &Path) -> Option<Self> {
        match text.split_once(':') {
            Some((_, "")) | None => None,
            Some(("env", name)) => Some(Self::Env(name.to_owned())),
            Some(("file", path)) => Some(Self::File(folder.join(path))),
            Some(("secretsmanager", id)) => Some(Self::SecretsManager(id.to_owned())),
            Some(_) => None,
        }
    }

    /// The file of the secret, if users other than its owner can read it.
    #[cfg(unix)]
    pub fn exposed_file(&self) -> Option<&Path> {
        use std::os::unix::fs::PermissionsExt;
        let Self::File(path) = self else { return None };
        let is_exposed = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        is_exposed.then_some(path)
    }

    /// Other systems have no such mode.
    #[cfg(not(unix))]
    pub fn exposed_file(&self) -> Option<&Path> {
        None
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
