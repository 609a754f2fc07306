//! `provisioner`: the scan and provision handlers on one machine, and the operator's tool.

mod args;
mod commands;
mod console;
mod drive;
mod exit;
mod plan_file;
mod preview;
mod report;
mod session;

use clap::Parser;

use crate::args::Arguments;
use crate::exit::Exit;

// What is worked on has this thread, and the connections have the other.
#[tokio::main(worker_threads = 1)]
async fn main() -> std::process::ExitCode {
    runtime::telemetry::start_terminal();
    let arguments = Arguments::parse();
    let exit = match commands::run(&arguments).await {
        Ok(exit) => exit,
        Err(error) => {
            anstream::eprintln!("{} {}", report::paint(report::BAD, "error:"), exit::explain(&error));
            Exit::of(&error)
        }
    };
    exit.into()
}
