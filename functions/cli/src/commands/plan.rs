//! `provisioner plan`: shows everything that `sync` would do.

use std::io;
use std::path::Path;

use ::explain::{HeldSummary, ReportItem, effect_words};
use anyhow::Result;
use model::HeldEffect;
use operate::{PlanEvent, PlanSources, PlanSummary, preview_sync};

use crate::args::ConnectionArgs;
use crate::clean::json;
use crate::exit::{Exit, RunResult};
use crate::next::with_command;
use crate::numbers;
use crate::output::{BAD, FAINT, HEADING, Lines, Output, incomplete_read, paint};
use crate::plan_file::{PlanFile, check_replaceable, page, write_private};
use crate::session::Session;

/// Files that a plan is written to, beside the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanFiles<'a> {
    /// Plan file for `apply`.
    pub plan: Option<&'a Path>,
    /// HTML page.
    pub page: Option<&'a Path>,
}

/// Shows the plan of a connection.
pub async fn run(connection: &ConnectionArgs, files: PlanFiles<'_>) -> Result<Exit> {
    let mut session = Session::open_to_read(connection).await?;
    // The plan shows what would be done once `options.observe` is off.
    session.connections.connection.policy.options.observe = false;
    show(&session, files, &mut Output::of(connection)).await
}

/// Shows a plan item by item. Only a plan that goes into a file is kept in memory.
pub async fn show(session: &Session, files: PlanFiles<'_>, output: &mut Output) -> Result<Exit> {
    let PlanFiles { plan, page: page_path } = files;
    plan.iter().chain(&page_path).try_for_each(|path| check_replaceable(path))?;
    let is_kept = plan.is_some() || page_path.is_some();
    let mut users = Vec::new();
    let (target, mut directory) =
        (session.connections.target().await?, session.connections.directory().await?);
    let concurrency = session.connection().target.concurrency;
    let sources = PlanSources { directory: &mut directory, target: &target, concurrency };
    let progress = session.progress("reading", None);
    let mut separator = JSON_BEGIN;
    let operator = session.operator();
    let summary = preview_sync(&operator, sources, |event| {
        match event {
            PlanEvent::Read(entries) => progress.at(entries),
            PlanEvent::Item(item) => {
                let written = progress.aside(|| write_item(output, &item, &mut separator));
                if is_kept {
                    users.push(item);
                }
                return written;
            }
            PlanEvent::Page(_) | PlanEvent::Final(_) | PlanEvent::Decided(..) => {}
        }
        Ok(())
    });
    let summary = Box::pin(summary).await?;
    drop(progress);
    if is_kept {
        let file = PlanFile::of(session.connection(), &summary, users);
        if let Some(path) = plan {
            file.write(path)?;
        }
        if let Some(path) = page_path {
            write_private(path, &page(&file)?)?;
        }
    }
    if output.is_json() {
        // Without an item, the beginning is not written yet.
        let begin = if separator == JSON_BEGIN { JSON_BEGIN } else { "" };
        output.line(format!("{begin}\n],\"summary\":{}}}", json(&serde_json::to_string(&summary)?)))?;
    } else {
        output.line(text(&summary, session))?;
        if let Some(unused) = session.unused_state() {
            output.line(format!("{} {unused}", paint(HEADING, "First run:")))?;
        }
    }
    Ok(exit(&summary))
}

/// Beginning of the plan in JSON.
const JSON_BEGIN: &str = "{\"users\":[";

fn write_item(output: &mut Output, item: &ReportItem, separator: &mut &'static str) -> io::Result<()> {
    if !output.is_json() {
        return output.item(item);
    }
    let before = std::mem::replace(separator, ",");
    output.write(format!("{before}\n{}", json(&serde_json::to_string(item)?)))
}

fn text(summary: &PlanSummary, session: &Session) -> String {
    let PlanSummary { read, unchanged, actions, links, out_of_scope, .. } = summary;
    let PlanSummary { incomplete, first_load, unidentified, .. } = summary;
    let mut words = numbers::by_word(actions);
    if words.is_empty() {
        words.push("nothing to do".to_owned());
    }
    if *unchanged > 0 {
        words.push(format!("{unchanged} in sync"));
    }
    let links = match links {
        0 => String::new(),
        1 => "; 1 existing account would be linked".to_owned(),
        links => format!("; {links} existing accounts would be linked"),
    };
    let scope = paint(FAINT, format!("({}{links})", numbers::scope(*read, *out_of_scope)));
    let mut lines = Lines::default();
    lines.add(format!("{} {scope}", paint(HEADING, format!("Plan: {}", words.join(", ")))));
    if let Some(first_load) = first_load {
        lines.add(first_load_hint(first_load, *read));
    }
    lines.held(&summary.approved, session);
    held(summary, session, &mut lines);
    if let Some(incomplete) = incomplete {
        let incomplete = with_command(incomplete, |words| session.next(words));
        lines.add(incomplete_read(&incomplete, unidentified));
    }
    lines.text()
}

/// Adds what `sync` holds. Its hash can be approved once a scan has held it.
fn held(summary: &PlanSummary, session: &Session, lines: &mut Lines) {
    let held = summary.removals.iter().chain(&summary.changes);
    if summary.can_approve {
        lines.held(held, session);
        return;
    }
    for HeldSummary { hash, what, .. } in held {
        lines.add(format!(
            "{} {what}. sync holds it. After that, if it is intended:",
            paint(BAD, "Awaiting approval:")
        ));
        lines.command(&session.next(&["approve", hash]));
    }
}

fn first_load_hint(first_load: &HeldEffect, users: u64) -> String {
    let what = effect_words(first_load, users);
    format!("{} {what}; sync asks before it, or holds it until it is approved", paint(HEADING, "First load:"))
}

fn exit(summary: &PlanSummary) -> Exit {
    let count =
        |actions: &[&str]| actions.iter().filter_map(|action| summary.actions.get(*action)).sum::<u64>();
    Exit::of_run(RunResult {
        completed: summary.complete,
        failed: count(&["failed", "account_gone", "invalid", "conflict", "unreadable"]),
        held: count(&["held"]) + u64::from(summary.removals.is_some() || summary.changes.is_some()),
    })
}
