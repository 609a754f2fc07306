//! `provisioner status`: the last scan, and the users that wait or failed.

use anyhow::Result;
use model::Status;
use operate::{ConnectionStatus, MAX_COUNTED, UserSelection, fetch_status};
use serde_json::Value;
use store::PageKey;

use super::breaker::open_breaker;
use crate::args::ConnectionArgs;
use crate::exit::{Exit, RunResult};
use crate::output::{BAD, FAINT, GOOD, HEADING, Lines, Output, paint};
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
    let mut output = Output::new(connection.json);
    if let Some(unused) = session.unused_state() {
        output.show(&status, |_| format!("{unused}; run provisioner sync first"))?;
        return Ok(Exit::CouldNotRun);
    }
    output.show(&status, text)?;
    let count = |words: &[&str]| words.iter().filter_map(|word| status.users.get(*word)).sum::<u64>();
    Ok(Exit::of_run(RunResult {
        completed: true,
        failed: count(&Status::FAILED_WORDS) + count(&["conflict"]),
        held: count(&["held"]) + u64::from(status.changes.is_some()),
    }))
}

fn text(status: &ConnectionStatus) -> String {
    let ConnectionStatus { connection, version, last_scan, scanning, in_scope, users, .. } = status;
    let mut lines = Lines::default();
    lines.add(format!("{} {in_scope} users in scope, {version} scans", paint(HEADING, connection)));
    match last_scan {
        None => lines.add("no scan has been completed yet"),
        Some(summary) => {
            let text = |key| summary.get(key).and_then(Value::as_str);
            let (style, result) = match summary.get("complete") {
                Some(Value::Bool(true)) => (GOOD, "complete"),
                _ => (BAD, text("incomplete").unwrap_or_default()),
            };
            let freshness =
                text("freshness").map(|shown| paint(FAINT, format!(" (server up to date: {shown})")));
            lines.add(format!("last scan: {}{}", paint(style, result), freshness.unwrap_or_default()));
        }
    }
    if status.observe {
        lines.add(
            "options.observe is on: nothing is written to the target; `provisioner plan` shows what would be",
        );
    }
    if let Some(owner) = scanning {
        lines.add(format!("a scan is running {}", paint(FAINT, owner)));
    }
    status.breaker.iter().for_each(|breaker| lines.add(open_breaker(breaker)));
    let more = |count: u64| if count >= MAX_COUNTED { " or more" } else { "" };
    let words: Vec<String> =
        users.iter().map(|(word, count)| format!("{count}{} {word}", more(*count))).collect();
    if !words.is_empty() {
        lines.add(words.join(", "));
    } else if *in_scope > 0 && status.held.is_none() && status.changes.is_none() {
        lines.add("all users are in sync");
    }
    lines.items(&status.waiting);
    lines.held(status.held.iter().chain(&status.changes).chain(&status.link_drops));
    if let Some(key) = &status.next {
        lines.add(paint(FAINT, format!("more: --after '{key}'")));
    }
    lines.text()
}
