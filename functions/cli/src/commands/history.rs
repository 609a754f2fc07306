//! `provisioner history`: what was done for one user.

use std::io::Write;

use anyhow::Result;
use model::{UnixSeconds, UserRecord};
use serde::Serialize;
use store::HistoryEvent;

use super::retry;
use crate::exit::Exit;
use crate::report::{FAINT, HeldSummary, ReportItem, ValueMask, moment, paint, plain, standing};
use crate::session::Session;

/// Shows what was done for one user, the newest first.
pub async fn run(
    session: &Session,
    user: &str,
    (before, limit): (Option<UnixSeconds>, u16),
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let Some(known) = fetch(session, user, before, limit).await? else {
        let nobody = UserHistory { stands: None, change: None, events: Vec::new() };
        match json {
            true => writeln!(out, "{}", serde_json::to_string(&nobody)?)?,
            false => writeln!(out, "nothing is remembered of such a user")?,
        }
        return Ok(Exit::CouldNotRun);
    };
    let Known { record, history } = known;
    if json {
        writeln!(out, "{}", serde_json::to_string(&history)?)?;
        return Ok(Exit::Done);
    }
    let UserHistory { stands, change, events } = history;
    stands.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?;
    change.iter().try_for_each(|change| writeln!(out, "{}", change.text()))?;
    if events.is_empty() {
        writeln!(out, "nothing was done for {} yet", record.anchor)?;
    }
    events.iter().try_for_each(|event| writeln!(out, "{}", line(event)))?;
    Ok(Exit::Done)
}

/// What is remembered of one user.
pub struct Known {
    /// The record.
    pub record: UserRecord,
    /// What was done, and what waits.
    pub history: UserHistory,
}

impl Known {
    /// Whether another try could help.
    pub fn has_failed(&self) -> bool {
        retry::FAILED.contains(&self.record.status.word())
    }
}

/// What is remembered of one user; of what was done, so much, before some moment.
pub async fn fetch(
    session: &Session,
    user: &str,
    before: Option<UnixSeconds>,
    limit: u16,
) -> Result<Option<Known>> {
    let store = &session.store;
    let Some(record) = scan::find_record(store, user, runtime::now()).await? else { return Ok(None) };
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let memory = store.fetch_connection().await?.memory;
    let history = UserHistory {
        stands: standing(&record, &shown),
        change: HeldSummary::change(&memory, runtime::now()),
        events: store.fetch_history(record.anchor.hash(), before, limit.into()).await?,
    };
    Ok(Some(Known { record, history }))
}

/// What was done for one user. What is not done leaves no event, so where the user stands comes first.
#[derive(Serialize)]
pub struct UserHistory {
    /// Where the user stands, unless there is nothing left to do.
    pub stands: Option<ReportItem>,
    /// A change of the configuration that waits for a person, and what follows from it for whomever it touches.
    pub change: Option<HeldSummary>,
    /// What was done, the newest first.
    pub events: Vec<HistoryEvent>,
}

/// One event, in a line.
pub fn line(event: &HistoryEvent) -> String {
    let HistoryEvent { at, version, action, reason, result, account } = event;
    let mut text = format!("{}  {}", moment(*at), plain(action));
    if let Some(reason) = reason {
        text = format!("{text} ({})", plain(reason));
    }
    if result != "done" {
        text = format!("{text}: {}", plain(result));
    }
    let account = account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    format!("{text} {}", paint(FAINT, &format!("[scan {version}{account}]")))
}
