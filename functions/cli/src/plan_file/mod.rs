//! A plan as a file: to be read, compared with another day's, approved by whoever it concerns, and applied as it is.
//!
//! Users come in a fixed order and the time is not in it, so two plans of the same world are the same bytes. What the
//! mapping masks is not in it; a fingerprint stands for what the plan was made from.

mod moved;
mod page;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use runtime::Connection;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use crate::commands::plan::PlanSummary;
use crate::exit::UsageError;
use crate::report::ReportItem;

pub use moved::{Moved, moved};
pub use page::page;

/// The form of the file. Another one is another number.
const FORMAT: u32 = 1;

/// A plan: who, what, why, attribute by attribute, and what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Provisioner plan")]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// The form of this file: 1.
    pub format: u32,
    /// The connection's name.
    pub connection: String,
    /// A fingerprint of the part of the configuration that decides who gets which account.
    pub configuration: String,
    /// What the target speaks, and where it is.
    pub target: String,
    /// The plan in numbers.
    pub summary: PlanNumbers,
    /// Everybody to whom something would be done or is not done, by user name and anchor.
    pub users: Vec<ReportItem>,
}

/// A plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanNumbers {
    /// Entries in scope.
    pub read: u64,
    /// Users to whom nothing is done.
    pub unchanged: u64,
    /// Users by what is done to them.
    pub actions: BTreeMap<String, u64>,
    /// Whether the directory was read completely; if not, nobody is removed.
    pub complete: bool,
    /// Why it was not.
    pub incomplete: Option<String>,
    /// What a changed configuration would do to so many accounts that it is held.
    pub held_change: Option<String>,
}

impl PlanFile {
    /// Puts a plan together.
    pub fn of(connection: &Connection, summary: &PlanSummary, mut users: Vec<ReportItem>) -> Self {
        // Where more than one thing is done to somebody, they stay in their order.
        users.sort_by(|a, b| (&a.user_name, &a.anchor).cmp(&(&b.user_name, &b.anchor)));
        let PlanSummary { read, unchanged, actions, complete, incomplete, change, unidentified: _ } = summary;
        Self {
            format: FORMAT,
            connection: connection.policy.name.clone(),
            configuration: connection.policy.fingerprint.to_string(),
            target: format!("{} at {}", connection.target.dialect.name(), connection.target.url),
            summary: PlanNumbers {
                read: *read,
                unchanged: *unchanged,
                actions: actions.clone(),
                complete: *complete,
                incomplete: incomplete.clone(),
                held_change: change.as_ref().map(|change| change.what.clone()),
            },
            users,
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read the plan {}", path.display()))?;
        let bad = |why: String| UsageError(format!("{}: this is not a plan: {why}", path.display()));
        let plan: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        match plan.format {
            FORMAT => Ok(plan),
            other => Err(bad(format!("its format is {other}, and this version reads {FORMAT}")).into()),
        }
    }

    /// Writes a file.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_private(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }
}

/// Writes a file that its owner alone can read, all of it or nothing: it holds people's data.
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
    fn the_schema_beside_the_tool_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plan.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            committed,
            json_schema().unwrap(),
            "cargo run -- schema --plan > functions/cli/plan.schema.json"
        );
    }
}
