//! `provisioner`: the scan and provision engines on one machine, and the operator's tool.

mod args;
mod clean;
mod commands;
mod console;
mod exit;
mod explained;
mod interrupt;
mod next;
mod numbers;
mod output;
mod plan_file;
mod progress;
mod provision_due;
mod session;
mod wrap;

use crate::args::Arguments;
use crate::exit::Exit;

// Commands run on the main thread, connections on the worker thread.
#[tokio::main(worker_threads = 1)]
async fn main() -> std::process::ExitCode {
    let arguments = Arguments::read();
    runtime::telemetry::start_terminal(arguments.verbose);
    let exit = commands::run(&arguments).await.unwrap_or_else(|error| {
        // A program such as `head` closes the pipe before the end of the output.
        if !exit::is_closed_pipe(&error) {
            let heading = output::paint(output::BAD, "error:");
            anstream::eprintln!("{heading} {}", clean::plain(&exit::explain(&error)));
        }
        Exit::of_error(&error)
    });
    exit.into()
}
