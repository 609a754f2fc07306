//! A scan that is held up for so long that another one takes over.

use std::{future::poll_fn, pin::pin, task::Poll};

use anyhow::{Result, bail, ensure};
use scan::{ScanContext, ScanError, ScanMode};

use super::{
    history::{Change, People, Setup},
    village::{NAMES, SLOTS, Village, title, wait_long},
};

/// How it ended for the scan that was held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Before it was held up.
    Before,
    /// It noticed that it was overtaken.
    Overtaken,
    /// It had nothing left to write.
    Done,
}

/// A scan works for so many steps and is held up. Meanwhile everything changes once more, and another scan sees and
/// does all of that. Then the first one goes on: nothing that it writes from there on may be found afterwards.
pub async fn overtaken_after(steps: usize) -> Result<Ended> {
    let setup = Setup { provision_disabled: false, delete: false };
    let people = People { there: vec![true; SLOTS], accounts: vec![None; NAMES] };
    let mut village = Village::start(setup, &people).await?;
    village.scan().await?;
    village.drive().await?;
    for slot in 0..SLOTS {
        village.change(Change::Retitle(slot, Some(1)))?;
    }
    let context = village.context();
    let mut directory = village.open_directory().await?;
    let mut first = pin!(scan::scan(&context, &mut directory, ScanMode::Auto, |_| {}));
    let mut polls = steps;
    let has_ended = poll_fn(|task| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        first.as_mut().poll(task).map(|_| true)
    })
    .await;
    if has_ended {
        return Ok(Ended::Before);
    }

    wait_long();
    for entry in village.entries.iter().flatten() {
        village.directory.set(&entry.dn, "title", &[&title(2)])?;
    }
    let successor = ScanContext { owner: "successor", ..context };
    let mut again = village.open_directory().await?;
    scan::scan(&successor, &mut again, ScanMode::Auto, |_| {}).await?;
    let (records, snapshot) = (village.records().await?, village.store.fetch_snapshot().await?);

    let ended = match first.await {
        Err(ScanError::LeaseLost) => Ended::Overtaken,
        Ok(_) => Ended::Done,
        Err(error) => bail!("{error}"),
    };
    ensure!(village.records().await? == records, "a record was written");
    ensure!(village.store.fetch_snapshot().await?.pairs() == snapshot.pairs(), "the snapshot was written");
    Ok(ended)
}
