//! `provisioner history`: what was done for one user.

use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use model::{UnixSeconds, UserRecord};
use store::HistoryEvent;

use super::retry;
use crate::exit::Exit;
use crate::report::{FAINT, Item, Shown, paint, plain, standing};
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
        writeln!(out, "{}", if json { "[]" } else { "nothing is remembered of such a user" })?;
        return Ok(Exit::CouldNotRun);
    };
    let UserHistory { record, standing, events } = known;
    if json {
        writeln!(out, "{}", serde_json::to_string(&events)?)?;
        return Ok(Exit::Done);
    }
    if let Some(item) = standing {
        writeln!(out, "{}", item.text())?;
    }
    if events.is_empty() {
        writeln!(out, "nothing was done for {} yet", record.anchor)?;
    }
    events.iter().try_for_each(|event| writeln!(out, "{}", line(event)))?;
    Ok(Exit::Done)
}

/// What is remembered of one user.
pub struct UserHistory {
    /// The record.
    pub record: UserRecord,
    /// Where the user stands, unless nothing is left to do. What is not done leaves no event.
    pub standing: Option<Item>,
    /// What was done, the newest first.
    pub events: Vec<HistoryEvent>,
}

impl UserHistory {
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
) -> Result<Option<UserHistory>> {
    let store = &session.store;
    let Some(record) = scan::find_record(store, user, runtime::now()).await? else { return Ok(None) };
    let events = store.fetch_history_before(record.anchor.hash(), before, limit.into()).await?;
    let shown = Shown { masked: session.connection().rules.mapping.masked() };
    let standing = standing(&record, &shown);
    Ok(Some(UserHistory { record, standing, events }))
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

/// A moment as people read it.
pub fn moment(at: UnixSeconds) -> String {
    Timestamp::from_second(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}
