//! `provisioner sync`: scans, then provisions all due users.

use std::time::Instant;

use ::explain::{HeldSummary, ReportItem, effect_words};
use anyhow::{Result, bail};
use model::{LimitedEffect, Status};
use operate::{UserSelection, UserStates, fetch_held, fetch_user_states, list_users};
use provision::Stop;
use scan::{CONFIGURATION_CHANGED, ScanMode, ScanSummary, UnidentifiedEntry};
use scim::Target;
use serde::Serialize;
use store::CapacityUnits;

use super::apply::ApprovedActions;
use crate::args::{Confirmation, ConnectionArgs, operator_name};
use crate::exit::{Exit, RunResult};
use crate::interrupt::interrupted;
use crate::next::with_command;
use crate::numbers::user_states;
use crate::output::{BAD, FAINT, GOOD, HEADING, Lines, Output, incomplete_read, paint};
use crate::provision_due::{ProvisionCounts, StopReason, provision_due};
use crate::session::{Connections, Session};

/// Maximum number of scans in one run. Removals of accounts that were linked while provisioning need a second scan.
const SCANS: usize = 2;

/// Maximum number of waiting users in the summary, per status.
const LISTED: usize = 50;

/// The numbers of one `sync`; most of them count users.
#[derive(Debug, Serialize)]
struct SyncSummary {
    /// How the directory was read.
    mode: ScanMode,
    /// Entries in scope that were examined.
    read: u64,
    /// Entries that equal the last scan's.
    unchanged: u64,
    /// Actions performed.
    #[serde(flatten)]
    done: ProvisionCounts,
    /// Users by state after the run.
    #[serde(flatten)]
    states: UserStates,
    /// Users with the user name or account of another entry.
    conflicts: u64,
    /// Users with an action that an option stops.
    skipped: u64,
    /// Users with a removal that waits for approval.
    held: u64,
    /// Users with a creation, an update or a transfer that waits for approval.
    held_changes: u64,
    /// What `provisioner approve` can approve.
    approvable: Vec<HeldSummary>,
    /// Users that differ from the approved plan; a later run provisions them.
    not_as_planned: u64,
    /// Users that could not be mapped or provisioned.
    failed: u64,
    /// Users that are still to be provisioned.
    pending: u64,
    /// Whether the directory read was complete. After an incomplete read no account is deprovisioned.
    complete: bool,
    /// Why the read was incomplete.
    incomplete: Option<String>,
    /// Entries that could not be identified, up to a limit.
    unidentified: Vec<UnidentifiedEntry>,
    /// Attributes of the mapping that no entry of a full read shows.
    absent_attributes: Vec<String>,
    /// Housekeeping steps that failed after the scan. The scan's writes stand.
    housekeeping_failures: Vec<String>,
    /// Calls to the target.
    calls: TargetCalls,
    /// Units of the state table that were consumed.
    state: ConsumedUnits,
    /// Duration of the run.
    duration_ms: u64,
    /// Users that wait, up to a limit.
    waiting: Vec<ReportItem>,
}

/// DynamoDB units. The engine of a state file counts them as the service would.
#[derive(Debug, Serialize)]
struct ConsumedUnits {
    /// Read units: 4 KB, read consistently.
    read_units: f64,
    /// Write units: 1 KB.
    write_units: f64,
    /// Read units of the last scan, rounded up.
    scan_read_units: u64,
    /// Write units of the last scan, rounded up.
    scan_write_units: u64,
}

/// Calls to the target.
#[derive(Debug, Serialize)]
struct TargetCalls {
    /// Calls that change nothing.
    reads: u64,
    /// Calls that change something.
    writes: u64,
}

/// What a run does.
#[derive(Clone, Copy)]
pub enum SyncTask<'a> {
    /// A scan in this mode, and all actions that follow from it.
    All(ScanMode, FirstLoadQuestion),
    /// The approved plan alone.
    Approved(&'a ApprovedActions),
}

/// What happens to a first load above its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLoadQuestion {
    /// It is approved.
    Answered,
    /// The person at the terminal is asked.
    Ask,
    /// It is held until it is approved.
    Hold,
}

/// Synchronises a connection.
pub async fn run(connection: &ConnectionArgs, mode: ScanMode, confirmation: Confirmation) -> Result<Exit> {
    let session = Session::open(Connections::read(connection)?, &connection.state_location()).await?;
    let output = &mut Output::of(connection);
    let first_load = match confirmation {
        Confirmation::Given => FirstLoadQuestion::Answered,
        Confirmation::Missing if output.can_ask() => FirstLoadQuestion::Ask,
        Confirmation::Missing => FirstLoadQuestion::Hold,
    };
    synchronise(&session, SyncTask::All(mode, first_load), output).await
}

