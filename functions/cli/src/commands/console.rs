//! `provisioner console`: a web page for one person on this machine.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::args::Place;
use crate::console::{Rights, listen};
use crate::exit::Exit;
use crate::report::{FAINT, HEADING, paint};

/// Serves the page until somebody ends it.
pub async fn run(place: &Place, port: u16, rights: Rights, out: &mut (impl Write + Send)) -> Result<Exit> {
    let listening = listen(place, port, rights).await?;
    let url = listening.url();
    if place.json {
        writeln!(out, "{}", json!({ "url": url, "write": rights == Rights::Write }))?;
    } else {
        let may = match rights {
            Rights::Read => "shows only; with --write it can approve and retry",
            Rights::Write => "can approve and retry",
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
