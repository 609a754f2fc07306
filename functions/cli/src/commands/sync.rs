//! `provisioner sync`: scans, then provisions until no user is pending who can be provisioned now.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use provision::Stop;
use scan::{ScanMode, ScanSummary, UnidentifiedEntry};
use serde::Serialize;
use store::CapacityUnits;

use super::apply::ApprovedWork;
use crate::drive::{ProvisionCounts, provision_due};
use crate::exit::Exit;
use crate::report::{
    BAD, FAINT, GOOD, HEADING, HeldSummary, Progress, ReportItem, ValueMask, incomplete_read, item_of, paint,
    waiting,
};
use crate::session::Session;

/// Scans of one run. A removal that only turns up while provisioning gets a second scan.
const SCANS: usize = 2;

/// The numbers of one `sync`; most of them count users.
#[derive(Debug, Serialize)]
pub struct SyncSummary {
    /// How the directory was read.
    pub mode: ScanMode,
    /// Entries in scope that were examined.
    pub read: u64,
    /// Entries that equal the last scan's.
    pub unchanged: u64,
    /// Accounts created, linked, updated and deprovisioned.
    #[serde(flatten)]
    pub done: ProvisionCounts,
    /// Users whose user name or account another entry has.
    pub conflicts: u64,
    /// Users for whom an option stopped an action.
    pub skipped: u64,
    /// Users whose removal waits for approval.
    pub held: u64,
    /// Users whose creation or update waits for approval of a changed configuration.
    pub held_changes: u64,
    /// What `provisioner approve` can approve.
    pub approvable: Vec<HeldSummary>,
    /// Users who differ from the approved plan; a later run provisions them.
    pub not_as_planned: u64,
    /// Users who could not be mapped or provisioned.
    pub failed: u64,
    /// Users who are still to be provisioned.
    pub pending: u64,
    /// Whether the directory read was complete. After an incomplete read no account is deprovisioned.
    pub complete: bool,
    /// Why the read was incomplete.
    pub incomplete: Option<String>,
    /// Entries that could not be identified, up to a limit.
    pub unidentified: Vec<UnidentifiedEntry>,
    /// Housekeeping steps that failed after the scan. The scan's writes stand.
    pub housekeeping_failures: Vec<String>,
    /// Calls to the target.
    pub calls: Calls,
    /// Units of the state table that were consumed.
    pub state: Consumed,
    /// Duration of the run.
    pub duration_ms: u64,
    /// Users who wait, up to a limit.
    pub waiting: Vec<ReportItem>,
}

/// DynamoDB units. The engine of a state file counts them as the service would.
#[derive(Debug, Serialize)]
pub struct Consumed {
    /// Read units: 4 KB, read consistently.
    pub read_units: f64,
    /// Write units: 1 KB.
    pub write_units: f64,
    /// Read units of the last scan, rounded up.
    pub scan_read_units: u64,
    /// Write units of the last scan, rounded up.
    pub scan_write_units: u64,
}

/// Calls to the target.
#[derive(Debug, Serialize)]
pub struct Calls {
    /// Calls that change nothing.
    pub reads: u64,
    /// Calls that change something.
    pub writes: u64,
}

/// What a run does.
#[derive(Clone, Copy)]
pub enum SyncTask<'a> {
    /// A scan in this mode, and everything that follows from it.
    Everything(ScanMode),
    /// The approved plan alone.
    Approved(&'a ApprovedWork),
}

/// Synchronises and reports.
pub async fn run(
    session: &Session,
    task: SyncTask<'_>,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let mask = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let started = Instant::now();
    let mut counts = ProvisionCounts::default();
    let target = session.target().await?;
    let mut scanned = ScanSummary::default();
    for round in 1..=SCANS {
        let summary = scan_once(session, task).await?;
        scanned = if round == 1 { summary } else { ScanSummary { unchanged: scanned.unchanged, ..summary } };

        let due = session.store.count_by_status().await?.get("pending").copied();
        let progress = Progress::start("provisioning", due);
        let mut failure = Ok(());
        let provisioner = session.provisioner(&target);
        let planned = match task {
            SyncTask::Everything(_) => None,
            SyncTask::Approved(work) => Some(&work.decisions),
        };
        let concurrency = session.connection().target.concurrency;
        let done = provision_due(&provisioner, concurrency, planned, |outcome| {
            progress.step();
            if let Some(item) = item_of(&mask, outcome).filter(|_| !json) {
                progress.aside(|| failure = writeln!(out, "{}", item.text()));
            }
        })
        .await?;
        drop(progress);
        failure?;
        counts.add(done);
        // A removal that only turned up while provisioning is in no approved plan.
        let is_approved = matches!(task, SyncTask::Approved(_));
        if is_approved || counts.awaiting_check == 0 || counts.stopped.is_some() || !scanned.complete {
            break;
        }
    }
    let work = SyncWork { scanned, counts, target: &target, started };
    let summary = summarise(session, &mask, work).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&summary)?)?;
    } else {
        print(&summary, out)?;
    }
    Ok(exit(&summary))
}

