//! A scan: one that writes the plan down, and one that only counts what is in it.

use directory::Directory;
use store::ScanLease;

use crate::ending::plan_ending;
use crate::planning::Planning;
use crate::reading::{Bookmark, Mode, Reading};
use crate::redrive::redrive;
use crate::writer::{Writer, take_lease};
use crate::{ScanContext, ScanError, ScanSummary};

/// Reads the directory and writes down what changed. `progress` is told how many entries were read.
pub async fn scan(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: Mode,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    let mut lease = take_lease(context).await?;
    let outcome = scan_under(context, &mut lease, directory, mode, progress).await;
    let (last_scan, bookmark) = match &outcome {
        Ok((summary, bookmark)) => {
            (serde_json::to_value(summary).ok(), bookmark.as_ref().and_then(|b| serde_json::to_value(b).ok()))
        }
        Err(_) => (None, None),
    };
    let released = context.store.release(lease, last_scan, bookmark).await;
    let (summary, _) = outcome?;
    released?;
    Ok(summary)
}

/// The numbers of the scan that could run now: the same reading and the same plan, not applied.
pub async fn preview(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: Mode,
) -> Result<ScanSummary, ScanError> {
    let (snapshot, reading) = Reading::begin(context, directory, mode).await?;
    let mut planning = Planning::new(context, &snapshot, reading);
    while planning.next().await?.is_some() {
        if context.is_out_of_time() {
            return Ok(planning.summary().clone().out_of_time());
        }
    }
    let (mut seen, verdict) = planning.finish().await;
    plan_ending(context, directory, &mut seen, verdict).await?;
    let mut summary = seen.summary;
    summary.take_statuses(&context.store.count_by_status().await?);
    Ok(summary)
}

async fn scan_under(
    context: &ScanContext<'_>,
    lease: &mut ScanLease,
    directory: &mut Directory,
    mode: Mode,
    progress: impl Fn(u64) + Sync,
) -> Result<(ScanSummary, Option<Bookmark>), ScanError> {
    let store = context.store;
    let version = lease.version();
    let (snapshot, reading) = Reading::begin(context, directory, mode).await?;
    let mut writer = Writer::new(context, lease, snapshot.clone());
    let mut planning = Planning::new(context, &snapshot, reading);
    while let Some(users) = planning.next().await? {
        if !users.is_empty()
            && let Some(bookmark) = planning.before_writing().await
        {
            writer.remember(&bookmark).await?;
        }
        writer.write_users(users).await?;
        progress(planning.summary().read);
        if context.is_out_of_time() {
            let mut summary = planning.summary().clone().out_of_time();
            (summary.version, summary.changed, summary.unsent) =
                (version.0, writer.changed(), writer.unsent());
            writer.save().await?;
            return Ok((summary, None));
        }
    }
    let (mut seen, verdict) = planning.finish().await;
    let ending = plan_ending(context, directory, &mut seen, verdict).await?;
    if let Some(doubt) = &seen.summary.incomplete {
        tracing::warn!("the directory was not read completely: {doubt}; nobody is removed");
    }
    let (mut summary, bookmark) = (seen.summary, seen.bookmark);
    writer.write_ending(ending).await?;
    (summary.version, summary.changed, summary.unsent) = (version.0, writer.changed(), writer.unsent());
    writer.save().await?;
    let statuses = store.count_by_status().await?;
    summary.take_statuses(&statuses);
    summary.redriven = redrive(context, version, &statuses).await?;
    Ok((summary, bookmark))
}
