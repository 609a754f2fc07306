//! The event of the scan function.

use runtime::{Connection, Invocation};
use scan::{ScanMode, ScanSummary};
use serde::Deserialize;
use serde_json::{Value, json};

/// Shape of the event, for error messages.
pub const SHAPE: &str = r#"{"connection": "corp", "mode": "auto|full|incremental", "dry_run": false, "user": null, "approve": null, "approved_by": null}"#;

/// The event. Unknown keys are refused, so that a misspelt `dry_run` is not a scan that writes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanEvent {
    /// Name of the connection; optional if there is only one.
    pub connection: Option<String>,
    /// How the directory is read.
    #[serde(default)]
    pub mode: ScanMode,
    /// Plans only; nothing is written.
    #[serde(default)]
    pub dry_run: bool,
    /// Only this user.
    pub user: Option<String>,
    /// Hash of held removals or of a held change, to approve before the scan.
    pub approve: Option<String>,
    /// The approver's name.
    pub approved_by: Option<String>,
    /// Invocations of this scan that ran out of time.
    #[serde(default)]
    pub continuation: u32,
}

/// An event with its connection and its invocation.
#[derive(Clone, Copy)]
pub struct ScanRequest<'a> {
    pub connection: &'a Connection,
    pub event: &'a ScanEvent,
    pub invocation: &'a Invocation,
}

impl ScanRequest<'_> {
    /// Name of the connection.
    pub fn name(&self) -> &str {
        &self.connection.name
    }

    /// The event that continues this scan in another invocation; `None` if the scan makes no progress.
    pub fn continued(&self, summary: &ScanSummary) -> Option<Value> {
        /// Invocations of one scan; more would take half a day.
        const MAX_CONTINUATIONS: u32 = 50;
        let continuation = self.event.continuation + 1;
        let is_stuck = summary.changed == 0 && summary.written == 0;
        (!is_stuck && continuation <= MAX_CONTINUATIONS).then(
            || json!({ "connection": self.name(), "mode": self.event.mode, "continuation": continuation }),
        )
    }
}
