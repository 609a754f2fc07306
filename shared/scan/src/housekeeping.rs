//! Housekeeping after a scan's save: status counts, redrive, keep-alive, and the line in the list of scans.
//!
//! The scan's writes stand by then, so a failure here is logged and named in the summary, and the scan succeeds.

use model::{ScanVersion, UnixSeconds};
use store::PastScan;

use crate::keep_alive::keep_alive;
use crate::redrive::redrive;
use crate::{ScanContext, ScanError, ScanSummary};

/// Counts statuses, sends requests that are due again, and keeps the integration alive.
pub(crate) async fn housekeep(
    context: &ScanContext<'_>,
    served_at: Option<UnixSeconds>,
    version: ScanVersion,
    mut summary: ScanSummary,
) -> ScanSummary {
    match context.store.count_by_status().await {
        Ok(statuses) => {
            summary.take_statuses(&statuses);
            match redrive(context, version, &statuses).await {
                Ok(sent) => summary.redriven = sent,
                Err(error) => note_failure(&mut summary, "sending due requests again", &error),
            }
        }
        Err(error) => note_failure(&mut summary, "counting users by status", &error.into()),
    }
    if let Err(error) = keep_alive(context, served_at).await {
        note_failure(&mut summary, "keeping the integration alive", &error);
    }
    summary
}

/// Puts the scan on the list of scans that did something.
pub(crate) async fn record_scan(context: &ScanContext<'_>, began: UnixSeconds, summary: &mut ScanSummary) {
    let Ok(numbers) = serde_json::to_value(&*summary) else { return };
    let (version, ended) = (ScanVersion(summary.version), (context.clock)());
    let scan = PastScan { version, began, ended, summary: numbers };
    if let Err(error) = context.store.record_scan(&scan).await {
        note_failure(summary, "recording the scan in the list of scans", &error.into());
    }
}

fn note_failure(summary: &mut ScanSummary, step: &str, error: &ScanError) {
    tracing::warn!("housekeeping after the scan failed while {step}: {error}");
    summary.housekeeping_failures.push(format!("{step}: {error}"));
}
