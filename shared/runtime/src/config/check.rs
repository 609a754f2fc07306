//! Checks of a configuration file, and its defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::{AnchorAttribute, AnchorForm, ChangeDetection, Membership, Scope, ServerKind};
use model::{Options, RemoveAction, TargetIdentity};
use plan::status::{AccountStatus, StatusRule};
use plan::{Policy, SafetyLimits, UserRules};
use scim::Dialect;

use super::connection::{Connection, DirectorySettings, TargetSettings};
use super::file::{
    ChangesWord, ConnectionFile, DirectoryTable, MembershipWord, OneOrMore, OptionsTable, RemoveWord,
    RetentionTable, SafetyTable, ScopeTable, StatusTable, StatusWord, TargetTable,
};
use super::{KeyProblem, rules};
use crate::secrets::SecretRef;

/// Checks a whole file.
pub(super) fn check(file: ConnectionFile, folder: &Path) -> Result<Connection, KeyProblem> {
    let ConnectionFile { name, directory, scope, target, options, safety, retention, mapping } = file;
    check_name(&name)?;
    let RetentionTable { left_days, history_days } = retention;
    check_days(left_days, "retention.left_days")?;
    check_days(history_days, "retention.history_days")?;
    let kind = server_kind(&directory)?;
    let target = check_target(target, folder)?;
    let options = check_options(options)?;
    let rules = UserRules {
        mapping: rules::mapping(mapping, target.dialect)?,
        status: check_status(directory.status.as_ref(), kind)?,
        expires: directory.account_expires.then(|| "accountExpires".to_owned()),
        provision_disabled: options.provision_disabled,
        dialect: target.dialect.name().to_owned(),
    };
    let full_read_hours = check_full_read_hours(directory.full_read_hours)?;
    let directory = check_directory(directory, check_scope(scope, kind)?, &rules, folder)?;
    Ok(Connection {
        policy: Policy {
            name,
            target: TargetIdentity::new(&target.url, target.dialect.name()),
            fingerprint: directory.policy_fingerprint(&rules, &options),
            rules,
            options,
            safety: check_safety(safety)?,
            full_read_hours,
            keep_alive_days: target.dialect.keep_alive_days(),
        },
        directory,
        target,
        left_days,
        history_days,
    })
}

fn check_days(days: u32, key: &str) -> Result<(), KeyProblem> {
    if (1..=3650).contains(&days) { Ok(()) } else { Err(KeyProblem::at(key, "must be from 1 to 3650 days")) }
}

fn check_full_read_hours(hours: u32) -> Result<u32, KeyProblem> {
    if (1..=168).contains(&hours) {
        return Ok(hours);
    }
    Err(KeyProblem::at("directory.full_read_hours", "must be from 1 to 168"))
}

fn check_name(name: &str) -> Result<(), KeyProblem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(KeyProblem::at("name", "must have 1 to 64 letters, digits, '-' and '_'"))
}

fn check_target(table: TargetTable, folder: &Path) -> Result<TargetSettings, KeyProblem> {
    let TargetTable { kind, url, secret, timeout_seconds, concurrency, calls_per_second, max_attempts } =
        table;
    let dialect = Dialect::named(&kind).ok_or_else(|| {
        KeyProblem::at("target.kind", format!("{kind:?} is not one of: {}", Dialect::names().join(", ")))
    })?;
    if !(1..=64).contains(&concurrency) {
        return Err(KeyProblem::at("target.concurrency", "must be from 1 to 64"));
    }
    if calls_per_second.is_some_and(|calls| !(1..=1000).contains(&calls)) {
        return Err(KeyProblem::at("target.calls_per_second", "must be from 1 to 1000"));
    }
    if !(1..=100).contains(&max_attempts) {
        return Err(KeyProblem::at("target.max_attempts", "must be from 1 to 100"));
    }
    Ok(TargetSettings {
        dialect,
        url,
        concurrency,
        calls_per_second: calls_per_second.or(dialect.calls_per_second()),
        max_attempts,
        secret: check_secret(&secret, folder, "target.secret")?,
        timeout: check_timeout(timeout_seconds, "target.timeout_seconds")?,
    })
}

fn check_secret(text: &str, folder: &Path, key: &str) -> Result<SecretRef, KeyProblem> {
    if text.trim_start().starts_with('{') {
        return Err(KeyProblem::at(
            key,
            "contains the secret itself; name the place of the secret, such as file:PATH",
        ));
    }
    if text.is_empty() {
        return Err(KeyProblem::at(key, "is empty; set it to a Secrets Manager id, env:NAME or file:PATH"));
    }
    Ok(SecretRef::parse(text, folder))
}

