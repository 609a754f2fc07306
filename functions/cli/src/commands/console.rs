//! `provisioner console`: a web page for one person on this machine.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::args::ConnectionArgs;
use crate::console::{ConsoleRights, listen};
use crate::exit::Exit;
use crate::report::{FAINT, HEADING, paint};

/// Serves the page until somebody ends it.
pub async fn run(
    connection: &ConnectionArgs,
    port: u16,
    rights: ConsoleRights,
    out: &mut (impl Write + Send),
) -> Result<Exit> {
    let listening = listen(connection, port, rights).await?;
    let url = listening.url();
    if connection.json {
        writeln!(out, "{}", json!({ "url": url, "write": rights == ConsoleRights::Write }))?;
    } else {
        let may = match rights {
            ConsoleRights::Read => "shows only; with --write it can approve and retry",
            ConsoleRights::Write => "can approve and retry",
        };
        writeln!(out, "{}", paint(HEADING, &url))?;
        let note = format!("for you alone: the address holds the key. It {may}. Ctrl-C ends it.");
        writeln!(out, "{}", paint(FAINT, &note))?;
    }
    out.flush()?;
    listening.serve(ended()).await?;
    Ok(Exit::Done)
}

/// Is over when somebody presses Ctrl-C, and at once where that can't be noticed.
async fn ended() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!("can't wait for Ctrl-C ({error})");
    }
}
