//! `provisioner drift`: compares the accounts at the target with the state last applied to them.

use anyhow::Result;
use operate::{DriftRepair, DriftReport, UnlinkedAccount, find_drift};
use serde::Serialize;

use crate::args::ConnectionArgs;
use crate::clean::plain;
use crate::exit::{Exit, RunResult};
use crate::output::{BAD, FAINT, GOOD, HEADING, Lines, Output, paint};
use crate::provision_due::{ProvisionCounts, provision_due};
use crate::session::Session;

/// Maximum number of unlinked accounts that are printed.
const PRINTED: usize = 20;

#[derive(Debug, Serialize)]
struct DriftResult {
    #[serde(flatten)]
    report: DriftReport,
    /// Result of the repair, if one was requested.
    repair: Option<RepairSummary>,
}

#[derive(Debug, Serialize)]
struct RepairSummary {
    /// Users that became pending.
    due: u64,
    /// Actions performed by this command; `None` where the deployed functions perform them.
    done: Option<ProvisionCounts>,
    /// Users that are not in sync after the repair.
    left: u64,
}

/// Compares, and repairs if that is requested.
pub async fn run(connection: &ConnectionArgs, repair: DriftRepair) -> Result<Exit> {
    let session = &match repair {
        DriftRepair::ReportOnly => Session::open_to_read(connection).await?,
        DriftRepair::MarkPending => Session::open_existing(connection).await?,
    };
    let output = &mut Output::of(connection);
    session.check_target().await?;
    let target = session.connections.target().await?;
    let progress = session.progress("comparing", None);
    let report = find_drift(&session.operator(), &target, repair, |accounts| progress.at(accounts)).await?;
    drop(progress);
    let due = report.due;
    let repair = match repair {
        DriftRepair::ReportOnly => None,
        DriftRepair::MarkPending if session.is_deployed() => Some(RepairSummary { due, done: None, left: 0 }),
        DriftRepair::MarkPending => {
            let done = provision_due(session, &session.provisioner(&target), None, output).await?;
            let statuses = session.store.count_by_status().await?;
            let left = ["pending", "retrying", "failed", "account_gone"]
                .iter()
                .filter_map(|status| statuses.get(*status))
                .sum();
            Some(RepairSummary { due, done: Some(done), left })
        }
    };
    let result = DriftResult { report, repair };
    if !result.report.found.is_empty() {
        output.legend()?;
    }
    output.show(&result, |result| text(result, session))?;
    Ok(exit(&result))
}

fn text(result: &DriftResult, session: &Session) -> String {
    let DriftResult { report, repair } = result;
    let DriftReport { accounts, equal, changed, gone, waiting, unlinked, unreadable, .. } = report;
    let mut lines = Lines::default();
    if !report.found.is_empty() {
        lines.add(paint(HEADING, "Different from the state last applied:"));
        lines.items(&report.found);
    }
    if !report.unlinked_accounts.is_empty() {
        lines.add(paint(HEADING, "Never linked, not changed:"));
        for UnlinkedAccount { id, user_name } in report.unlinked_accounts.iter().take(PRINTED) {
            let name = user_name.as_deref().unwrap_or("(no user name)");
            lines.add(format!("  {} {}", plain(name), paint(FAINT, plain(id))));
        }
        let listed = report.unlinked_accounts.len();
        if listed > PRINTED {
            lines.add(format!("  … {unlinked} in total; --json lists {listed}"));
        }
    }
    let numbers = format!(
        "Drift: {equal} equal, {changed} changed, {gone} gone, {waiting} waiting, {unlinked} not linked"
    );
    let style = if exit(result) == Exit::Done { GOOD } else { BAD };
    let rest = format!("({accounts} accounts, {unreadable} not readable)");
    lines.add(format!("{} {}", paint(style, numbers), paint(FAINT, rest)));
    match repair {
        None if changed + gone > 0 => {
            lines.add("To restore the linked accounts:");
            lines.command(&session.next(&["drift", "--repair"]));
        }
        None => {}
        Some(RepairSummary { due, done: None, .. }) => {
            lines.add(format!("{due} users are pending; the next scan sends provision requests for them"));
        }
        Some(RepairSummary { due, left, .. }) => {
            lines.add(format!("{due} users were pending, {left} are not in sync yet"));
        }
    }
    lines.text()
}

fn exit(DriftResult { report, repair }: &DriftResult) -> Exit {
    let stopped = repair.iter().filter_map(|repair| repair.done.as_ref()).any(|done| done.stopped.is_some());
    let failed = repair.as_ref().map_or(report.changed + report.gone, |repair| repair.left);
    Exit::of_run(RunResult { completed: !stopped, failed, held: 0 })
}
