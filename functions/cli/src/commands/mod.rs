//! One file a command.

mod check;
mod demo;
pub mod plan;
mod sync;

use std::io::Write;

use anyhow::Result;

use crate::args::{Arguments, Command};
use crate::exit::Exit;
use crate::session::Session;

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let mut out = anstream::stdout();
    match &arguments.command {
        Command::Demo => demo::run(&mut out).await,
        Command::Check { place, offline } => check::run(place, *offline, &mut out).await,
        Command::Plan { place } => plan::run(&Session::open(place).await?, place.json, &mut out).await,
        Command::Sync { place } => sync::run(&Session::open(place).await?, place.json, &mut out).await,
        Command::Schema => {
            write!(out, "{}", runtime::config::json_schema())?;
            Ok(Exit::Done)
        }
    }
}
