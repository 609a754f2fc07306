//! `provisioner history`: status of one user, and the actions so far.

use anyhow::Result;
use model::UnixSeconds;
use operate::{UserHistory, fetch_history};
use store::HistoryEvent;

use crate::args::ConnectionArgs;
use crate::clean::plain;
use crate::exit::Exit;
use crate::output::{FAINT, Lines, Output, moment_of, paint};
use crate::session::Session;

/// Shows the status and the actions, newest first.
pub async fn run(connection: &ConnectionArgs, user: &str, before: Option<i64>, limit: usize) -> Result<Exit> {
    let session = Session::open_to_read(connection).await?;
    let history = fetch_history(&session.operator(), user, before.map(UnixSeconds), limit).await?;
    Output::of(connection).show(&history, |history| text(user, history, &session))?;
    Ok(if history.anchor.is_some() { Exit::Done } else { Exit::CouldNotRun })
}

fn text(user: &str, history: &UserHistory, session: &Session) -> String {
    let UserHistory { anchor, status, can_retry: _, changes, events } = history;
    if anchor.is_none() {
        return format!("the state has no user {user}");
    }
    let mut lines = Lines::default();
    lines.items(status.as_slice());
    lines.held(changes, session);
    if events.is_empty() {
        lines.add(format!("no actions for {user} yet"));
    }
    events.iter().for_each(|event| lines.add(event_text(event)));
    lines.text()
}

/// An event in one line.
fn event_text(event: &HistoryEvent) -> String {
    let HistoryEvent { at, version, action, reason, result, account } = event;
    let mut text = format!("{}  {}", moment_of(*at), plain(action));
    if let Some(reason) = reason {
        text = format!("{text} ({})", plain(reason));
    }
    if result != "done" {
        text = format!("{text}: {}", plain(result));
    }
    let account = account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    format!("{text} {}", paint(FAINT, format!("[scan {version}{account}]")))
}
