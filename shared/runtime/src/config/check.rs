//! Checks of a configuration file, and its defaults. The sections of directory and target are checked in modules of their
//! own, in programs that use them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use dialect::Dialect;
use model::{Options, RemoveAction, TargetIdentity};
use plan::SafetyLimits;

use super::connection::Connection;
use super::file::{
    ConnectionFile, FirstLoadLimit, NoLimitWord, OptionsTable, RemoveWord, RetentionTable, SafetyTable,
};
use super::{KeyProblem, mapping};

/// Longest time for which departed users, history and deactivated accounts are kept.
const DAYS: RangeInclusive<u32> = 1..=3650;

/// Largest limit on a first load. The plans up to it are kept in memory.
const MAX_FIRST_LOAD: u64 = 1_000;

/// Checks a whole file. Relative paths in it start from `folder`.
#[cfg_attr(
    not(any(feature = "directory", feature = "scim")),
    expect(unused_variables, reason = "no section")
)]
pub(super) fn check(file: ConnectionFile, folder: &Path) -> Result<Connection, KeyProblem> {
    let ConnectionFile { name, directory, scope, target, options, safety, retention, mapping } = file;
    check_name(&name)?;
    let RetentionTable { left_days, history_days } = retention;
    check_range(left_days, DAYS, "retention.left_days", " days")?;
    check_range(history_days, DAYS, "retention.history_days", " days")?;
    let dialect = check_dialect(&target.kind)?;
    let options = check_options(options)?;
    let mapping = mapping::check(mapping, dialect)?;
    let safety = check_safety(safety)?;
    let max_link_drops = safety.max_link_drops;
    let identity = TargetIdentity::new(&target.url, dialect.name);
    let masked = mapping.masked();
    #[cfg(feature = "directory")]
    let (policy, directory) = {
        let (identity, options, name) = (identity.clone(), options, name.clone());
        let decisions = super::directory::Decisions { name, identity, dialect, mapping, options, safety };
        super::directory::check(directory, scope, decisions, folder)?
    };
    #[cfg(not(feature = "directory"))]
    let _ = (directory, scope);
    Ok(Connection {
        name,
        identity,
        options,
        masked,
        max_link_drops,
        #[cfg(feature = "directory")]
        policy,
        #[cfg(feature = "directory")]
        directory,
        #[cfg(feature = "scim")]
        target: super::target::check(target, dialect, folder)?,
        left_days,
        history_days,
    })
}

/// Checks that a number is in a range. `unit` follows the range in the message.
pub(super) fn check_range<T: PartialOrd + Display>(
    value: T,
    range: RangeInclusive<T>,
    key: &str,
    unit: &str,
) -> Result<T, KeyProblem> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(KeyProblem::at(key, format!("must be from {} to {}{unit}", range.start(), range.end())))
}

fn check_name(name: &str) -> Result<(), KeyProblem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(KeyProblem::at("name", "must have 1 to 64 letters, digits, '-' and '_'"))
}

fn check_dialect(kind: &str) -> Result<&'static Dialect, KeyProblem> {
    Dialect::named(kind).ok_or_else(|| {
        let names: Vec<&str> = Dialect::all().map(|dialect| dialect.name).collect();
        KeyProblem::at("target.kind", format!("{kind:?} is not one of: {}", names.join(", ")))
    })
}

fn check_options(table: OptionsTable) -> Result<Options, KeyProblem> {
    let OptionsTable {
        observe,
        create,
        update,
        deprovision,
        provision_disabled,
        remove_action,
        delete_after_days,
    } = table;
    if let Some(days) = delete_after_days {
        check_range(days, DAYS, "options.delete_after_days", " days")?;
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
    Ok(Options { observe, create, update, deprovision, provision_disabled, remove_action, delete_after_days })
}

fn check_safety(table: SafetyTable) -> Result<SafetyLimits, KeyProblem> {
    let SafetyTable {
        max_removals,
        max_removal_percent,
        max_removals_per_day,
        max_first_load,
        max_changes,
        max_renames,
        max_reactivations,
        max_transfers,
        max_link_drops,
        max_attribute_percent,
    } = table;
    let max_first_load = match max_first_load {
        FirstLoadLimit::Users(users) => {
            Some(check_range(users, 0..=MAX_FIRST_LOAD, "safety.max_first_load", " users, or \"unlimited\"")?)
        }
        FirstLoadLimit::Word(NoLimitWord::Unlimited) => None,
    };
    check_range(max_removal_percent, 0..=100, "safety.max_removal_percent", "")?;
    check_range(max_attribute_percent, 0..=100, "safety.max_attribute_percent", "")?;
    let max_removals_per_day =
        max_removals_per_day.unwrap_or(max_removals.saturating_mul(SafetyLimits::SCANS_A_DAY));
    Ok(SafetyLimits {
        max_removals,
        max_removal_percent,
        max_removals_per_day,
        max_first_load,
        max_changes,
        max_renames,
        max_reactivations,
        max_transfers,
        max_link_drops,
        max_attribute_percent,
    })
}
