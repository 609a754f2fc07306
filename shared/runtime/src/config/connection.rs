//! A connection after its checks: settings, and the opening of directory and target.

use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::{
    AnchorAttribute, AnchorForm, Bind, ChangeDetection, Directory, DirectoryConfig, DirectoryError,
    Membership, Scope,
};
use model::{Fingerprint, Fingerprinter, Options, RemoveAction};
use plan::{Policy, UserRules};
use scim::{Dialect, RetryPolicy, Target, TargetCredentials, TargetError, TargetOptions};
use store::{Store, Table};
use tracing::warn;

use crate::secrets::{DirectorySecret, SecretError, SecretRef, Secrets, TargetSecret};

/// A connection: one directory, one target and the configured decisions.
#[derive(Debug)]
pub struct Connection {
    /// Configured decisions, for the engines.
    pub policy: Policy,
    /// Settings of the directory.
    pub directory: DirectorySettings,
    /// Settings of the target.
    pub target: TargetSettings,
    pub(super) left_days: u32,
    pub(super) history_days: u32,
}

impl Connection {
    /// The state of this connection in the table.
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
        let mut hash = Fingerprinter::new("provisioner 2026 configuration");
        self.describe(rules, options, &mut hash);
        hash.finish()
    }

    /// Adds the canonical serialisation of those settings to a fingerprint.
    pub(super) fn describe(&self, rules: &UserRules, options: &Options, hash: &mut Fingerprinter) {
        // The other settings decide how the directory is read, and `expires` is part of the rules.
        let Self {
            base_dn,
            scope,
            user_filter,
            anchor,
            urls: _,
            start_tls: _,
            ca: _,
            secret: _,
            attributes: _,
            references: _,
            expires: _,
            changes: _,
            page_size: _,
            timeout: _,
        } = self;
        hash.bytes(&rules.version().0);
        hash.text(base_dn);
        describe_scope(scope, hash);
        hash.text(user_filter);
        let AnchorAttribute { attribute, form } = anchor;
        hash.text(attribute);
        hash.text(match form {
            AnchorForm::Uuid => "uuid",
            AnchorForm::Guid => "guid",
            AnchorForm::Text => "text",
            AnchorForm::Binary => "binary",
        });
        describe_options(options, hash);
    }
}

fn describe_scope(scope: &Scope, hash: &mut Fingerprinter) {
    let texts: Vec<&str> = match scope {
        Scope::Filter(filter) => vec!["filter", filter],
        Scope::Group { dn, membership, nested } => {
            let mut texts = vec!["group", dn, if *nested { "nested" } else { "direct" }];
            texts.extend(match membership {
                Membership::MemberOf { attribute } => vec!["member_of", attribute],
                Membership::Member { attribute } => vec!["member", attribute],
                Membership::MemberUid { attribute, user_attribute } => {
                    vec!["member_uid", attribute, user_attribute]
                }
            });
            texts
        }
    };
    texts.into_iter().for_each(|text| hash.text(text));
}

fn describe_options(options: &Options, hash: &mut Fingerprinter) {
    let Options { create, update, deprovision, provision_disabled, remove_action, delete_after_days } =
        options;
    [*create, *update, *deprovision, *provision_disabled].into_iter().for_each(|flag| hash.flag(flag));
    hash.text(match remove_action {
        RemoveAction::Disable => "disable",
        RemoveAction::Delete => "delete",
    });
    hash.flag(delete_after_days.is_some());
    hash.number(delete_after_days.unwrap_or_default().into());
}

/// Settings of the directory.
#[derive(Debug)]
pub struct DirectorySettings {
    /// `ldap://` or `ldaps://`, in the order of preference.
    pub urls: Vec<String>,
    /// DN of the base entry of searches.
    pub base_dn: String,
    /// Users in scope.
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

/// Settings of the target.
#[derive(Debug)]
pub struct TargetSettings {
    /// Dialect of SCIM.
    pub dialect: &'static Dialect,
    /// Base URL.
    pub url: String,
    /// Concurrent requests. On AWS, users that are provisioned concurrently, with one request each.
    pub concurrency: usize,
    /// Most requests per second, of all workers together.
    pub calls_per_second: Option<u32>,
    /// Failed attempts after which a user is failed, unless the target is down.
    pub max_attempts: u32,
    pub(super) secret: SecretRef,
    pub(super) timeout: Duration,
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

/// Why a directory or a target can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The secret is not available.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file of the certificate authority can't be read.
    #[error("directory.ca: can't read {}: {problem}; check the path and its permissions", path.display())]
    Ca {
        /// Path of the file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The directory refused the connection.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The target settings are invalid.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl DirectorySettings {
    /// Connects and binds. After a refused bind the secret is fetched again, because it may have been rotated, and a
    /// changed secret is tried once. A wrong password is never sent twice, because that locks accounts.
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
        let ca_pem = ca.as_deref().map(read_ca).transpose()?;
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
        let cached = secrets.fetch_directory(secret).await?;
        let refused = match Directory::connect(&config(bind(&cached))).await {
            Err(error) if is_about_credentials(&error) => error,
            connected => return Ok(connected?),
        };
        match secrets.refetch_directory(secret).await {
            Ok(current) if !current.is_same(&cached) => {
                Ok(Directory::connect(&config(bind(&current))).await?)
            }
            Ok(_) => Err(refused.into()),
            Err(error) => {
                warn_not_fetched("the directory refused the bind", &error);
                Err(refused.into())
            }
        }
    }
}

fn warn_not_fetched(event: &str, error: &SecretError) {
    warn!("{event}, and the secret can't be fetched again: {error}");
}

fn read_ca(path: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| OpenError::Ca { path: path.to_owned(), problem: error.to_string() })
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
    /// Creates a client; no request is sent. When the target refuses the access token, the client fetches the secret
    /// again, so that a rotation fails no user.
    pub async fn open(&self, secrets: &Secrets, limits: CallLimits) -> Result<Target, OpenError> {
        let CallLimits { retry, max_timeout, workers } = limits;
        let timeout = self.timeout.min(max_timeout);
        let (url, max_concurrent_calls) = (self.url.clone(), self.concurrency);
        let options = TargetOptions { url, timeout, retry, max_concurrent_calls, now: crate::now };
        let client = |secret| Target::new(self.dialect, options.clone(), credentials(secret));
        let target = match client(secrets.fetch_target(&self.secret).await?) {
            // The token can't be sent, such as an empty one. It may have been corrected since.
            Err(TargetError::Unauthorized { .. }) => client(secrets.refetch_target(&self.secret).await?)?,
            made => made?,
        };
        let target = target.with_call_budget(self.calls_per_second, workers);
        let (secrets, secret) = (secrets.clone(), self.secret.clone());
        Ok(target.with_renewal(move || current_credentials(secrets.clone(), secret.clone())))
    }
}

/// The current secret; `None` where it can't be fetched, and the request stays refused.
async fn current_credentials(secrets: Secrets, secret: SecretRef) -> Option<TargetCredentials> {
    match secrets.refetch_target(&secret).await {
        Ok(secret) => Some(credentials(secret)),
        Err(error) => {
            warn_not_fetched("the target refused the access token", &error);
            None
        }
    }
}

fn credentials(secret: TargetSecret) -> TargetCredentials {
    let TargetSecret { access_token, app_secret } = secret;
    TargetCredentials { access_token, app_secret }
}
