//! The sections of directory and scope: checks, the policy of scans, and the connection to the directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dialect::Dialect;
use directory::{
    AnchorAttribute, AnchorForm, Bind, ChangeDetection, Directory, DirectoryConfig, DirectoryError,
    Membership, Scope, ServerKind,
};
use model::{Fingerprinter, Options, RemoveAction, TargetIdentity};
use plan::status::{AccountStatus, StatusRule};
use plan::{Mapping, Policy, SafetyLimits, UserRules};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::check::check_range;
use super::fields::{check_secret, check_timeout};
use super::file::{
    ChangesWord, DirectoryTable, MembershipWord, OneOrMore, ScopeTable, StatusTable, StatusWord,
};
use super::{KeyProblem, mapping};
use crate::secrets::{SecretContent, SecretError, SecretRef, Secrets};
use crate::text_file;

/// Settings of the directory.
#[derive(Debug)]
pub struct DirectorySettings {
    /// Servers, scope and attributes. Credentials and certificates are added when the directory is opened.
    pub config: DirectoryConfig,
    ca: Option<PathBuf>,
    secret: Option<SecretRef>,
}

/// The decisions of the other sections.
pub(super) struct Decisions {
    pub name: String,
    pub identity: TargetIdentity,
    pub dialect: &'static Dialect,
    pub mapping: Mapping,
    pub options: Options,
    pub safety: SafetyLimits,
}

/// Checks the sections, and joins them with the other decisions to the policy of scans.
pub(super) fn check(
    table: DirectoryTable,
    scope: ScopeTable,
    decisions: Decisions,
    folder: &Path,
) -> Result<(Policy, DirectorySettings), KeyProblem> {
    let Decisions { name, identity, dialect, mapping, options, safety } = decisions;
    let kind = server_kind(&table)?;
    let rules = UserRules {
        mapping,
        status: check_status(table.status.as_ref(), kind)?,
        expires: table.account_expires.then(|| "accountExpires".to_owned()),
        provision_disabled: options.provision_disabled,
        dialect: dialect.name.to_owned(),
    };
    let full_read_hours = check_range(table.full_read_hours, 1..=168, "directory.full_read_hours", "")?;
    let scope = check_scope(scope, kind)?;
    let ca = table.ca.as_ref().map(|ca| check_ca(ca, folder)).transpose()?;
    let secret = table.secret.as_ref().map(|secret| check_secret(secret, folder, "directory.secret"));
    let secret = secret.transpose()?;
    let config = check_config(table, kind, scope, &rules)?;
    let mut hash = Fingerprinter::new("provisioner 2026 configuration");
    describe(&config, &rules, &options, &mut hash);
    let policy = Policy {
        name,
        target: identity,
        fingerprint: hash.finish(),
        rules,
        options,
        safety,
        full_read_hours,
        keep_alive_days: dialect.keep_alive_days,
    };
    Ok((policy, DirectorySettings { config, ca, secret }))
}

/// Adds the canonical serialisation of everything that decides which entry gets which account to a fingerprint.
pub(super) fn describe(
    config: &DirectoryConfig,
    rules: &UserRules,
    options: &Options,
    hash: &mut Fingerprinter,
) {
    hash.bytes(&rules.version().0);
    config.describe_selection(hash);
    let Options {
        observe,
        create,
        update,
        deprovision,
        provision_disabled,
        remove_action,
        delete_after_days,
    } = options;
    [*observe, *create, *update, *deprovision, *provision_disabled]
        .into_iter()
        .for_each(|flag| hash.flag(flag));
    hash.text(match remove_action {
        RemoveAction::Disable => "disable",
        RemoveAction::Delete => "delete",
    });
    hash.flag(delete_after_days.is_some());
    hash.number(delete_after_days.unwrap_or_default().into());
}

fn check_status(table: Option<&StatusTable>, kind: ServerKind) -> Result<StatusRule, KeyProblem> {
    let key = "directory.status.attribute";
    let word = |word: &StatusWord| match word {
        StatusWord::Enabled => AccountStatus::Enabled,
        StatusWord::Disabled => AccountStatus::Disabled,
    };
    match table {
        None => Ok(kind.preset().status),
        Some(StatusTable::None) => Ok(StatusRule::AlwaysEnabled),
        Some(StatusTable::Bitmap { attribute, disabled_bits }) => {
            mapping::attribute_name(attribute, key)?;
            Ok(StatusRule::Bitmap { attribute: attribute.clone(), disabled_bits: *disabled_bits })
        }
        Some(StatusTable::Flag { attribute, value, means, default }) => {
            mapping::attribute_name(attribute, key)?;
            Ok(StatusRule::Flag {
                attribute: attribute.clone(),
                value: value.clone(),
                means: word(means),
                default: word(default),
            })
        }
    }
}

