//! `provisioner sweep`: compares the target's accounts with what they were left as.

use std::io::Write;

use anyhow::Result;
use provision::{Finding, Repair, Swept, sweep};
use serde::Serialize;

use crate::args::StatePlace;
use crate::drive::{Tally, provision_due};
use crate::exit::Exit;
use crate::report::{BAD, FAINT, GOOD, HEADING, Item, Progress, Shown, item_of, paint, plain};
use crate::session::Session;

/// How many findings are kept for the report of each kind; all are counted, and all are repaired.
const LISTED: usize = 1_000;

/// How many strangers are named to a person.
const NAMED: usize = 20;

#[derive(Debug, Serialize)]
struct Report {
    /// All that the target showed.
    accounts: u64,
    /// Linked, and as they were left.
    equal: u64,
    /// Linked, and changed by somebody else.
    changed: u64,
    /// Linked, and gone.
    gone: u64,
    /// Linked, and about to be changed anyway.
    waiting: u64,
    /// Never linked: they are left alone.
    strangers: u64,
    /// Not understood.
    unreadable: u64,
    /// Whose account was changed, attribute by attribute, or is gone, up to a limit.
    found: Vec<Item>,
    /// The accounts that were never linked, up to a limit.
    unlinked: Vec<Mismatch>,
    /// What was done about it, if that was asked for.
    repair: Option<Repaired>,
}

#[derive(Debug, Serialize)]
struct Mismatch {
    id: String,
    user_name: Option<String>,
}

#[derive(Debug, Serialize)]
struct Repaired {
    /// Users who are due by this.
    due: u64,
    /// What was done at once; the deployed functions do it at their next scan.
    done: Option<Tally>,
    /// Users who are still to be put right.
    left: u64,
}

/// Sweeps, and repairs if that is asked for.
pub async fn run(
    session: &Session,
    state: &StatePlace,
    repair: Repair,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let shown = Shown { masked: session.connection().policy.rules.mapping.masked() };
    let target = session.target().await?;
    let (mut found, mut unlinked) = (Vec::new(), Vec::new());
    let progress = Progress::start("comparing", None);
    let swept = sweep(&session.store, &target, repair, |finding, swept| {
        progress.at(swept.accounts);
        match finding {
            Some(Finding::Changed { record, differences }) if found.len() < LISTED => {
                let mut item =
                    shown.item(&record.anchor, record.user_name(), "changed", "somebody changed the account");
                item.changes = shown.differences(&differences);
                found.push(item);
            }
            Some(Finding::Gone { record }) if found.len() < LISTED => {
                found.push(shown.item(&record.anchor, record.user_name(), "gone", "the account is gone"));
            }
            Some(Finding::Mismatch { account }) if unlinked.len() < LISTED => {
                let user_name = account.user_name.clone();
                unlinked.push(Mismatch { id: account.id.to_string(), user_name });
            }
            _ => {}
        }
    })
    .await?;
    drop(progress);
    let repaired = match (repair, state) {
        (Repair::Nothing, _) => None,
        (Repair::Due, StatePlace::File(_)) => {
            Some(put_right(session, &target, swept.due, &shown, json, out).await?)
        }
        (Repair::Due, StatePlace::DynamoDb(_)) => Some(Repaired { due: swept.due, done: None, left: 0 }),
    };
    let Swept { accounts, equal, changed, gone, waiting, strangers, unreadable, due: _ } = swept;
    let report = Report {
        accounts,
        equal,
        changed,
        gone,
        waiting,
        strangers,
        unreadable,
        found,
        unlinked,
        repair: repaired,
    };
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, out)?;
    }
    Ok(exit(&report))
}

/// Provisions those who are due, as `sync` does.
async fn put_right(
    session: &Session,
    target: &scim::Target,
    due: u64,
    shown: &Shown,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Repaired> {
    let progress = Progress::start("repairing", Some(due));
    let mut failure = Ok(());
    let provisioner = session.provisioner(target);
    let done = provision_due(&provisioner, session.connection().target.concurrency, None, |outcome| {
        progress.step();
        if let Some(item) = item_of(shown, outcome).filter(|_| !json) {
            progress.aside(|| failure = writeln!(out, "{}", item.text()));
        }
    })
    .await?;
    drop(progress);
    failure?;
    let statuses = session.store.count_by_status().await?;
    let left = ["pending", "retrying", "failed"].iter().filter_map(|word| statuses.get(*word)).sum();
    Ok(Repaired { due, done: Some(done), left })
}

fn print(report: &Report, out: &mut impl Write) -> Result<()> {
    let Report { accounts, equal, changed, gone, waiting, strangers, unreadable, found, unlinked, repair } =
        report;
    if !found.is_empty() {
        writeln!(out, "{}", paint(HEADING, "Not as they were left:"))?;
        found.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?;
    }
    if !unlinked.is_empty() {
        writeln!(out, "{}", paint(HEADING, "Not ours, and left alone:"))?;
        for Mismatch { id, user_name } in unlinked.iter().take(NAMED) {
            let name = user_name.as_deref().unwrap_or("(no user name)");
            writeln!(out, "  {} {}", plain(name), paint(FAINT, &plain(id)))?;
        }
        if unlinked.len() > NAMED {
            writeln!(out, "  … {strangers} in all; --json lists up to {LISTED}")?;
        }
    }
    let numbers =
        format!("{equal} equal, {changed} changed, {gone} gone, {waiting} waiting, {strangers} not ours");
    let style = if exit(report) == Exit::Done { GOOD } else { BAD };
    let rest = format!("({accounts} accounts, {unreadable} not understood)");
    writeln!(out, "{} {}", paint(style, &format!("Swept: {numbers}")), paint(FAINT, &rest))?;
    match repair {
        None if changed + gone > 0 => writeln!(out, "sweep --repair puts ours right")?,
        Some(Repaired { due, done: None, .. }) => {
            writeln!(out, "{due} users are due; the next scan announces them to the deployed functions")?;
        }
        Some(Repaired { due, left, .. }) => writeln!(out, "{due} users were due by this, {left} still are")?,
        None => {}
    }
    Ok(())
}

fn exit(report: &Report) -> Exit {
    match &report.repair {
        Some(Repaired { done: Some(Tally { stopped: Some(_), .. }), .. }) => Exit::CouldNotRun,
        Some(Repaired { left: 0, .. }) => Exit::Done,
        Some(_) => Exit::SomeFailed,
        None if report.changed + report.gone > 0 => Exit::SomeFailed,
        None => Exit::Done,
    }
}
