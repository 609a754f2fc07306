//! A scan that is paused until another scan takes its lease.

use std::{future::poll_fn, pin::pin, task::Poll};

use anyhow::{Result, bail, ensure};
use scan::{ScanContext, ScanError, ScanMode};

use super::{
    history::{HistoryChange, HistoryOptions, InitialPeople},
    property_fixture::{NAMES, PropertyFixture, SLOTS, title, wait_long},
};

/// End of the paused scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OvertakenScan {
    /// It ended before the pause.
    Before,
    /// It detected the lost lease.
    Overtaken,
    /// It had nothing left to write.
    Done,
}

/// Pauses a scan after this many steps. Every entry changes, and a second scan processes all changes. The first scan
/// continues, and must not write anything.
pub async fn overtaken_after(steps: usize) -> Result<OvertakenScan> {
    let options = HistoryOptions { provision_disabled: false, delete: false };
    let people = InitialPeople { present: vec![true; SLOTS], accounts: vec![None; NAMES] };
    let mut fixture = PropertyFixture::start(options, &people).await?;
    fixture.scan().await?;
    fixture.engine.provision_due().await?;
    for slot in 0..SLOTS {
        fixture.change(HistoryChange::Retitle(slot, Some(1)))?;
    }
    let context = fixture.engine.context();
    let mut directory = fixture.engine.open_directory().await?;
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
        return Ok(OvertakenScan::Before);
    }

    wait_long();
    for entry in fixture.entries.iter().flatten() {
        fixture.directory.set(&entry.dn, "title", &[&title(2)])?;
    }
    let successor = ScanContext { owner: "successor", ..context };
    let mut again = fixture.engine.open_directory().await?;
    scan::scan(&successor, &mut again, ScanMode::Auto, |_| {}).await?;
    let (records, snapshot) = (fixture.records().await?, fixture.engine.store.fetch_snapshot().await?);

    let ended = match first.await {
        Err(ScanError::LeaseLost) => OvertakenScan::Overtaken,
        Ok(_) => OvertakenScan::Done,
        Err(error) => bail!("{error}"),
    };
    ensure!(fixture.records().await? == records, "a record was written");
    ensure!(
        fixture.engine.store.fetch_snapshot().await?.pairs() == snapshot.pairs(),
        "the snapshot was written"
    );
    Ok(ended)
}
