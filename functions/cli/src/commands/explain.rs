//! `provisioner explain`: everything that is known about one user, and what would be done.

use std::io::Write;

use anyhow::Result;
use provision::{Explanation, explain};

use super::history::{line, moment};
use crate::exit::Exit;
use crate::report::{BAD, FAINT, HEADING, paint, plain};
use crate::session::Session;

/// Explains one user.
pub async fn run(session: &Session, user: &str, json: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let told = fetch(session, user).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&told)?)?;
    } else {
        print(&told, out)?;
    }
    let is_known = told.entry.is_some() || told.record.is_some();
    Ok(if is_known { Exit::Done } else { Exit::CouldNotRun })
}

/// Everything that is known about one user, as directory, state and target have it now.
pub async fn fetch(session: &Session, user: &str) -> Result<Explanation> {
    let target = session.ends.target().await?;
    let mut directory = session.ends.directory().await?;
    Ok(explain(&session.explaining(&target), &mut directory, user).await?)
}

fn print(told: &Explanation, out: &mut impl Write) -> Result<()> {
    let Explanation { verdict, entry, several, record, account, would, target_error, history } = told;
    writeln!(out, "{}", paint(HEADING, &plain(verdict)))?;
    several.iter().try_for_each(|anchor| writeln!(out, "  {anchor}"))?;
    if let Some(entry) = entry {
        let scope = if entry.in_scope { "in scope" } else { "out of scope" };
        writeln!(out, "entry    {} {}", plain(&entry.dn), paint(FAINT, &entry.anchor))?;
        writeln!(out, "         {scope}, {}", entry.says)?;
        if let Some(problem) = &entry.problem {
            writeln!(out, "         {}", paint(BAD, &plain(problem)))?;
        }
        for part in &entry.attributes {
            let value = part.value.as_deref().map_or("(empty)".to_owned(), plain);
            writeln!(out, "         {:<28} {value}", part.attribute)?;
        }
    }
    if let Some(record) = record {
        let account = record.account.as_deref().unwrap_or("none");
        writeln!(out, "record   {}, account {account}, scan {}", record.status, record.version)?;
        if let Some(why) = &record.why {
            writeln!(out, "         {}", plain(why))?;
        }
        if let Some(at) = record.next_attempt {
            let at = moment(model::UnixSeconds(at));
            writeln!(out, "         tried {} times, again at {at}", record.attempts)?;
        }
    }
    if let Some(account) = account {
        let active = if account.active { "active" } else { "inactive" };
        writeln!(out, "account  {} {active}", account.id)?;
        for part in &account.differs {
            let text = |value: &Option<String>| value.as_deref().map_or("(empty)".to_owned(), plain);
            writeln!(out, "         {:<28} {} → {}", part.attribute, text(&part.from), text(&part.to))?;
        }
    }
    if let Some(error) = target_error {
        writeln!(out, "target   {}", paint(BAD, &plain(error)))?;
    }
    let next = if would.is_empty() { "nothing".to_owned() } else { plain(&would.join("; then ")) };
    writeln!(out, "would    {next}")?;
    history.iter().try_for_each(|event| writeln!(out, "history  {}", line(event)))?;
    Ok(())
}
