//! One file a command.

mod apply;
pub mod approve;
mod breaker;
mod check;
mod console;
mod demo;
pub mod explain;
pub mod history;
pub mod plan;
pub mod retry;
pub mod status;
mod sweep;
mod sync;

use std::io::Write;

use anyhow::Result;
use model::UnixSeconds;
use scan::ScanMode;

use crate::args::{Arguments, Command, StatePlace};
use crate::console::Rights;
use crate::exit::Exit;
use crate::plan_file::{self, PlanFile};
use crate::session::{Ends, Session};

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let mut out = anstream::stdout();
    match &arguments.command {
        Command::Demo => demo::run(&mut out).await,
        Command::Check { place, offline } => check::run(place, *offline, &mut out).await,
        Command::Plan { place, out: file, html } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            let files = plan::Files { plan: file.as_deref(), page: html.as_deref() };
            plan::run(&session, files, place.json, &mut out).await
        }
        Command::Apply { place, plan } => {
            let planned = PlanFile::read(plan)?;
            let state = place.state_place();
            let session = match &state {
                StatePlace::File(_) => Session::open(Ends::read(place)?, &state).await?,
                StatePlace::DynamoDb(_) => Session::open_to_act(Ends::read(place)?, &state).await?,
            };
            apply::run(&session, &planned, place.json, &mut out).await
        }
        Command::Sync { place, full } => {
            let session = Session::open(Ends::read(place)?, &place.state_place()).await?;
            let mode = if *full { ScanMode::Full } else { ScanMode::Auto };
            sync::run(&session, sync::Errand::Everything(mode), place.json, &mut out).await
        }
        Command::Status { place, only, limit, after } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            let listing = status::Listing::of(only.as_deref(), *limit, after.as_deref())?;
            status::run(&session, &listing, place.json, &mut out).await
        }
        Command::History { place, user, limit, before } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            history::run(&session, user, (before.map(UnixSeconds), *limit), place.json, &mut out).await
        }
        Command::Approve { place, hash: None } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            approve::show(&session, place.json, &mut out).await
        }
        Command::Approve { place, hash: Some(hash) } => {
            let session = Session::open_to_act(Ends::read(place)?, &place.state_place()).await?;
            approve::run(&session, hash, place.json, &mut out).await
        }
        Command::Retry { place, user, failed: _ } => {
            let session = Session::open_to_act(Ends::read(place)?, &place.state_place()).await?;
            retry::run(&session, user.as_deref(), place.json, &mut out).await
        }
        Command::Breaker { place, action } => {
            let session = Session::open_to_act(Ends::read(place)?, &place.state_place()).await?;
            breaker::run(&session, *action, place.json, &mut out).await
        }
        Command::Explain { place, user } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            explain::run(&session, user, place.json, &mut out).await
        }
        Command::Sweep { place, repair } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            let repair = if *repair { provision::Repair::Due } else { provision::Repair::Nothing };
            sweep::run(&session, &place.state_place(), repair, place.json, &mut out).await
        }
        Command::Console { place, port, write } => {
            let rights = if *write { Rights::Write } else { Rights::Read };
            console::run(place, *port, rights, &mut out).await
        }
        Command::Schema { plan } => {
            let schema = if *plan { plan_file::json_schema()? } else { runtime::config::json_schema() };
            write!(out, "{schema}")?;
            Ok(Exit::Done)
        }
    }
}
