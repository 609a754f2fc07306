//! `provisioner drift`: compares the accounts at the target with the state last applied to them.

use std::io::Write;

use anyhow::Result;
use provision::{DriftCounts, DriftFinding, DriftRepair, find_drift};
use serde::Serialize;

use crate::args::StateLocation;
use crate::drive::{ProvisionCounts, provision_due};
use crate::exit::Exit;
use crate::report::{BAD, FAINT, GOOD, HEADING, Progress, ReportItem, ValueMask, item_of, paint, plain};
use crate::session::Session;

/// Maximum number of findings in the report, per kind. All are counted, and all are repaired.
const LISTED: usize = 1_000;

/// Maximum number of unlinked accounts that are printed.
const PRINTED: usize = 20;

#[derive(Debug, Serialize)]
struct DriftReport {
    accounts: u64,
    equal: u64,
    changed: u64,
    gone: u64,
    waiting: u64,
    unlinked: u64,
    unreadable: u64,
    /// Changed and deleted accounts of users, attribute by attribute.
    found: Vec<ReportItem>,
    /// Accounts that were never linked.
    unlinked_accounts: Vec<UnlinkedAccount>,
    /// Result of the repair, if one was requested.
    repair: Option<RepairSummary>,
}

#[derive(Debug, Serialize)]
struct UnlinkedAccount {
    id: String,
    user_name: Option<String>,
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
pub async fn run(
    session: &Session,
    state: &StateLocation,
    repair: DriftRepair,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let mask = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let target = session.target().await?;
    let (mut found, mut unlinked_accounts) = (Vec::new(), Vec::new());
    let progress = Progress::start("comparing", None);
    let counts = find_drift(&session.store, &target, repair, |finding, counts| {
        progress.at(counts.accounts);
        match finding {
            Some(DriftFinding::Changed { record, differences }) if found.len() < LISTED => {
                let mut item = mask.item(
                    &record.anchor,
                    record.user_name(),
                    "changed",
                    "changed at the target since the last sync",
                );
                item.changes = mask.differences(&differences);
                found.push(item);
            }
            Some(DriftFinding::Gone { record }) if found.len() < LISTED => {
                found.push(mask.item(&record.anchor, record.user_name(), "gone", "deleted at the target"));
            }
            Some(DriftFinding::Unlinked { account }) if unlinked_accounts.len() < LISTED => {
                let user_name = account.user_name.clone();
                unlinked_accounts.push(UnlinkedAccount { id: account.id.to_string(), user_name });
            }
            _ => {}
        }
    })
    .await?;
    drop(progress);
    let repair = match (repair, state) {
        (DriftRepair::ReportOnly, _) => None,
        (DriftRepair::MarkPending, StateLocation::File(_)) => {
            Some(provision_pending(session, &target, counts.due, &mask, json, out).await?)
        }
        (DriftRepair::MarkPending, StateLocation::DynamoDb(_)) => {
            Some(RepairSummary { due: counts.due, done: None, left: 0 })
        }
    };
    let DriftCounts { accounts, equal, changed, gone, waiting, unlinked, unreadable, due: _ } = counts;
    let report = DriftReport {
        accounts,
        equal,
        changed,
        gone,
        waiting,
        unlinked,
        unreadable,
        found,
        unlinked_accounts,
        repair,
    };
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, out)?;
    }
    Ok(exit(&report))
}

/// Provisions pending users, as `sync` does.
async fn provision_pending(
    session: &Session,
    target: &scim::Target,
    due: u64,
    mask: &ValueMask,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<RepairSummary> {
    let progress = Progress::start("repairing", Some(due));
    let mut failure = Ok(());
    let provisioner = session.provisioner(target);
    let done = provision_due(&provisioner, session.connection().target.concurrency, None, |outcome| {
        progress.step();
        if let Some(item) = item_of(mask, outcome).filter(|_| !json) {
            progress.aside(|| failure = writeln!(out, "{}", item.text()));
        }
    })
    .await?;
    drop(progress);
    failure?;
    let statuses = session.store.count_by_status().await?;
    let left = ["pending", "retrying", "failed"].iter().filter_map(|word| statuses.get(*word)).sum();
    Ok(RepairSummary { due, done: Some(done), left })
}

fn print(report: &DriftReport, out: &mut impl Write) -> Result<()> {
    let DriftReport { accounts, equal, changed, gone, waiting, unlinked, unreadable, .. } = report;
    if !report.found.is_empty() {
        writeln!(out, "{}", paint(HEADING, "Different from the state last applied:"))?;
        report.found.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?;
    }
    if !report.unlinked_accounts.is_empty() {
        writeln!(out, "{}", paint(HEADING, "Never linked, not changed:"))?;
        for UnlinkedAccount { id, user_name } in report.unlinked_accounts.iter().take(PRINTED) {
            let name = user_name.as_deref().unwrap_or("(no user name)");
            writeln!(out, "  {} {}", plain(name), paint(FAINT, &plain(id)))?;
        }
        if report.unlinked_accounts.len() > PRINTED {
            writeln!(out, "  … {unlinked} in total; --json lists up to {LISTED}")?;
        }
    }
    let numbers =
        format!("{equal} equal, {changed} changed, {gone} gone, {waiting} waiting, {unlinked} not linked");
    let style = if exit(report) == Exit::Done { GOOD } else { BAD };
    let rest = format!("({accounts} accounts, {unreadable} not readable)");
    writeln!(out, "{} {}", paint(style, &format!("Drift: {numbers}")), paint(FAINT, &rest))?;
    match &report.repair {
        None if changed + gone > 0 => {
            writeln!(out, "provisioner drift --repair restores the linked accounts")?
        }
        Some(RepairSummary { due, done: None, .. }) => {
            writeln!(out, "{due} users are pending; the next scan sends provision requests for them")?;
        }
        Some(RepairSummary { due, left, .. }) => {
            writeln!(out, "{due} users were pending, {left} are not in sync yet")?;
        }
        None => {}
    }
    Ok(())
}

fn exit(report: &DriftReport) -> Exit {
    match &report.repair {
        Some(RepairSummary { done: Some(ProvisionCounts { stopped: Some(_), .. }), .. }) => Exit::CouldNotRun,
        Some(RepairSummary { left: 0, .. }) => Exit::Done,
        Some(_) => Exit::SomeFailed,
        None if report.changed + report.gone > 0 => Exit::SomeFailed,
        None => Exit::Done,
    }
}
