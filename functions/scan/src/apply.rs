//! A scan: one that writes the plan down, and one that only counts what is in it.

use directory::Directory;
use model::{HeldChange, Released, SafetyMemory, Version};
use store::{ConnectionState, ScanLease, Snapshot};

use crate::approval::forget_old;
use crate::change::{ChangeGate, Judged};
use crate::ending::{Ending, plan_ending};
use crate::keep_alive::keep_alive;
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
    let memory = context.store.fetch_connection().await?.memory;
    let (snapshot, reading) = Reading::begin(context, directory, mode).await?;
    let mut gate = gate(context, &memory, &snapshot);
    let mut planning = Planning::new(context, &snapshot, reading);
    while let Some(users) = planning.next().await? {
        gate.let_through(users);
        if context.is_out_of_time() {
            return Ok(planning.summary().clone().out_of_time());
        }
    }
    let (mut seen, verdict) = planning.finish().await;
    let ending = plan_ending(context, directory, &mut seen, verdict).await?;
    gate.let_through(ending.users);
    let Judged { held_updates, held_creates, .. } = gate.finish(seen.summary.complete);
    let mut summary = seen.summary;
    summary.hold_changes(held_updates, held_creates);
    summary.take_statuses(&context.store.count_by_status().await?);
    Ok(summary)
}

/// The gate for a scan of this connection.
pub fn gate(context: &ScanContext<'_>, memory: &SafetyMemory, snapshot: &Snapshot) -> ChangeGate {
    let connection = context.connection;
    let most = connection.safety.max_changes;
    ChangeGate::new(connection.version(), most, memory, snapshot.is_empty(), (context.clock)())
}

/// What the safety checks are to remember of this scan. One that did not see everybody knows nothing new of those who
/// wait.
fn memory_after(
    context: &ScanContext<'_>,
    before: &SafetyMemory,
    summary: &ScanSummary,
    ending: &Ending,
    (change, version): (Option<HeldChange>, Version),
) -> SafetyMemory {
    let now = (context.clock)();
    let mut memory = forget_old(before.clone(), now);
    if !summary.complete {
        return memory;
    }
    memory.held = ending.held(version);
    if ending.released() > 0 {
        memory.released.push(Released { at: now, count: ending.released() });
    }
    if change.is_none() {
        memory.configuration = Some(context.connection.version());
        memory.change_approval = None;
    }
    memory.change = change;
    memory
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
    let ConnectionState { memory: before, served_at, .. } = store.fetch_connection().await?;
    let (snapshot, reading) = Reading::begin(context, directory, mode).await?;
    let mut gate = gate(context, &before, &snapshot);
    let mut writer = Writer::new(context, lease, snapshot.clone());
    let mut planning = Planning::new(context, &snapshot, reading);
    while let Some(users) = planning.next().await? {
        if !users.is_empty()
            && let Some(bookmark) = planning.before_writing().await
        {
            writer.mark_page(&bookmark).await?;
        }
        writer.write_users(gate.let_through(users)).await?;
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
    let mut ending = plan_ending(context, directory, &mut seen, verdict).await?;
    ending.users = gate.let_through(ending.users);
    let Judged { users, held, held_updates, held_creates } = gate.finish(seen.summary.complete);
    seen.summary.hold_changes(held_updates, held_creates);
    if let Some(doubt) = &seen.summary.incomplete {
        tracing::warn!("the directory was not read completely: {doubt}; nobody is removed");
    }
    let (mut summary, bookmark) = (seen.summary, seen.bookmark);
    // While a configuration waits for a person, everybody is looked at each time.
    let bookmark = bookmark.filter(|_| held.is_none());
    let after = memory_after(context, &before, &summary, &ending, (held, version));
    if after != before {
        writer.remember(&after).await?;
    }
    writer.write_users(users).await?;
    writer.write_ending(ending).await?;
    (summary.version, summary.changed, summary.unsent) = (version.0, writer.changed(), writer.unsent());
    writer.save().await?;
    let statuses = store.count_by_status().await?;
    summary.take_statuses(&statuses);
    summary.redriven = redrive(context, version, &statuses).await?;
    keep_alive(context, served_at).await?;
    Ok((summary, bookmark))
}