/// Synchronises and reports.
pub async fn synchronise(session: &Session, task: SyncTask<'_>, output: &mut Output) -> Result<Exit> {
    let started = Instant::now();
    let target = session.connections.target().await?;
    let approved = match task {
        SyncTask::All(..) => None,
        SyncTask::Approved(approved) => Some(&approved.decisions),
    };
    let (mut scanned, mut counts) = (ScanSummary::default(), ProvisionCounts::default());
    for round in 1..=SCANS {
        let mut summary = scan_once(session, task).await?;
        if round == 1 && approve_first_load(session, (task, &summary), output).await? {
            summary = scan_once(session, task).await?;
        }
        scanned = if round == 1 { summary } else { ScanSummary { unchanged: scanned.unchanged, ..summary } };
        counts.add(provision_due(session, &session.provisioner(&target), approved, output).await?);
        // No approved plan contains the removal of an account that was just linked.
        let is_last = approved.is_some() || counts.awaiting_safeguard == 0;
        if is_last || counts.stopped.is_some() || !scanned.complete {
            break;
        }
    }
    let mut summary = summarise(session, &target, (scanned, counts)).await?;
    summary.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !summary.waiting.is_empty() {
        output.legend()?;
    }
    output.show(&summary, |summary| text(summary, session))?;
    Ok(exit(&summary))
}

