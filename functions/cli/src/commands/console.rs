//! `provisioner console`: serves web pages for the operator of this machine.

use anyhow::Result;
use serde_json::json;

use crate::args::ConnectionArgs;
use crate::console::{ConsoleRights, listen};
use crate::exit::Exit;
use crate::interrupt::interrupted;
use crate::output::{FAINT, HEADING, Output, paint};

/// Serves the console until Ctrl-C.
pub async fn run(connection: &ConnectionArgs, port: u16, rights: ConsoleRights) -> Result<Exit> {
    let mut output = Output::of(connection);
    let listening = listen(connection, port, rights).await?;
    let url = listening.url();
    output.show(&json!({ "url": url, "write": rights == ConsoleRights::Write }), |_| {
        let note = match rights {
            ConsoleRights::Read => "read only; start with --write to approve and retry",
            ConsoleRights::Write => "one that can approve and retry",
        };
        let note =
            format!("Keep the address secret: it contains the key. This console is {note}. Ctrl-C ends it.");
        format!("{}\n{}", paint(HEADING, &url), paint(FAINT, note))
    })?;
    output.flush()?;
    listening.serve(interrupted()).await;
    Ok(Exit::Done)
}
