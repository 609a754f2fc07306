//! `provisioner breaker`: shows or closes the circuit breaker.

use anyhow::Result;
use operate::{BreakerStatus, fetch_breaker};
use serde_json::json;

use crate::args::{BreakerAction, ConnectionArgs};
use crate::exit::Exit;
use crate::output::{BAD, Output, moment, paint};
use crate::session::Session;

/// Shows the breaker, or closes it.
pub async fn run(connection: &ConnectionArgs, action: BreakerAction) -> Result<Exit> {
    let session = &Session::open_to_act(connection).await?;
    let output = &mut Output::new(connection.json);
    let breaker = fetch_breaker(&session.store).await?;
    let closes = match session.store.fetch_breaker().await? {
        Some(seen) if action == BreakerAction::Reset => session.store.close_breaker(seen).await?,
        _ => false,
    };
    let is_open = breaker.is_some() && !closes;
    output.show(&json!({ "open": is_open, "breaker": breaker }), |_| match &breaker {
        None => "the breaker is closed: requests are sent to the target".to_owned(),
        Some(_) if closes => "the breaker is closed; it opens again if the target still fails".to_owned(),
        Some(breaker) => open_breaker(breaker),
    })?;
    Ok(Exit::Done)
}

/// An open breaker in one line.
pub fn open_breaker(breaker: &BreakerStatus) -> String {
    let BreakerStatus { reason, since, until, probes } = breaker;
    let (since, until) = (moment(*since), moment(*until));
    let text = format!(
        "circuit breaker open ({reason}) since {since}: no requests are sent to the target; next probe at {until}, {probes} probes so \
far; to close it now: provisioner breaker reset"
    );
    paint(BAD, text)
}