fn check_config(
    table: DirectoryTable,
    kind: ServerKind,
    scope: Scope,
    rules: &UserRules,
) -> Result<DirectoryConfig, KeyProblem> {
    let preset = kind.preset();
    let DirectoryTable {
        url,
        start_tls,
        base_dn,
        user_filter,
        anchor,
        page_size,
        timeout_seconds,
        changes,
        ..
    } = table;
    check_dn(&base_dn, "directory.base_dn", "the entry under which users are")?;
    let user_filter = user_filter.unwrap_or_else(|| preset.user_filter.to_owned());
    check_filter(&user_filter, "directory.user_filter")?;
    let status = rules.status.attribute().map(str::to_owned);
    let attributes: BTreeSet<String> = rules.mapping.source_attributes().into_iter().chain(status).collect();
    let page_size = page_size.unwrap_or(preset.page_size);
    Ok(DirectoryConfig {
        urls: check_urls(url, start_tls)?,
        start_tls,
        ca_pem: None,
        bind: Bind::Anonymous,
        base_dn,
        user_filter,
        anchor: anchor.map(check_anchor).transpose()?.unwrap_or(preset.anchor),
        scope,
        attributes: attributes.into_iter().collect(),
        references: rules.mapping.reference_attributes(),
        expires: rules.expires.clone(),
        changes: change_detection(changes),
        page_size: check_range(page_size, 1..=10_000, "directory.page_size", "")?,
        timeout: check_timeout(timeout_seconds, "directory.timeout_seconds")?,
    })
}

fn server_kind(table: &DirectoryTable) -> Result<ServerKind, KeyProblem> {
    let kind = table.kind.parse();
    kind.map_err(|error: directory::UnknownServerKind| KeyProblem::at("directory.kind", error.to_string()))
}

fn check_urls(url: OneOrMore, start_tls: bool) -> Result<Vec<String>, KeyProblem> {
    let urls = match url {
        OneOrMore::One(url) => vec![url],
        OneOrMore::More(urls) => urls,
    };
    if urls.is_empty() {
        return Err(KeyProblem::at("directory.url", "is an empty list; name at least one server"));
    }
    let has_scheme = |url: &String, scheme: &str| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if !urls.iter().all(|url| has_scheme(url, "ldap://") || has_scheme(url, "ldaps://")) {
        return Err(KeyProblem::at("directory.url", "must start with ldaps:// or ldap://"));
    }
    for url in &urls {
        let checked = directory::check_address(url, start_tls);
        checked.map_err(|error| KeyProblem::at("directory.url", error.to_string()))?;
    }
    if start_tls && urls.iter().any(|url| has_scheme(url, "ldaps://")) {
        return Err(KeyProblem::at(
            "directory.start_tls",
            "is for ldap://; remove it, because ldaps:// is encrypted",
        ));
    }
    Ok(urls)
}

fn check_anchor(attribute: String) -> Result<AnchorAttribute, KeyProblem> {
    mapping::attribute_name(&attribute, "directory.anchor")?;
    let form = anchor_form(&attribute);
    Ok(AnchorAttribute { attribute, form })
}

fn change_detection(word: ChangesWord) -> ChangeDetection {
    match word {
        ChangesWord::Auto => ChangeDetection::Auto,
        ChangesWord::Dirsync => ChangeDetection::DirSync,
        ChangesWord::Sync => ChangeDetection::Sync,
        ChangesWord::Timestamp => ChangeDetection::Timestamp,
        ChangesWord::None => ChangeDetection::None,
    }
}

/// The form of a known anchor attribute; other attributes are text.
fn anchor_form(attribute: &str) -> AnchorForm {
    match attribute.to_ascii_lowercase().as_str() {
        "objectguid" => AnchorForm::Guid,
        "entryuuid" => AnchorForm::Uuid,
        _ => AnchorForm::Text,
    }
}

fn check_ca(text: &str, folder: &Path) -> Result<PathBuf, KeyProblem> {
    match text.strip_prefix("file:") {
        Some(path) => Ok(folder.join(path)),
        None => Err(KeyProblem::at("directory.ca", "must be file:PATH of a PEM file")),
    }
}

fn check_dn(dn: &str, key: &str, what: &str) -> Result<(), KeyProblem> {
    if directory::is_dn(dn) {
        return Ok(());
    }
    let example = "such as cn=users,ou=groups,dc=corp,dc=example";
    Err(KeyProblem::at(key, format!("{dn:?} is no DN; set the key to the DN of {what}, {example}")))
}

fn check_filter(filter: &str, key: &str) -> Result<(), KeyProblem> {
    directory::check_filter(filter).map_err(|error| KeyProblem::at(key, error.to_string()))
}

fn check_scope(table: ScopeTable, kind: ServerKind) -> Result<Scope, KeyProblem> {
    let ScopeTable { group, nested, membership, member_attribute, filter } = table;
    match (group, filter) {
        (None, Some(_)) if nested => {
            Err(KeyProblem::at("scope.nested", "requires scope.group; remove it or scope.filter"))
        }
        (Some(dn), None) => {
            check_dn(&dn, "scope.group", "the group")?;
            let membership = check_membership(membership, member_attribute, kind)?;
            if nested && matches!(membership, Membership::MemberUid { .. }) {
                return Err(KeyProblem::at(
                    "scope.nested",
                    "is not possible with member-uid, because such a group contains no groups; remove it",
                ));
            }
            Ok(Scope::Group { dn, membership, nested })
        }
        (None, Some(filter)) => {
            if membership.is_some() || member_attribute.is_some() {
                return Err(KeyProblem::at(
                    "scope.membership",
                    "requires scope.group; remove it or scope.filter",
                ));
            }
            check_filter(&filter, "scope.filter")?;
            Ok(Scope::Filter(filter))
        }
        (Some(_), Some(_)) => Err(KeyProblem::at("scope", "has both group and filter; keep one of them")),
        (None, None) => Err(KeyProblem::at("scope", "has neither group nor filter; set one of them")),
    }
}

