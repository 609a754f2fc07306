//! `provisioner plan`: everything that `sync` would do, from the same planning path, with nothing written.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use scan::UnidentifiedEntry;
use serde::Serialize;

use crate::exit::Exit;
use crate::plan_file::{PlanFile, page, write_private};
use crate::preview::{PlanSink, preview};
use crate::report::{FAINT, HEADING, HeldSummary, Progress, ReportItem, ValueMask, incomplete_read, paint};
use crate::session::Session;

/// The numbers of a plan.
#[derive(Debug, Default, Serialize)]
pub struct PlanSummary {
    /// Entries in scope.
    pub read: u64,
    /// Users for whom nothing is to be done.
    pub unchanged: u64,
    /// Users by action.
    pub actions: BTreeMap<String, u64>,
    /// Whether the directory read was complete. After an incomplete read no account is deprovisioned.
    pub complete: bool,
    /// Why the read was incomplete.
    pub incomplete: Option<String>,
    /// The change of the configuration that `sync` would hold.
    pub change: Option<HeldSummary>,
    /// Entries without a usable anchor, up to a limit.
    pub unidentified: Vec<UnidentifiedEntry>,
}

/// PlanFiles that a plan is written to, beside the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanFiles<'a> {
    /// Plan file for `apply`.
    pub plan: Option<&'a Path>,
    /// HTML page.
    pub page: Option<&'a Path>,
}

/// Shows a plan.
pub async fn run(
    session: &Session,
    files: PlanFiles<'_>,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let mask = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let PlanFiles { plan, page: page_path } = files;
    let kept = (plan.is_some() || page_path.is_some()).then(Vec::new);
    let mut printer = Printer { out, json, first: true, progress: Progress::start("reading", None), kept };
    let summary = preview(session, &mask, &mut printer).await?;
    if let Some(users) = printer.kept.take() {
        let file = PlanFile::of(session.connection(), &summary, users);
        if let Some(path) = plan {
            file.write(path)?;
        }
        if let Some(path) = page_path {
            write_private(path, &page(&file)?)?;
        }
    }
    printer.end(&summary)?;
    Ok(exit(&summary))
}

fn exit(summary: &PlanSummary) -> Exit {
    match summary {
        PlanSummary { complete: false, .. } => Exit::CouldNotRun,
        PlanSummary { actions, change, .. } if actions.contains_key("held") || change.is_some() => Exit::Held,
        PlanSummary { actions, .. }
            if ["failed", "invalid", "conflict"].iter().any(|a| actions.contains_key(*a)) =>
        {
            Exit::SomeFailed
        }
        _ => Exit::Done,
    }
}

/// Prints a plan item by item, so that a long plan is in memory only if it goes into a file.
struct Printer<'a, W> {
    out: &'a mut W,
    json: bool,
    first: bool,
    progress: Progress,
    /// Items for the file.
    kept: Option<Vec<ReportItem>>,
}

impl<W: Write> Printer<'_, W> {
    fn end(self, summary: &PlanSummary) -> Result<()> {
        let Self { out, json, first, progress, kept: _ } = self;
        drop(progress);
        if json {
            // If the first page can't be read, the beginning is not written yet.
            let begin = if first { BEGIN } else { "" };
            writeln!(out, "{begin}\n],\"summary\":{}}}", serde_json::to_string(summary)?)?;
            return Ok(());
        }
        let PlanSummary { read, unchanged, actions, complete: _, incomplete, change, unidentified } = summary;
        let mut words: Vec<String> =
            actions.iter().map(|(action, count)| format!("{count} {action}")).collect();
        if words.is_empty() {
            words.push("nothing to do".into());
        }
        let line = format!("Plan: {}", words.join(", "));
        writeln!(
            out,
            "{} {}",
            paint(HEADING, &line),
            paint(FAINT, &format!("({read} in scope, {unchanged} unchanged)"))
        )?;
        if let Some(change) = change {
            writeln!(out, "{}", change.text())?;
        }
        if let Some(incomplete) = incomplete {
            writeln!(out, "{}", incomplete_read(incomplete, unidentified))?;
        }
        Ok(())
    }
}

impl<W: Write> PlanSink for Printer<'_, W> {
    fn item(&mut self, item: ReportItem) -> Result<()> {
        let Self { out, json, first, progress, kept } = self;
        let mut result = Ok(());
        progress.aside(|| {
            result = match *json {
                true => write_json(*out, &item, std::mem::replace(first, false)),
                false => writeln!(*out, "{}", item.text()).map_err(Into::into),
            };
        });
        if let Some(kept) = kept {
            kept.push(item);
        }
        result
    }

    fn read(&mut self, entries: u64) {
        self.progress.at(entries);
    }
}

/// Beginning of the plan in JSON.
const BEGIN: &str = "{\"users\":[";

fn write_json(out: &mut impl Write, item: &ReportItem, first: bool) -> Result<()> {
    write!(out, "{}\n{}", if first { BEGIN } else { "," }, serde_json::to_string(item)?)?;
    Ok(())
}
