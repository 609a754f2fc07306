//! Metrics and the log line of a scan.

use runtime::metrics::{Counter, Gauge, count, sample};
use scan::ScanSummary;
use store::Store;

/// Records the numbers of a scan.
pub async fn measure_scan(connection: &str, store: &Store, summary: &ScanSummary, duration_ms: u64) {
    let ScanSummary { read, changed, held, held_changes, skipped, conflicts, failed, complete, .. } = summary;
    count(connection, Counter::Scanned, *read);
    count(connection, Counter::Changed, *changed);
    sample(connection, Gauge::ScanDuration, duration_ms);
    if !summary.out_of_time {
        sample(connection, Gauge::IncompleteReads, u64::from(!complete));
        sample(connection, Gauge::Held, held.saturating_add(*held_changes));
        sample(connection, Gauge::Skipped, *skipped);
        sample(connection, Gauge::Conflicts, *conflicts);
        sample(connection, Gauge::UsersFailed, *failed);
    }
    if let Ok(breaker) = store.fetch_breaker().await {
        sample(connection, Gauge::BreakerOpen, u64::from(breaker.is_some()));
    }
    tracing::info!(
        version = summary.version,
        mode = ?summary.mode,
        full_reason = summary.full_reason,
        read,
        changed,
        created = summary.created,
        updated = summary.updated,
        deprovisioned = summary.deprovisioned,
        held,
        complete,
        duration_ms,
        "scan completed"
    );
}

/// Records a scan that failed: it read nothing that counts.
pub fn measure_failure(connection: &str) {
    sample(connection, Gauge::IncompleteReads, 1);
}
