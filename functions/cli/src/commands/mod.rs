//! Commands of the terminal, one file each.

mod apply;
pub mod approve;
mod breaker;
mod check;
mod console;
#[cfg(feature = "demo")]
mod demo;
mod drift;
pub mod explain;
pub mod history;
mod init;
pub mod plan;
mod reset_target;
pub mod retry;
pub mod status;
mod sync;

use std::io::Write;

use anyhow::Result;
use clap::CommandFactory;
use model::UnixSeconds;
use scan::ScanMode;

use crate::args::{Arguments, Command, Confirmation, ConnectionArgs, StateLocation};
use crate::console::ConsoleRights;
use crate::exit::Exit;
use crate::plan_file::{self, PlanFile};
use crate::session::{Connections, Session};

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<Exit> {
    let mut out = anstream::stdout();
    match &arguments.command {
        #[cfg(feature = "demo")]
        Command::Demo => demo::run(&mut out).await,
        Command::Init { file } => init::run(file, &mut out),
        Command::Check { connection, offline } => check::run(connection, *offline, &mut out).await,
        Command::Plan { connection, out: file, html } => {
            let files = plan::PlanFiles { plan: file.as_deref(), page: html.as_deref() };
            plan::run(&open_to_read(connection).await?, files, connection.json, &mut out).await
        }
        Command::Apply { connection, plan } => {
            let planned = PlanFile::read(plan)?;
            let session = match connection.state_location() {
                StateLocation::File(_) => open(connection).await?,
                StateLocation::DynamoDb(_) => open_to_act(connection).await?,
            };
            apply::run(&session, &planned, connection.json, &mut out).await
        }
        Command::Sync { connection, full } => {
            let mode = if *full { ScanMode::Full } else { ScanMode::Auto };
            let task = sync::SyncTask::Everything(mode);
            sync::run(&open(connection).await?, task, connection.json, &mut out).await
        }
        Command::Schema { plan } => {
            let schema = if *plan { plan_file::json_schema()? } else { runtime::config::json_schema() };
            write!(out, "{schema}")?;
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            // Into memory first: the generator panics where it can't write.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "provisioner", &mut script);
            out.write_all(&script)?;
            Ok(Exit::Done)
        }
        operator_command => run_operator_command(operator_command, &mut out).await,
    }
}

/// Runs a command that answers a question about the state, or changes it by hand.
async fn run_operator_command(command: &Command, out: &mut (impl Write + Send)) -> Result<Exit> {
    match command {
        Command::Status { connection, only, limit, after } => {
            let listing = status::UserListing::of(only.as_deref(), *limit, after.as_deref())?;
            status::run(&open_to_read(connection).await?, &listing, connection.json, out).await
        }
        Command::History { connection, user, limit, before } => {
            let range = (before.map(UnixSeconds), *limit);
            history::run(&open_to_read(connection).await?, user, range, connection.json, out).await
        }
        Command::Approve { connection, hash: None } => {
            approve::show(&open_to_read(connection).await?, connection.json, out).await
        }
        Command::Approve { connection, hash: Some(hash) } => {
            approve::run(&open_to_act(connection).await?, hash, connection.json, out).await
        }
        Command::Retry { connection, user, failed: _ } => {
            retry::run(&open_to_act(connection).await?, user.as_deref(), connection.json, out).await
        }
        Command::Breaker { connection, action } => {
            breaker::run(&open_to_act(connection).await?, *action, connection.json, out).await
        }
        Command::ResetTarget { connection, yes } => {
            let confirmation = if *yes { Confirmation::Given } else { Confirmation::Missing };
            let connections = Connections::read(connection)?;
            let session = Session::open_existing(connections, &connection.state_location()).await?;
            reset_target::run(&session, confirmation, connection.json, out).await
        }
        Command::Explain { connection, user } => {
            explain::run(&open_to_read(connection).await?, user, connection.json, out).await
        }
        Command::Drift { connection, repair } => {
            use provision::DriftRepair;
            let repair = if *repair { DriftRepair::MarkPending } else { DriftRepair::ReportOnly };
            let session = open_to_read(connection).await?;
            session.check_target().await?;
            drift::run(&session, &connection.state_location(), repair, connection.json, out).await
        }
        Command::Console { connection, port, write } => {
            let rights = if *write { ConsoleRights::Write } else { ConsoleRights::Read };
            console::run(connection, *port, rights, out).await
        }
        _ => Ok(Exit::Done),
    }
}

async fn open(connection: &ConnectionArgs) -> Result<Session> {
    Session::open(Connections::read(connection)?, &connection.state_location()).await
}

async fn open_to_read(connection: &ConnectionArgs) -> Result<Session> {
    Session::open_to_read(Connections::read(connection)?, &connection.state_location()).await
}

async fn open_to_act(connection: &ConnectionArgs) -> Result<Session> {
    Session::open_to_act(Connections::read(connection)?, &connection.state_location()).await
}
