//! One file a command.

mod check;
mod demo;
mod explain;
mod history;
pub mod plan;
mod status;
mod sweep;
mod sync;

use std::io::Write;

use anyhow::Result;
use scan::Mode;

use crate::args::{Arguments, Command};
use crate::exit::Exit;
use crate::session::{Ends, Session};

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let mut out = anstream::stdout();
    match &arguments.command {
        Command::Demo => demo::run(&mut out).await,
        Command::Check { place, offline } => check::run(place, *offline, &mut out).await,
        Command::Plan { place } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            plan::run(&session, place.json, &mut out).await
        }
        Command::Sync { place, full } => {
            let session = Session::open(Ends::read(place)?, &place.state_place()).await?;
            let mode = if *full { Mode::Full } else { Mode::Auto };
            sync::run(&session, mode, place.json, &mut out).await
        }
        Command::Status { place } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            status::run(&session, place.json, &mut out).await
        }
        Command::History { place, user } => {
            let session = Session::open_to_read(Ends::read(place)?, &place.state_place()).await?;
            history::run(&session, user, place.json, &mut out).await
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
        Command::Schema => {
            write!(out, "{}", runtime::config::json_schema())?;
            Ok(Exit::Done)
        }
    }
}