fn check_membership(
    word: Option<MembershipWord>,
    attribute: Option<String>,
    kind: ServerKind,
) -> Result<Membership, KeyProblem> {
    if let Some(name) = &attribute {
        mapping::attribute_name(name, "scope.member_attribute")?;
    }
    let preset = kind.preset();
    let or = |default: &str| attribute.clone().unwrap_or_else(|| default.to_owned());
    Ok(match word {
        None => match (preset.membership, attribute) {
            (Membership::MemberOf { .. }, Some(attribute)) => Membership::MemberOf { attribute },
            (Membership::Member { .. }, Some(attribute)) => Membership::Member { attribute },
            (membership, _) => membership,
        },
        Some(MembershipWord::MemberOf) => {
            Membership::MemberOf { attribute: or(preset.member_of.unwrap_or("memberOf")) }
        }
        Some(MembershipWord::Member) => Membership::Member { attribute: or(preset.member_attribute) },
        Some(MembershipWord::MemberUid) => {
            Membership::MemberUid { attribute: or("memberUid"), user_attribute: "uid".into() }
        }
    })
}

/// Credentials for the directory.
#[derive(Clone, Deserialize)]
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

impl SecretContent for DirectorySecret {
    const SHAPE: &'static str =
        r#"{"bind_dn": "…", "password": "…"} or {"certificate": "…", "private_key": "…"}"#;
}

impl DirectorySecret {
    /// The public and the secret part, to compare two secrets.
    fn expose(&self) -> (&str, &str) {
        match self {
            Self::Password { bind_dn, password } => (bind_dn, password.expose_secret()),
            Self::Certificate { certificate, private_key } => (certificate, private_key.expose_secret()),
        }
    }

    fn bind(&self) -> Bind {
        match self.clone() {
            Self::Password { bind_dn, password } => Bind::Simple { dn: bind_dn, password },
            Self::Certificate { certificate, private_key } => Bind::External { certificate, private_key },
        }
    }
}

/// Why a directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryOpenError {
    /// The secret is not available.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file of the certificate authority can't be read.
    #[error("directory.ca: the file {} {problem}", path.display())]
    Ca {
        /// Path of the file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The directory refused the connection.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl DirectorySettings {
    /// Place of the credentials; `None` for an anonymous bind.
    pub fn secret(&self) -> Option<&SecretRef> {
        self.secret.as_ref()
    }

    /// Reads the secret. Nothing is sent to the directory.
    pub async fn check_secret(&self, secrets: &Secrets) -> Result<(), DirectoryOpenError> {
        if let Some(secret) = &self.secret {
            secrets.fetch::<DirectorySecret>(secret).await?;
        }
        Ok(())
    }

    /// Reads the file of the certificate authority, if one is configured.
    pub fn check_ca(&self) -> Result<(), DirectoryOpenError> {
        self.ca.as_deref().map_or(Ok(()), |ca| read_ca(ca).map(drop))
    }

    /// Connects and binds. After a refused bind the secret is fetched again, because it may have been rotated, and a
    /// changed secret is tried once. A wrong password is never sent twice, because that locks accounts.
    pub async fn open(&self, secrets: &Secrets) -> Result<Directory, DirectoryOpenError> {
        let Self { config, ca, secret } = self;
        let ca_pem = ca.as_deref().map(read_ca).transpose()?;
        let config = |bind| DirectoryConfig { bind, ca_pem: ca_pem.clone(), ..config.clone() };
        let Some(secret) = secret else { return Ok(Directory::connect(&config(Bind::Anonymous)).await?) };
        let cached: DirectorySecret = secrets.fetch(secret).await?;
        let refused = match Directory::connect(&config(cached.bind())).await {
            Err(error) if is_about_credentials(&error) => error,
            connected => return Ok(connected?),
        };
        match secrets.refetch::<DirectorySecret>(secret).await {
            Ok(current) if current.expose() != cached.expose() => {
                Ok(Directory::connect(&config(current.bind())).await?)
            }
            Ok(_) => Err(refused.into()),
            Err(error) => {
                error.warn("the directory refused the bind");
                Err(refused.into())
            }
        }
    }
}

fn read_ca(path: &Path) -> Result<Vec<u8>, DirectoryOpenError> {
    let pem = text_file::read(path)
        .map_err(|error| DirectoryOpenError::Ca { path: path.to_owned(), problem: error.to_string() })?;
    Ok(pem.into_bytes())
}

fn is_about_credentials(error: &DirectoryError) -> bool {
    matches!(error, DirectoryError::InvalidCredentials { .. } | DirectoryError::NoCredentials { .. })
}
