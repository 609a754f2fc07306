//! Commands of the terminal, one file each.

mod apply;
mod approve;
mod breaker;
mod check;
mod console;
#[cfg(feature = "demo")]
mod demo;
mod drift;
mod explain;
mod history;
mod init;
mod plan;
mod reset_target;
mod retry;
mod status;
mod sync;

use std::pin::Pin;

use anyhow::Result;
use clap::CommandFactory;
use operate::DriftRepair;
use scan::ScanMode;

use crate::args::{Arguments, Command, Confirmation};
use crate::console::ConsoleRights;
use crate::exit::Exit;
use crate::output::Output;
use crate::plan_file;

/// Runs the command.
pub async fn run(arguments: &Arguments) -> Result<Exit> {
    // Boxed, because the future of one command is large for a thread's stack.
    let command: Pin<Box<dyn Future<Output = Result<Exit>> + '_>> = match &arguments.command {
        #[cfg(feature = "demo")]
        Command::Demo => Box::pin(demo::run(arguments.quiet)),
        Command::Init { file, answers } => Box::pin(init::run(file, answers)),
        Command::Schema { plan } => return print_schema(*plan),
        Command::Man => return print_manual(),
        Command::Completions { shell } => return print_completions(*shell),
        Command::Check { connection, offline, .. } => Box::pin(check::run(connection, *offline)),
        Command::Plan { connection, out, html, .. } => {
            let files = plan::PlanFiles { plan: out.as_deref(), page: html.as_deref() };
            Box::pin(plan::run(connection, files))
        }
        Command::Apply { connection, plan } => Box::pin(apply::run(connection, plan)),
        Command::Sync { connection, yes, full, .. } => {
            let mode = if *full { ScanMode::Full } else { ScanMode::Auto };
            Box::pin(sync::run(connection, mode, confirmation(*yes)))
        }
        Command::Status { connection, only, limit, after, .. } => {
            Box::pin(status::run(connection, (only.as_deref(), after.as_ref()), (*limit).into()))
        }
        Command::History { connection, user, limit, before } => {
            Box::pin(history::run(connection, user, *before, (*limit).into()))
        }
        Command::Approve { connection, hash: None, by: _ } => Box::pin(approve::run(connection)),
        Command::Approve { connection, hash: Some(hash), by } => {
            Box::pin(approve::approve(connection, hash, by))
        }
        Command::Retry { connection, user, failed: _ } => Box::pin(retry::run(connection, user.as_deref())),
        Command::Breaker { connection, action } => Box::pin(breaker::run(connection, *action)),
        Command::ResetTarget { connection, yes } => {
            Box::pin(reset_target::run(connection, confirmation(*yes)))
        }
        Command::Explain { connection, user } => Box::pin(explain::run(connection, user)),
        Command::Drift { connection, repair } => {
            let repair = if *repair { DriftRepair::MarkPending } else { DriftRepair::ReportOnly };
            Box::pin(drift::run(connection, repair))
        }
        Command::Console { connection, port, write } => {
            let rights = if *write { ConsoleRights::Write } else { ConsoleRights::Read };
            Box::pin(console::run(connection, *port, rights))
        }
    };
    command.await
}

fn confirmation(yes: bool) -> Confirmation {
    if yes { Confirmation::Given } else { Confirmation::Missing }
}

fn print_schema(is_plan: bool) -> Result<Exit> {
    let schema = if is_plan { plan_file::json_schema()? } else { runtime::config::json_schema() };
    Output::new(false).write(schema)?;
    Ok(Exit::Done)
}

fn print_completions(shell: clap_complete::Shell) -> Result<Exit> {
    // Into memory first: the generator panics where it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "provisioner", &mut script);
    Output::new(false).write(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

fn print_manual() -> Result<Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command().flatten_help(true)).render(&mut page)?;
    Output::new(false).write(String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