async fn scan_once(session: &Session, task: SyncTask<'_>) -> Result<ScanSummary> {
    let progress = Progress::start("reading", None);
    let mut directory = session.connections.directory().await?;
    let (context, at) = (session.scan_context(), |read| progress.at(read));
    Ok(match task {
        SyncTask::Everything(mode) => scan::scan(&context, &mut directory, mode, at).await?,
        SyncTask::Approved(work) => scan::scan_approved(&context, &mut directory, &work.plan, at).await?,
    })
}

/// What a run has done, before it is summarised.
struct SyncWork<'a> {
    scanned: ScanSummary,
    counts: ProvisionCounts,
    target: &'a scim::Target,
    started: Instant,
}

async fn summarise(session: &Session, mask: &ValueMask, work: SyncWork<'_>) -> Result<SyncSummary> {
    let SyncWork { scanned, counts: done, target, started } = work;
    let statuses: BTreeMap<String, u64> = session.store.count_by_status().await?;
    let count = |words: &[&str]| words.iter().filter_map(|word| statuses.get(*word)).sum();
    let calls = target.calls();
    let (memory, now) = (session.store.fetch_connection().await?.memory, runtime::now());
    Ok(SyncSummary {
        mode: scanned.mode,
        read: scanned.read,
        unchanged: scanned.unchanged,
        done,
        conflicts: count(&["conflict"]),
        skipped: count(&["skipped"]),
        held: count(&["held"]),
        held_changes: scanned.held_changes,
        approvable: HeldSummary::removals(&memory, now)
            .into_iter()
            .chain(HeldSummary::change(&memory, now))
            .collect(),
        not_as_planned: scanned.not_as_planned,
        failed: count(&["retrying", "failed", "invalid"]),
        pending: count(&["pending"]),
        complete: scanned.complete,
        incomplete: scanned.incomplete,
        unidentified: scanned.unidentified_entries,
        housekeeping_failures: scanned.housekeeping_failures,
        calls: Calls { reads: calls.reads, writes: calls.writes },
        state: {
            let CapacityUnits { reads, writes } = session.store.consumed();
            let (scan_read_units, scan_write_units) = (scanned.read_units, scanned.write_units);
            Consumed { read_units: reads, write_units: writes, scan_read_units, scan_write_units }
        },
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        waiting: waiting(&session.store, mask).await?,
    })
}

fn print(summary: &SyncSummary, out: &mut impl Write) -> Result<()> {
    if !summary.waiting.is_empty() {
        writeln!(out, "{}", paint(HEADING, "Waiting:"))?;
        summary.waiting.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?;
    }
    let SyncSummary { done, .. } = summary;
    let numbers = [
        (done.created, "created"),
        (done.linked, "linked"),
        (done.updated, "updated"),
        (done.deprovisioned, "deprovisioned"),
        (summary.conflicts, "conflicts"),
        (summary.skipped, "skipped"),
        (summary.held, "held"),
        (summary.held_changes, "held changes"),
        (summary.not_as_planned, "not as planned"),
        (summary.failed, "failed"),
        (summary.pending, "pending"),
    ];
    let mut words: Vec<String> = numbers
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if words.is_empty() {
        words.push("nothing to do".into());
    }
    let scanned = match summary.mode {
        ScanMode::Incremental => format!("incremental scan: {} entries examined", summary.read),
        ScanMode::Full | ScanMode::Auto => {
            format!("full scan: {} in scope, {} unchanged", summary.read, summary.unchanged)
        }
    };
    let rest = format!(
        "({scanned}; {} reads and {} writes at the target; {} ms)",
        summary.calls.reads, summary.calls.writes, summary.duration_ms
    );
    let style = if exit(summary) == Exit::Done { GOOD } else { BAD };
    writeln!(out, "{} {}", paint(style, &format!("Done: {}", words.join(", "))), paint(FAINT, &rest))?;
    if let Some(incomplete) = &summary.incomplete {
        writeln!(out, "{}", incomplete_read(incomplete, &summary.unidentified))?;
    }
    for failure in &summary.housekeeping_failures {
        writeln!(out, "{} {failure}", paint(BAD, "Housekeeping after the scan failed:"))?;
    }
    match summary.done.stopped {
        Some(Stop::Unauthorized) => {
            writeln!(
                out,
                "{} renew the access token; the users stay pending",
                paint(BAD, "The target refused the access token:")
            )?;
        }
        Some(Stop::Unavailable | Stop::Throttled) => {
            writeln!(
                out,
                "{} run sync again later; the users stay pending",
                paint(BAD, "The target serves no requests now:")
            )?;
        }
        None => {}
    }
    summary.approvable.iter().try_for_each(|part| writeln!(out, "{}", part.text()))?;
    Ok(())
}

fn exit(summary: &SyncSummary) -> Exit {
    match summary {
        SyncSummary { done: ProvisionCounts { stopped: Some(_), .. }, .. }
        | SyncSummary { complete: false, .. } => Exit::CouldNotRun,
        SyncSummary { held: 1.., .. } | SyncSummary { held_changes: 1.., .. } => Exit::Held,
        SyncSummary { failed: 1.., .. }
        | SyncSummary { conflicts: 1.., .. }
        | SyncSummary { not_as_planned: 1.., .. }
        | SyncSummary { pending: 1.., .. } => Exit::SomeFailed,
        _ => Exit::Done,
    }
}
