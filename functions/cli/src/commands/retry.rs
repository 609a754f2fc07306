//! `provisioner retry`: another try, now, for users who failed.

use std::io::Write;

use anyhow::Result;
use serde_json::json;
use store::RetryResult;

use crate::exit::Exit;
use crate::session::Session;

/// The statuses of those who failed.
pub const FAILED: [&str; 2] = ["failed", "retrying"];
const PAGE: usize = 100;

/// Makes one user, or everybody who failed, pending at once.
pub async fn run(
    session: &Session,
    user: Option<&str>,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    match (retry_user(session, user).await?, json) {
        (Retried::Users(again), true) => writeln!(out, "{}", json!({ "retried": again }))?,
        (Retried::Users(again), false) => {
            writeln!(out, "{again} to be tried again, by the next sync or scan")?
        }
        (Retried::Nobody { why }, json) => return refuse(&why, json, out),
    }
    Ok(Exit::Done)
}

/// What came of asking for another try.
pub enum Retried {
    /// So many are pending now.
    Users(u64),
    /// The one who was named is not.
    Nobody {
        /// Why.
        why: String,
    },
}

/// Has one user, or everybody who failed, tried again.
pub async fn retry_user(session: &Session, user: Option<&str>) -> Result<Retried> {
    let Some(user) = user else { return Ok(Retried::Users(everybody(session).await?)) };
    Ok(match one(session, user).await? {
        RetryResult::Pending => Retried::Users(1),
        RetryResult::NotFailed(status) => {
            let why = status.detail().map(|why| format!(" ({why})")).unwrap_or_default();
            let word = status.word();
            Retried::Nobody { why: format!("there is nothing to try again: the user is {word}{why}") }
        }
        RetryResult::UnknownUser => {
            Retried::Nobody { why: "nothing is remembered of such a user".to_owned() }
        }
    })
}

async fn one(session: &Session, user: &str) -> Result<RetryResult> {
    let record = scan::find_record(&session.store, user, runtime::now()).await?;
    Ok(match record {
        Some(record) => session.store.retry_user(record.anchor.hash()).await?,
        None => RetryResult::UnknownUser,
    })
}

async fn everybody(session: &Session) -> Result<u64> {
    let mut again = 0;
    for word in FAILED {
        let mut after = None;
        loop {
            let page = session.store.fetch_by_status(word, after, PAGE).await?;
            for record in page.items {
                again +=
                    u64::from(session.store.retry_user(record.anchor.hash()).await? == RetryResult::Pending);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(again)
}

fn refuse(why: &str, json: bool, out: &mut impl Write) -> Result<Exit> {
    match json {
        true => writeln!(out, "{}", json!({ "retried": 0, "why": why }))?,
        false => writeln!(out, "{why}")?,
    }
    Ok(Exit::CouldNotRun)
}
