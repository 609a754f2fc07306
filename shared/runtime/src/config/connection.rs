//! A connection as it is used.

use std::path::PathBuf;
use std::time::Duration;

use directory::{AnchorAttribute, Bind, ChangeDetection, Directory, DirectoryConfig, DirectoryError, Scope};
use model::{Fingerprint, Fingerprinter, Options};
use plan::{Policy, UserRules};
use scim::{Dialect, RetryPolicy, Target, TargetCredentials, TargetError, TargetOptions};
use store::{Store, Table};
use tracing::warn;

use crate::secrets::{DirectorySecret, SecretError, SecretRef, Secrets, TargetSecret};

/// One directory, one target, and everything that says how they belong together.
#[derive(Debug)]
pub struct Connection {
    /// The configured decisions; what the engines work with.
    pub policy: Policy,
    /// The source of truth.
    pub directory: DirectorySettings,
    /// The account store.
    pub target: TargetSettings,
    pub(super) left_days: u32,
    pub(super) history_days: u32,
}

impl Connection {
    /// This connection's part of the table.
    pub fn store(&self, table: &Table) -> Store {
        table
            .connection(&self.policy.name)
            .with_retention_days(self.left_days)
            .with_history_days(self.history_days)
    }
}

impl DirectorySettings {
    /// Fingerprint of everything that decides which entry gets which account.
    pub(super) fn policy_fingerprint(&self, rules: &UserRules, options: &Options) -> Fingerprint {
        let Self { base_dn, scope, user_filter, anchor, .. } = self;
        let mut hash = Fingerprinter::new("provisioner 2026 configuration");
        hash.bytes(&rules.version().0);
        hash.text(base_dn);
        hash.text(&format!("{scope:?}"));
        hash.text(user_filter);
        hash.text(&format!("{anchor:?}"));
        hash.text(&format!("{options:?}"));
        hash.finish()
    }
}

/// How to reach and read the directory.
#[derive(Debug)]
pub struct DirectorySettings {
    /// `ldap://` or `ldaps://`, in the order in which they are tried.
    pub urls: Vec<String>,
    /// Where users are searched.
    pub base_dn: String,
    /// Who is in scope.
    pub scope: Scope,
    pub(super) start_tls: bool,
    pub(super) ca: Option<PathBuf>,
    pub(super) secret: Option<SecretRef>,
    pub(super) user_filter: String,
    pub(super) anchor: AnchorAttribute,
    pub(super) attributes: Vec<String>,
    pub(super) references: Vec<String>,
    pub(super) expires: Option<String>,
    pub(super) changes: ChangeDetection,
    pub(super) page_size: i32,
    pub(super) timeout: Duration,
}

/// How to reach the target.
#[derive(Debug)]
pub struct TargetSettings {
    /// What the target speaks.
    pub dialect: &'static Dialect,
    /// Its base URL.
    pub url: String,
    /// How many calls the target gets at a time. On AWS, how many users are provisioned at a time, who have a call each.
    pub concurrency: usize,
    /// How many calls a second all workers together make at most.
    pub calls_per_second: Option<u32>,
    /// After so many tries in vain a user is left to a person, unless the target serves nobody.
    pub max_attempts: u32,
    pub(super) secret: SecretRef,
    pub(super) timeout: Duration,
}

/// How patiently the target is called.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// How often a call is tried.
    pub retry: RetryPolicy,
    /// An answer is waited for no longer than this, whatever is configured: a function that is stopped in mid-call can
    /// write down no outcome.
    pub max_timeout: Duration,
    /// Processes that divide the call budget among them.
    pub workers: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { retry: RetryPolicy::default(), max_timeout: Duration::MAX, workers: 1 }
    }
}

