//! `provisioner breaker`: whether the target is spared, and an end to that.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::args::BreakerAction;
use crate::exit::Exit;
use crate::report::{BAD, moment, paint};
use crate::session::Session;

/// Shows the breaker, or closes it.
pub async fn run(
    session: &Session,
    action: BreakerAction,
    json: bool,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let breaker = session.store.fetch_breaker().await?;
    if action == BreakerAction::Reset && breaker.is_some() {
        session.store.close_breaker().await?;
    }
    let is_open = breaker.is_some() && action == BreakerAction::Show;
    if json {
        let breaker = breaker.map(|breaker| {
            json!({
                "reason": breaker.reason.word(),
                "since": breaker.opened_at.0,
                "until": breaker.until.0,
                "probes": breaker.probes,
            })
        });
        writeln!(out, "{}", json!({ "open": is_open, "breaker": breaker }))?;
        return Ok(Exit::Done);
    }
    match (breaker, action) {
        (None, _) => writeln!(out, "the breaker is closed: users are tried")?,
        (Some(breaker), BreakerAction::Show) => {
            let (reason, since, until) =
                (breaker.reason.word(), moment(breaker.opened_at), moment(breaker.until));
            let text = format!("the breaker is open ({reason}) since {since}; the next try is at {until}");
            writeln!(out, "{}", paint(BAD, &text))?;
        }
        (Some(_), BreakerAction::Reset) => {
            writeln!(out, "the breaker is closed; it opens again if the target still fails")?;
        }
    }
    Ok(Exit::Done)
}