fn check_timeout(seconds: u64, key: &str) -> Result<Duration, KeyProblem> {
    if (1..=900).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(KeyProblem::at(key, "must be from 1 to 900 seconds"))
}

fn check_options(table: OptionsTable) -> Result<Options, KeyProblem> {
    let OptionsTable { create, update, deprovision, provision_disabled, remove_action, delete_after_days } =
        table;
    if let Some(days) = delete_after_days {
        check_days(days, "options.delete_after_days")?;
    }
    let remove_action = match remove_action {
        RemoveWord::Disable => RemoveAction::Disable,
        RemoveWord::Delete => RemoveAction::Delete,
    };
    if remove_action == RemoveAction::Delete && delete_after_days.is_some() {
        return Err(KeyProblem::at(
            "options.delete_after_days",
            "requires remove_action = \"disable\"; with \"delete\" accounts are deleted at once",
        ));
    }
    Ok(Options { create, update, deprovision, provision_disabled, remove_action, delete_after_days })
}

fn check_safety(table: SafetyTable) -> Result<SafetyLimits, KeyProblem> {
    let SafetyTable { max_removals, max_removal_percent, max_removals_per_day, max_changes } = table;
    if max_removal_percent > 100 {
        return Err(KeyProblem::at("safety.max_removal_percent", "must be from 0 to 100"));
    }
    let max_removals_per_day =
        max_removals_per_day.unwrap_or(max_removals.saturating_mul(SafetyLimits::SCANS_A_DAY));
    Ok(SafetyLimits { max_removals, max_removal_percent, max_removals_per_day, max_changes })
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
            rules::attribute_name(attribute, key)?;
            Ok(StatusRule::Bitmap { attribute: attribute.clone(), disabled_bits: *disabled_bits })
        }
        Some(StatusTable::Flag { attribute, value, means, default }) => {
            rules::attribute_name(attribute, key)?;
            Ok(StatusRule::Flag {
                attribute: attribute.clone(),
                value: value.clone(),
                means: word(means),
                default: word(default),
            })
        }
    }
}

fn check_directory(
    table: DirectoryTable,
    scope: Scope,
    rules: &UserRules,
    folder: &Path,
) -> Result<DirectorySettings, KeyProblem> {
    let preset = server_kind(&table)?.preset();
    let DirectoryTable {
        kind: _,
        url,
        start_tls,
        base_dn,
        secret,
        ca,
        user_filter,
        anchor,
        page_size,
        timeout_seconds,
        status: _,
        account_expires: _,
        changes,
        full_read_hours: _,
    } = table;
    if base_dn.trim().is_empty() {
        return Err(KeyProblem::at("directory.base_dn", "is empty; name the entry under which users are"));
    }
    let page_size = page_size.unwrap_or(preset.page_size);
    if !(1..=10_000).contains(&page_size) {
        return Err(KeyProblem::at("directory.page_size", "must be from 1 to 10000"));
    }
    let user_filter = user_filter.unwrap_or_else(|| preset.user_filter.to_owned());
    check_filter(&user_filter, "directory.user_filter")?;
    let attributes: std::collections::BTreeSet<String> = rules
        .mapping
        .source_attributes()
        .into_iter()
        .chain(rules.status.attribute().map(str::to_owned))
        .collect();
    Ok(DirectorySettings {
        urls: check_urls(url, start_tls)?,
        base_dn,
        scope,
        start_tls,
        ca: ca.map(|ca| check_ca(&ca, folder)).transpose()?,
        secret: secret.map(|secret| check_secret(&secret, folder, "directory.secret")).transpose()?,
        user_filter,
        anchor: anchor.map(check_anchor).transpose()?.unwrap_or(preset.anchor),
        attributes: attributes.into_iter().collect(),
        references: rules.mapping.reference_attributes(),
        expires: rules.expires.clone(),
        changes: change_detection(changes),
        page_size,
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
    if !urls.iter().all(|url| url.starts_with("ldap://") || url.starts_with("ldaps://")) {
        return Err(KeyProblem::at("directory.url", "must start with ldaps:// or ldap://"));
    }
    if start_tls && urls.iter().any(|url| url.starts_with("ldaps://")) {
        return Err(KeyProblem::at(
            "directory.start_tls",
            "is for ldap://; remove it, because ldaps:// is encrypted",
        ));
    }
    Ok(urls)
}

fn check_anchor(attribute: String) -> Result<AnchorAttribute, KeyProblem> {
    rules::attribute_name(&attribute, "directory.anchor")?;
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
            if dn.trim().is_empty() {
                return Err(KeyProblem::at("scope.group", "is empty; set it to the DN of the group"));
            }
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
        rules::attribute_name(name, "scope.member_attribute")?;
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
