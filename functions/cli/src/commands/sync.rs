//! `provisioner sync`: scans, then provisions until nothing is pending that could go now.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use anyhow::Result;
use provision::Stop;
use scan::{ScanMode, ScanSummary, UnidentifiedEntry};
use serde::Serialize;
use store::CapacityUnits;

use super::apply::Agreement;
use crate::drive::{ProvisionCounts, provision_due};
use crate::exit::Exit;
use crate::report::{
    BAD, FAINT, GOOD, HEADING, HeldSummary, Progress, ReportItem, ValueMask, incomplete_read, item_of, paint,
    waiting,
};
use crate::session::Session;

/// A removal that only turns up while provisioning gets one more scan in the same run.
const SCANS: usize = 2;

/// What a `sync` did, in numbers of users.
#[derive(Debug, Serialize)]
pub struct SyncSummary {
    /// How the directory was read.
    pub mode: ScanMode,
    /// Entries in scope that were looked at.
    pub read: u64,
    /// As at the last scan.
    pub unchanged: u64,
    /// Accounts made, linked, updated and deprovisioned.
    #[serde(flatten)]
    pub done: ProvisionCounts,
    /// Users whose user name or account another entry has.
    pub conflicts: u64,
    /// Users for whom an option stopped something.
    pub skipped: u64,
    /// Users whose removal waits for a person.
    pub held: u64,
    /// Users whose creation or update waits for a person, because the configuration was changed.
    pub held_changes: u64,
    /// What `provisioner approve` would let through.
    pub approvable: Vec<HeldSummary>,
    /// Users who were not as in the plan, and were left alone.
    pub not_as_planned: u64,
    /// Users who could not be mapped or provisioned.
    pub failed: u64,
    /// Users who are still to be provisioned.
    pub pending: u64,
    /// Whether the directory was read completely; if not, nobody was removed.
    pub complete: bool,
    /// Why it was not.
    pub incomplete: Option<String>,
    /// Entries that could not be identified, up to a limit.
    pub unidentified: Vec<UnidentifiedEntry>,
    /// Calls to the target.
    pub calls: Calls,
    /// What was consumed of the state's table.
    pub state: Consumed,
    /// How long it took.
    pub duration_ms: u64,
    /// Everybody who waits for something, up to a limit.
    pub waiting: Vec<ReportItem>,
}

/// DynamoDB's units. The engine of a state file counts them as the service would.
#[derive(Debug, Serialize)]
pub struct Consumed {
    /// Of 4 KB, read consistently.
    pub read_units: f64,
    /// Of 1 KB.
    pub write_units: f64,
    /// Those that the last scan read, rounded up.
    pub scan_read_units: u64,
    /// Those that it wrote.
    pub scan_write_units: u64,
}

/// Calls to the target.
#[derive(Debug, Serialize)]
pub struct Calls {
    /// That change nothing.
    pub reads: u64,
    /// That do.
    pub writes: u64,
}

/// What is to be done.
#[derive(Clone, Copy)]
pub enum Errand<'a> {
    /// Everything that there is to do, after a read of this kind.
    Everything(ScanMode),
    /// What a person has agreed to.
    ApprovedPlan(&'a Agreement),
}

/// Synchronises and reports.
pub async fn run(
    session: &Session,
    errand: Errand<'_>,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let started = Instant::now();
    let mut tally = ProvisionCounts::default();
    let target = session.target().await?;
    let mut scanned = ScanSummary::default();
    for round in 1..=SCANS {
        let progress = Progress::start("reading", None);
        let mut directory = session.connections.directory().await?;
        let (context, at) = (session.scan_context(), |read| progress.at(read));
        let (found, planned) = match errand {
            Errand::Everything(mode) => (scan::scan(&context, &mut directory, mode, at).await?, None),
            Errand::ApprovedPlan(Agreement { agreed, decisions }) => {
                (scan::scan_approved(&context, &mut directory, agreed, at).await?, Some(decisions))
            }
        };
        drop((directory, progress));
        scanned = if round == 1 { found } else { ScanSummary { unchanged: scanned.unchanged, ..found } };

        let due = session.store.count_by_status().await?.get("pending").copied();
        let progress = Progress::start("provisioning", due);
        let mut failure = Ok(());
        let provisioner = session.provisioner(&target);
        let done = provision_due(&provisioner, session.connection().target.concurrency, planned, |outcome| {
            progress.step();
            if let Some(item) = item_of(&shown, outcome).filter(|_| !json) {
                progress.aside(|| failure = writeln!(out, "{}", item.text()));
            }
        })
        .await?;
        drop(progress);
        failure?;
        tally.add(done);
        // A removal that only turned up now is in no plan.
        let is_agreed = matches!(errand, Errand::ApprovedPlan(_));
        if is_agreed || tally.awaiting_check == 0 || tally.stopped.is_some() || !scanned.complete {
            break;
        }
    }
    let summary = summarise(session, &shown, scanned, tally, &target, started).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&summary)?)?;
    } else {
        print(&summary, out)?;
    }
    Ok(exit(&summary))
}

async fn summarise(
    session: &Session,
    shown: &ValueMask,
    scanned: ScanSummary,
    done: ProvisionCounts,
    target: &scim::Target,
    started: Instant,
) -> Result<SyncSummary> {
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
        calls: Calls { reads: calls.reads, writes: calls.writes },
        state: {
            let CapacityUnits { reads, writes } = session.store.consumed();
            let (scan_read_units, scan_write_units) = (scanned.read_units, scanned.write_units);
            Consumed { read_units: reads, write_units: writes, scan_read_units, scan_write_units }
        },
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        waiting: waiting(&session.store, shown).await?,
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
        (summary.not_as_planned, "left alone, who changed since the plan"),
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
    let looked_at = match summary.mode {
        ScanMode::Incremental => format!("{} looked at, of what has changed", summary.read),
        ScanMode::Full | ScanMode::Auto => {
            format!("{} in scope, {} unchanged", summary.read, summary.unchanged)
        }
    };
    let rest = format!(
        "({looked_at}; {} reads and {} writes at the target; {} ms)",
        summary.calls.reads, summary.calls.writes, summary.duration_ms
    );
    let style = if exit(summary) == Exit::Done { GOOD } else { BAD };
    writeln!(out, "{} {}", paint(style, &format!("Done: {}", words.join(", "))), paint(FAINT, &rest))?;
    if let Some(incomplete) = &summary.incomplete {
        writeln!(out, "{}", incomplete_read(incomplete, &summary.unidentified))?;
    }
    match summary.done.stopped {
        Some(Stop::Unauthorized) => {
            writeln!(
                out,
                "{} renew the access token; nothing is lost",
                paint(BAD, "The target refused the token:")
            )?;
        }
        Some(Stop::Unavailable | Stop::Throttled) => {
            writeln!(
                out,
                "{} run sync again later; nothing is lost",
                paint(BAD, "The target does not serve us now:")
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