/// Approves a held first load, if the person at the terminal agrees.
async fn approve_first_load(
    session: &Session,
    (task, scanned): (SyncTask<'_>, &ScanSummary),
    output: &mut Output,
) -> Result<bool> {
    let SyncTask::All(_, question) = task else { return Ok(false) };
    let held = scanned.held_effects.iter().find(|held| held.effect == LimitedEffect::FirstLoad);
    let (Some(held), false) = (held, question == FirstLoadQuestion::Hold) else { return Ok(false) };
    let is_approved = match question {
        FirstLoadQuestion::Ask => {
            let what = effect_words(held, scanned.read);
            output.ask(&format!("First load: {what}. Go on? [y/N] ")).await?
        }
        FirstLoadQuestion::Answered | FirstLoadQuestion::Hold => true,
    };
    let changes = session.store.fetch_connection().await?.memory.changes.filter(|_| is_approved);
    let Some(changes) = changes else { return Ok(false) };
    let (hash, by) = (changes.hash.short(), operator_name());
    Ok(operate::approve(&session.operator(), &hash, &by).await?.is_some())
}

async fn scan_once(session: &Session, task: SyncTask<'_>) -> Result<ScanSummary> {
    let progress = session.progress("reading", None);
    let mut directory = session.connections.directory().await?;
    let (context, at) = (session.scan_context(), |read| progress.at(read));
    let scan = async {
        match task {
            SyncTask::All(mode, _) => scan::scan(&context, &mut directory, mode, at).await,
            SyncTask::Approved(approved) => {
                scan::scan_approved(&context, &mut directory, &approved.plan, at).await
            }
        }
    };
    // The scan is repeated by the next run, as if this process had ended.
    let scanned = tokio::select! {
        scanned = Box::pin(scan) => scanned?,
        () = interrupted() => bail!("interrupted while the directory was read; the next sync begins with this scan"),
    };
    warn_about_configuration(session, &scanned);
    Ok(scanned)
}

/// Warns after the first scan under another configuration: a second file with the same name would be one, too.
fn warn_about_configuration(session: &Session, scanned: &ScanSummary) {
    if scanned.full_reason.as_deref() == Some(CONFIGURATION_CHANGED) {
        let name = &session.connection().policy.name;
        tracing::warn!(
            "{CONFIGURATION_CHANGED} since the last scan of \"{name}\"; if a second file has this name, give it another \
             one, because both use one state"
        );
    }
}

async fn summarise(
    session: &Session,
    target: &Target,
    (scanned, done): (ScanSummary, ProvisionCounts),
) -> Result<SyncSummary> {
    let statuses = session.store.count_by_status().await?;
    let states = fetch_user_states(&session.store, &session.store.fetch_connection().await?).await?;
    let count = |words: &[&str]| words.iter().filter_map(|word| statuses.get(*word)).sum();
    let calls = target.calls();
    let CapacityUnits { reads: read_units, writes: write_units } = session.store.consumed();
    Ok(SyncSummary {
        mode: scanned.mode,
        read: scanned.read,
        unchanged: scanned.unchanged,
        done,
        states,
        conflicts: count(&["conflict"]),
        skipped: count(&["skipped"]),
        held: count(&["held"]),
        held_changes: scanned.held_changes,
        approvable: fetch_held(&session.operator()).await?,
        not_as_planned: scanned.not_as_planned,
        failed: count(&Status::FAILED_WORDS) + scanned.unreadable,
        pending: count(&["pending"]),
        complete: scanned.complete,
        incomplete: scanned.incomplete,
        unidentified: scanned.unidentified_entries,
        absent_attributes: scanned.absent_attributes,
        housekeeping_failures: scanned.housekeeping_failures,
        calls: TargetCalls { reads: calls.reads, writes: calls.writes },
        state: ConsumedUnits {
            read_units,
            write_units,
            scan_read_units: scanned.read_units,
            scan_write_units: scanned.write_units,
        },
        duration_ms: 0,
        waiting: list_users(&session.operator(), UserSelection::Waiting, LISTED).await?.users,
    })
}

fn text(summary: &SyncSummary, session: &Session) -> String {
    let mut lines = Lines::default();
    if !summary.waiting.is_empty() && !session.is_quiet() {
        lines.add(paint(HEADING, "Waiting:"));
        lines.items(&summary.waiting);
    }
    let style = if exit(summary) == Exit::Done { GOOD } else { BAD };
    let done = paint(style, format!("Done: {}", done(summary)));
    let scanned = match summary.mode {
        ScanMode::Incremental => format!("incremental scan: {} entries examined", summary.read),
        ScanMode::Full | ScanMode::Auto => {
            format!("full scan: {} entries in scope, {} unchanged", summary.read, summary.unchanged)
        }
    };
    let rest = format!(
        "({scanned}; {} reads and {} writes at the target; {} ms)",
        summary.calls.reads, summary.calls.writes, summary.duration_ms
    );
    lines.add(format!("{done} {}", paint(FAINT, rest)));
    lines.add(format!("Users: {}", user_states(&summary.states, &summary.approvable)));
    if let Some(incomplete) = &summary.incomplete {
        let incomplete = with_command(incomplete, |words| session.next(words));
        lines.add(incomplete_read(&incomplete, &summary.unidentified));
    }
    if summary.mode == ScanMode::Full && summary.read == 0 && summary.incomplete.is_none() {
        let advice = "check the group or filter, and that the reading account may read the users";
        lines.add(format!("{} {advice}", paint(BAD, "The scope matches no user:")));
    }
    if !summary.absent_attributes.is_empty() {
        let attributes = summary.absent_attributes.join(", ");
        lines.add(format!("{} {attributes}", paint(BAD, "No entry in scope shows these attributes:")));
    }
    for failure in &summary.housekeeping_failures {
        lines.add(format!("{} {failure}", paint(BAD, "Housekeeping after the scan failed:")));
    }
    let stopped = match summary.done.stopped {
        None => None,
        Some(StopReason::Target(Stop::Unauthorized)) => {
            Some(("The target refused the access token:", "renew it; the users stay pending"))
        }
        Some(StopReason::Target(Stop::Unavailable | Stop::Throttled)) => {
            Some(("The target serves no requests now:", "wait until it does; the users stay pending"))
        }
        Some(StopReason::Interrupted) => Some(("Interrupted:", "the users that are left stay pending")),
    };
    if let Some((what, advice)) = stopped {
        lines.add(format!("{} {advice}. Then:", paint(BAD, what)));
        lines.command(&session.next(&["sync"]));
    }
    lines.held(&summary.approvable, session);
    lines.text()
}

/// What was done, in numbers of actions.
fn done(summary: &SyncSummary) -> String {
    let mut words = summary.done.words();
    if summary.not_as_planned > 0 {
        words.push(format!("{} not as planned", summary.not_as_planned));
    }
    match words.is_empty() {
        true if exit(summary) == Exit::Done => "nothing to do".to_owned(),
        true => "no action".to_owned(),
        false => words.join(", "),
    }
}

fn exit(summary: &SyncSummary) -> Exit {
    let SyncSummary { failed, conflicts, not_as_planned, pending, held, held_changes, .. } = summary;
    Exit::of_run(RunResult {
        completed: summary.complete && summary.done.stopped.is_none(),
        failed: failed + conflicts + not_as_planned + pending,
        held: held + held_changes,
    })
}
