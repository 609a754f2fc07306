//! `provisioner approve`: a person's word that what is held may go.

use std::io::Write;

use anyhow::Result;
use model::{ChangeApproval, RemovalApproval, UnixSeconds};
use scan::Approval;
use serde_json::json;

use crate::exit::Exit;
use crate::report::{GOOD, HeldSummary, ValueMask, moment, paint, waiting_page};
use crate::session::Session;

/// How many held users are read at a time.
const PAGE: usize = 100;

/// What waits.
pub async fn waiting(session: &Session) -> Result<Vec<HeldSummary>> {
    let memory = session.store.fetch_connection().await?.memory;
    let now = runtime::now();
    let parts = [HeldSummary::removals(&memory, now), HeldSummary::change(&memory, now)];
    Ok(parts.into_iter().flatten().collect())
}

/// Shows what waits: everybody by name, and the hash to approve it by.
pub async fn show(session: &Session, json: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let parts = waiting(session).await?;
    let (mut users, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = waiting_page(&session.store, &shown, "held", after, PAGE).await?;
        match json {
            true => users.extend(items),
            false => items.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?,
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    match json {
        true => writeln!(out, "{}", json!({ "waiting": parts, "users": users }))?,
        false if parts.is_empty() => writeln!(out, "nothing waits for approval")?,
        false => parts.iter().try_for_each(|part| writeln!(out, "{}", part.text()))?,
    }
    Ok(if parts.is_empty() { Exit::Done } else { Exit::Held })
}

/// Approves what waits under this hash.
pub async fn run(session: &Session, hash: &str, json: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let Some(LetThrough { what, until }) = let_through(session, hash).await? else {
        match json {
            true => writeln!(out, "{}", json!({ "approved": null }))?,
            false => {
                writeln!(out, "nothing of that hash waits, or not any more; this is what does:")?;
                return show(session, json, out).await.map(|_| Exit::CouldNotRun);
            }
        }
        return Ok(Exit::CouldNotRun);
    };
    match json {
        true => writeln!(out, "{}", json!({ "approved": what, "until": until.0 }))?,
        false => {
            let until = moment(until);
            writeln!(
                out,
                "{} {what}; the next scan until {until} lets it through",
                paint(GOOD, "Approved:")
            )?;
        }
    }
    Ok(Exit::Done)
}

/// What was approved.
pub struct LetThrough {
    what: String,
    until: UnixSeconds,
}

/// Approves what waits under this hash. `None` says that nothing does.
pub async fn let_through(session: &Session, hash: &str) -> Result<Option<LetThrough>> {
    Ok(match scan::approve(&session.scan_context(), hash).await? {
        Approval::Removals(RemovalApproval { set, until }) => {
            Some(LetThrough { what: format!("{} removals and no others", set.count), until })
        }
        Approval::Change(ChangeApproval { change, until }) => {
            let what = format!(
                "the changed configuration, for {} updates and {} new accounts at the most",
                change.updates, change.creates
            );
            Some(LetThrough { what, until })
        }
        Approval::Nothing { .. } => None,
    })
}
