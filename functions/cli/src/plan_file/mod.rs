//! A plan as a file: it can be read, compared, approved and applied.
//!
//! The users have a fixed order and the file has no time, so two plans of the same state are the same bytes. Masked values
//! are left out; fingerprints stand for the inputs of the plan.

mod deviations;
mod page;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use explain::ReportItem;
use operate::PlanSummary;
use runtime::Connection;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use crate::exit::UsageError;

pub use deviations::{PlanDeviation, deviations};
pub use page::page;

/// Version of the file format.
const FORMAT: u32 = 1;

/// A plan: users, actions, reasons and attributes, and the inputs that they were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Provisioner plan")]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Version of the file format: 1.
    pub format: u32,
    /// The connection's name.
    pub connection: String,
    /// Fingerprint of the part of the configuration that decides about accounts.
    pub configuration: String,
    /// Dialect and URL of the target.
    pub target: String,
    /// Numbers of the plan.
    pub summary: PlanNumbers,
    /// Users with an action, or with an action that is not done, by user name and anchor.
    pub users: Vec<ReportItem>,
}

/// Numbers of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanNumbers {
    /// Entries in scope.
    pub read: u64,
    /// Users in sync.
    pub unchanged: u64,
    /// Users by action, or by the reason why none is performed. Each user counts once.
    pub actions: BTreeMap<String, u64>,
    /// Existing accounts that are linked. Where the account is changed too, its user counts under that action.
    pub links: u64,
    /// Whether the directory read was complete. After an incomplete read no account is deprovisioned.
    pub complete: bool,
    /// Why the read was incomplete.
    pub incomplete: Option<String>,
    /// The held changes.
    pub held_changes: Option<String>,
}

impl PlanFile {
    /// Makes the file of a plan.
    pub fn of(connection: &Connection, summary: &PlanSummary, mut users: Vec<ReportItem>) -> Self {
        // Several actions of one user keep their order.
        users.sort_by(|a, b| (&a.user_name, &a.anchor).cmp(&(&b.user_name, &b.anchor)));
        let PlanSummary {
            read,
            unchanged,
            actions,
            links,
            complete,
            incomplete,
            changes,
            out_of_scope: _,
            removals: _,
            can_approve: _,
            approved: _,
            first_load: _,
            unidentified: _,
        } = summary;
        Self {
            format: FORMAT,
            connection: connection.policy.name.clone(),
            configuration: connection.policy.fingerprint.to_string(),
            target: format!("{} at {}", connection.target.dialect.name, connection.target.url),
            summary: PlanNumbers {
                read: *read,
                unchanged: *unchanged,
                actions: actions.clone(),
                links: *links,
                complete: *complete,
                incomplete: incomplete.clone(),
                held_changes: changes.as_ref().map(|changes| changes.what.clone()),
            },
            users,
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read the plan {}", path.display()))?;
        let bad = |why: String| UsageError(format!("{}: this is not a plan file: {why}", path.display()));
        let plan: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        match plan.format {
            FORMAT => Ok(plan),
            other => Err(bad(format!("its format is {other}; this version reads format {FORMAT}")).into()),
        }
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

/// Beginning of a plan file, and of a page.
const BEGINNINGS: [&str; 2] =
    ["{\n  \"format\": ", "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"];

/// Refuses a file that exists and is no earlier plan: it may be the configuration, a secret or the state.
pub fn check_replaceable(path: &Path) -> Result<()> {
    let content = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.with_context(|| format!("can't read {}, which would be overwritten", path.display()))?,
    };
    if BEGINNINGS.iter().any(|beginning| content.starts_with(beginning.as_bytes())) {
        return Ok(());
    }
    let text =
        format!("{} exists and is not a plan, so it is not overwritten; name another file", path.display());
    Err(UsageError(text).into())
}

/// Writes a file that only its owner can read, completely or not at all: it holds personal data.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let doing = || format!("can't write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)?;
    file.persist(path).with_context(doing)?;
    Ok(())
}

/// The JSON Schema of the file.
pub fn json_schema() -> Result<String> {
    Ok(serde_json::to_string_pretty(&schema_for!(PlanFile))? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_schema_equals_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plan.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            committed,
            json_schema().unwrap(),
            "cargo run -- schema --plan > functions/cli/plan.schema.json"
        );
    }
}