/// Something outside that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A secret can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificate authority's file can't be read.
    #[error("directory.ca: can't read {}: {problem}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The directory can't be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The target can't be used.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl DirectorySettings {
    /// Connects and binds. When the sign-in is refused, the secret may have been rotated since it was fetched; then it
    /// is fetched again, and if it is another one, tried once more. A wrong password is never sent twice, because that
    /// is how accounts get locked.
    pub async fn open(&self, secrets: &Secrets) -> Result<Directory, OpenError> {
        let Self {
            urls,
            base_dn,
            scope,
            start_tls,
            ca,
            secret,
            user_filter,
            anchor,
            attributes,
            references,
            expires,
            changes,
            page_size,
            timeout,
        } = self;
        let ca_pem = match ca {
            None => None,
            Some(path) => Some(
                std::fs::read(path)
                    .map_err(|error| OpenError::Ca { path: path.clone(), problem: error.to_string() })?,
            ),
        };
        let config = |bind| DirectoryConfig {
            urls: urls.clone(),
            start_tls: *start_tls,
            ca_pem: ca_pem.clone(),
            bind,
            base_dn: base_dn.clone(),
            user_filter: user_filter.clone(),
            anchor: anchor.clone(),
            scope: scope.clone(),
            attributes: attributes.clone(),
            references: references.clone(),
            expires: expires.clone(),
            changes: *changes,
            page_size: *page_size,
            timeout: *timeout,
        };
        let Some(secret) = secret else { return Ok(Directory::connect(&config(Bind::Anonymous)).await?) };
        let kept = secrets.fetch_directory(secret).await?;
        let refused = match Directory::connect(&config(bind(&kept))).await {
            Err(error) if is_about_credentials(&error) => error,
            connected => return Ok(connected?),
        };
        match secrets.refetch_directory(secret).await {
            Ok(current) if !current.is_same(&kept) => Ok(Directory::connect(&config(bind(&current))).await?),
            Ok(_) => Err(refused.into()),
            Err(error) => {
                warn!("the directory refused the sign-in, and the secret can't be fetched again: {error}");
                Err(refused.into())
            }
        }
    }
}

fn bind(secret: &DirectorySecret) -> Bind {
    match secret {
        DirectorySecret::Password { bind_dn, password } => {
            Bind::Simple { dn: bind_dn.clone(), password: password.clone() }
        }
        DirectorySecret::Certificate { certificate, private_key } => {
            Bind::External { certificate: certificate.clone(), private_key: private_key.clone() }
        }
    }
}

fn is_about_credentials(error: &DirectoryError) -> bool {
    matches!(error, DirectoryError::InvalidCredentials { .. } | DirectoryError::NoCredentials { .. })
}

impl TargetSettings {
    /// Makes a client; nothing is sent yet. When the target refuses the access token, the client fetches the secret
    /// again, so that a rotation costs no user.
    pub async fn open(&self, secrets: &Secrets, patience: CallLimits) -> Result<Target, OpenError> {
        let CallLimits { retry, max_timeout, workers } = patience;
        let timeout = self.timeout.min(max_timeout);
        let (url, max_concurrent_calls) = (self.url.clone(), self.concurrency);
        let options = TargetOptions { url, timeout, retry, max_concurrent_calls, now: crate::now };
        let client = |secret| Target::new(self.dialect, options.clone(), credentials(secret));
        let target = match client(secrets.fetch_target(&self.secret).await?) {
            // It can't even be sent, an empty one say; somebody may have put that right.
            Err(TargetError::Unauthorized { .. }) => client(secrets.refetch_target(&self.secret).await?)?,
            made => made?,
        };
        let target = target.with_call_budget(self.calls_per_second, workers);
        let (secrets, secret) = (secrets.clone(), self.secret.clone());
        Ok(target.with_renewal(move || current_credentials(secrets.clone(), secret.clone())))
    }
}

/// What the secret holds now. If it can't be had, whoever was refused stays refused.
async fn current_credentials(secrets: Secrets, secret: SecretRef) -> Option<TargetCredentials> {
    match secrets.refetch_target(&secret).await {
        Ok(secret) => Some(credentials(secret)),
        Err(error) => {
            warn!("the target refused the access token, and the secret can't be fetched again: {error}");
            None
        }
    }
}

fn credentials(secret: TargetSecret) -> TargetCredentials {
    let TargetSecret { access_token, app_secret } = secret;
    TargetCredentials { access_token, app_secret }
}
