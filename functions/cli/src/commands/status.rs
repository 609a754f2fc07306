//! `provisioner status`: how things stand.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use store::{PageKey, Store};

use crate::exit::{Exit, UsageError};
use crate::report::{
    BAD, FAINT, GOOD, HEADING, HeldSummary, KINDS, ReportItem, ValueMask, moment, paint, waiting_page,
};
use crate::session::Session;

/// So many are counted of each status, and no more: whoever looks waits for it, however many there are.
pub const MOST_COUNTED: u64 = 5_000;

/// How things stand with a connection.
#[derive(Debug, Serialize)]
pub struct ConnectionStatus {
    connection: String,
    /// How many scans have begun.
    version: u64,
    /// What the last scan found, in numbers.
    last_scan: Option<Value>,
    /// Who is scanning, if anybody is.
    scanning: Option<String>,
    /// Users in scope at the last scan.
    in_scope: u64,
    /// How many users stand where, up to a limit; those who are settled are not counted.
    users: BTreeMap<String, u64>,
    /// Why nobody is tried at the target, if that is so.
    breaker: Option<BreakerStatus>,
    /// Removals that wait for a person.
    held: Option<HeldSummary>,
    /// A change of the configuration that waits for a person.
    change: Option<HeldSummary>,
    /// Everybody who waits for something, up to a limit.
    waiting: Vec<ReportItem>,
    /// Where the next page of them begins, if one kind was asked for and there are more.
    next: Option<String>,
}

/// Who is listed.
pub struct UserListing<'a> {
    who: Who<'a>,
    limit: usize,
    after: Option<PageKey>,
}

/// Of which kinds.
enum Who<'a> {
    Nobody,
    /// Those who stand there.
    Only(&'a str),
    /// Everybody who waits for something.
    Waiting,
}

impl<'a> UserListing<'a> {
    /// As the command line says.
    pub fn of(only: Option<&'a str>, limit: u16, after: Option<&str>) -> Result<Self> {
        let key = |text: &str| {
            PageKey::parse(text)
                .ok_or_else(|| UsageError("--after: this is not the end of a page".to_owned()))
        };
        let who = only.map_or(Who::Waiting, Who::Only);
        Ok(Self { who, limit: limit.into(), after: after.map(key).transpose()? })
    }

    /// Users are only counted.
    pub fn nobody() -> Self {
        Self { who: Who::Nobody, limit: 0, after: None }
    }

    async fn fetch(&self, store: &Store, shown: &ValueMask) -> Result<(Vec<ReportItem>, Option<PageKey>)> {
        match self.who {
            Who::Nobody => return Ok((Vec::new(), None)),
            Who::Only(word) => {
                return Ok(waiting_page(store, shown, word, self.after.clone(), self.limit).await?);
            }
            Who::Waiting => {}
        }
        let mut items = Vec::new();
        for word in KINDS {
            items.extend(waiting_page(store, shown, word, None, self.limit).await?.0);
        }
        Ok((items, None))
    }
}

#[derive(Debug, Serialize)]
struct BreakerStatus {
    reason: &'static str,
    since: i64,
    until: i64,
    probes: u32,
}

/// Shows how things stand.
pub async fn run(
    session: &Session,
    listing: &UserListing<'_>,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let status = fetch(session, listing).await?;
    if json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
    } else {
        print(&status, out)?;
    }
    Ok(exit(&status))
}

/// How things stand.
pub async fn fetch(session: &Session, listing: &UserListing<'_>) -> Result<ConnectionStatus> {
    let shown = ValueMask { masked: session.connection().policy.rules.mapping.masked() };
    let store = &session.store;
    let state = store.fetch_connection().await?;
    let now = runtime::now();
    let breaker = store.fetch_breaker().await?;
    let (waiting, next) = listing.fetch(store, &shown).await?;
    Ok(ConnectionStatus {
        connection: session.connection().policy.name.clone(),
        version: state.version.0,
        last_scan: state.last_scan,
        scanning: state.lease.filter(|lease| lease.until > now).map(|lease| lease.owner),
        in_scope: store.count_snapshot_users().await?,
        users: store.count_by_status_up_to(MOST_COUNTED).await?,
        breaker: breaker.map(|breaker| BreakerStatus {
            reason: breaker.reason.word(),
            since: breaker.opened_at.0,
            until: breaker.until.0,
            probes: breaker.probes,
        }),
        held: HeldSummary::removals(&state.memory, now),
        change: HeldSummary::change(&state.memory, now),
        waiting,
        next: next.map(|key| key.as_str().to_owned()),
    })
}

fn print(status: &ConnectionStatus, out: &mut impl Write) -> Result<()> {
    let ConnectionStatus {
        connection,
        version,
        last_scan,
        scanning,
        in_scope,
        users,
        breaker,
        held,
        change,
        waiting,
        next,
    } = status;
    writeln!(out, "{} {in_scope} users in scope, {version} scans", paint(HEADING, connection))?;
    match last_scan {
        None => writeln!(out, "no scan has come to its end yet")?,
        Some(summary) => {
            let complete = summary.get("complete") == Some(&Value::Bool(true));
            let incomplete = summary.get("incomplete").and_then(Value::as_str).unwrap_or_default();
            let text = if complete { "complete" } else { incomplete };
            let style = if complete { GOOD } else { BAD };
            writeln!(out, "last scan: {}", paint(style, text))?;
        }
    }
    if let Some(owner) = scanning {
        writeln!(out, "a scan is running {}", paint(FAINT, owner))?;
    }
    if let Some(BreakerStatus { reason, since, until, probes }) = breaker {
        let (since, until) = (moment(model::UnixSeconds(*since)), moment(model::UnixSeconds(*until)));
        let text = format!(
            "nobody is tried at the target ({reason}) since {since}, again at {until}, {probes} probes; \
to try at once: provisioner breaker reset"
        );
        writeln!(out, "{}", paint(BAD, &text))?;
    }
    let more = |count: u64| if count >= MOST_COUNTED { " or more" } else { "" };
    let words: Vec<String> =
        users.iter().map(|(word, count)| format!("{count}{} {word}", more(*count))).collect();
    let words = if words.is_empty() { "everybody is settled".to_owned() } else { words.join(", ") };
    writeln!(out, "{words}")?;
    waiting.iter().try_for_each(|item| writeln!(out, "{}", item.text()))?;
    held.iter().chain(change).try_for_each(|part| writeln!(out, "{}", part.text()))?;
    if let Some(key) = next {
        writeln!(out, "{}", paint(FAINT, &format!("more: --after '{key}'")))?;
    }
    Ok(())
}

fn exit(status: &ConnectionStatus) -> Exit {
    let any = |words: &[&str]| words.iter().any(|word| status.users.contains_key(*word));
    match status {
        _ if any(&["held"]) || status.change.is_some() => Exit::Held,
        _ if any(&["failed", "retrying", "invalid", "conflict"]) => Exit::SomeFailed,
        _ => Exit::Done,
    }
}
