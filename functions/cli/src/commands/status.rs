//! `provisioner status`: the last scan, the users by state, and what comes next.

use anyhow::Result;
use explain::HeldSummary;
use model::Status;
use operate::{ConnectionStatus, DueTimes, UserSelection, fetch_status};
use serde_json::Value;
use store::PageKey;

use super::breaker::open_breaker;
use crate::args::ConnectionArgs;
use crate::clean::plain;
use crate::exit::{Exit, RunResult};
use crate::next::with_command;
use crate::numbers::{duration, user_states};
use crate::output::{BAD, FAINT, GOOD, HEADING, Lines, Output, moment, paint};
use crate::session::Session;

/// Shows the status.
pub async fn run(
    connection: &ConnectionArgs,
    (only, after): (Option<&str>, Option<&PageKey>),
    limit: usize,
) -> Result<Exit> {
    let filter = only.map_or(UserSelection::Waiting, |status| UserSelection::Status(status, after));
    let session = Session::open_to_read(connection).await?;
    let status = fetch_status(&session.operator(), filter, limit).await?;
    let mut output = Output::of(connection);
    if let Some(unused) = session.unused_state() {
        output.show(&status, |_| format!("{unused}. Next:\n  {}", session.next(&["sync"])))?;
        return Ok(Exit::CouldNotRun);
    }
    output.show(&status, |status| text(status, &session))?;
    Ok(exit(&status))
}

/// Everything that is held.
fn held(status: &ConnectionStatus) -> impl Iterator<Item = &HeldSummary> {
    status.held.iter().chain(&status.changes).chain(&status.link_drops)
}

fn exit(status: &ConnectionStatus) -> Exit {
    let (approved, waiting): (Vec<_>, Vec<_>) = held(status).partition(|held| held.approved_by.is_some());
    // Removals that wait for the next scan alone are in no held set.
    let others = if approved.is_empty() { status.states.count(&["held"]) } else { 0 };
    Exit::of_run(RunResult {
        completed: true,
        failed: status.states.count(&Status::FAILED_WORDS) + status.states.count(&["conflict", "unreadable"]),
        held: waiting.len() as u64 + others,
    })
}

fn text(status: &ConnectionStatus, session: &Session) -> String {
    let mut lines = Lines::default();
    let last_scan = with_command(&last_scan(status), |words| session.next(words));
    lines.add(format!("{} {last_scan}", paint(HEADING, format!("{}:", status.connection))));
    lines.add(format!("Users: {}", user_states(&status.states, held(status))));
    if status.observe {
        lines.add("options.observe is on: nothing is written to the target. To see what would be:");
        lines.command(&session.next(&["plan"]));
    }
    if let Some(owner) = &status.scanning {
        lines.add(format!("A scan is running {}", paint(FAINT, plain(owner))));
    }
    if !status.waiting.is_empty() && !session.is_quiet() {
        lines.legend();
        lines.items(&status.waiting);
    }
    if let Some(key) = &status.next {
        lines.add(paint(FAINT, format!("more: --after '{key}'")));
    }
    status.breaker.iter().for_each(|breaker| open_breaker(breaker, session, &mut lines));
    lines.held(held(status), session);
    lines.add(paint(FAINT, due(status)));
    next_step(status, session, &mut lines);
    lines.text()
}

/// Time, kind and result of the last scan.
fn last_scan(status: &ConnectionStatus) -> String {
    let ConnectionStatus { version, last_scan, at, .. } = status;
    let Some(summary) = last_scan else { return "no scan has ended yet".to_owned() };
    let text = |key| summary.get(key).and_then(Value::as_str);
    let kind = if text("mode") == Some("incremental") { "incremental" } else { "full" };
    let when = match summary.get("ended_at").and_then(Value::as_i64) {
        Some(ended) => format!(" {} ago ({})", duration(at - ended), moment(ended)),
        None => String::new(),
    };
    let (style, result) = match summary.get("complete") {
        Some(Value::Bool(true)) => (GOOD, "complete".to_owned()),
        _ => (BAD, format!("incomplete: {}", plain(text("incomplete").unwrap_or_default()))),
    };
    let freshness = text("freshness").map(|shown| format!("; server up to date: {shown}"));
    let rest = paint(FAINT, format!("(scan {version}{})", freshness.unwrap_or_default()));
    format!("last scan{when}: {kind}, {} {rest}", paint(style, result))
}

/// What later runs do without an operator.
fn due(status: &ConnectionStatus) -> String {
    let ConnectionStatus { due: DueTimes { full_scan, retry, deletion }, at, .. } = status;
    let when = |due: i64| if due <= *at { "now".to_owned() } else { format!("in {}", duration(due - at)) };
    let mut due = vec![match full_scan {
        Some(full) if full > at => format!("full scan {}", when(*full)),
        _ => "full scan with the next scan".to_owned(),
    }];
    due.extend(retry.map(|retry| format!("retry {}", when(retry))));
    due.extend(deletion.map(|deletion| format!("deletion {}", when(deletion))));
    format!("Due: {}", due.join(", "))
}

/// The next command, where none is named above.
fn next_step(status: &ConnectionStatus, session: &Session, lines: &mut Lines) {
    if status.breaker.is_some() || held(status).any(|held| held.approved_by.is_none()) {
        return;
    }
    let is_approved = held(status).next().is_some();
    if !is_approved && status.states.count(&["failed", "account_gone"]) > 0 {
        lines.add("Next, once the cause is mended:");
        lines.command(&session.next(&["retry", "--failed"]));
    } else if !session.is_deployed() {
        lines.add("Next:");
        lines.command(&session.next(&["sync"]));
    }
}
