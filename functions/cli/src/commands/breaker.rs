//! `provisioner breaker`: shows or closes the circuit breaker.

use anyhow::Result;
use operate::{BreakerStatus, fetch_breaker};
use serde_json::json;

use crate::args::{BreakerAction, ConnectionArgs};
use crate::exit::Exit;
use crate::output::{BAD, Lines, Output, moment, paint};
use crate::session::Session;

/// Shows the breaker, or closes it.
pub async fn run(connection: &ConnectionArgs, action: BreakerAction) -> Result<Exit> {
    let session = &Session::open_to_act(connection).await?;
    let output = &mut Output::of(connection);
    let breaker = fetch_breaker(&session.store).await?;
    let closes = match session.store.fetch_breaker().await? {
        Some(seen) if action == BreakerAction::Reset => session.store.close_breaker(seen).await?,
        _ => false,
    };
    let is_open = breaker.is_some() && !closes;
    output.show(&json!({ "open": is_open, "breaker": breaker }), |_| match &breaker {
        None => "the breaker is closed: requests are sent to the target".to_owned(),
        Some(_) if closes => "the breaker is closed; it opens again if the target still fails".to_owned(),
        Some(breaker) => {
            let mut lines = Lines::default();
            open_breaker(breaker, session, &mut lines);
            lines.text()
        }
    })?;
    Ok(Exit::Done)
}

/// Adds an open breaker, with the command that closes it.
pub fn open_breaker(breaker: &BreakerStatus, session: &Session, lines: &mut Lines) {
    let BreakerStatus { reason, since, until, probes } = breaker;
    let (since, until) = (moment(*since), moment(*until));
    let why = match *reason {
        "unauthorized" => "the target refused the access token",
        _ => "the target serves no requests",
    };
    let heading = paint(BAD, format!("Circuit breaker open since {since}:"));
    let probes = if *probes == 1 { "1 probe".to_owned() } else { format!("{probes} probes") };
    let advice = match *reason {
        "unauthorized" => "Once the token is renewed:",
        _ => "To close it now:",
    };
    if session.is_deployed() {
        lines.add(format!(
            "{heading} {why}, so no requests are sent to it; next probe at {until}, {probes} so far. {advice}"
        ));
        lines.command(&session.next(&["breaker", "reset"]));
    } else {
        lines.add(format!("{heading} {why}. The next sync asks it again. {advice}"));
        lines.command(&session.next(&["sync"]));
    }
}
