//! A scan: one that writes the plan down, and one that only counts what is in it.

use directory::Directory;
use model::{HeldChange, ReleasedBatch, SafeguardMemory, ScanVersion, UnixSeconds};
use serde_json::Value;
use store::{ConnectionState, PastScan, ScanLease, Snapshot};

use crate::approval::forget_old;
use crate::change::{ChangeGate, Judged};
use crate::ending::{FinalPlan, plan_final};
use crate::keep_alive::keep_alive;
use crate::planning::Planning;
use crate::reading::{Checkpoint, Reading, ScanMode};
use crate::redrive::redrive;
use crate::writer::{Writer, take_lease};
use crate::{ApprovedPlan, ScanContext, ScanError, ScanSummary};

/// Reads the directory and writes down what changed. `progress` is told how many entries were read.
pub async fn scan(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: ScanMode,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    scan_for(context, directory, mode, None, progress).await
}

/// The same for those alone who are as a person has seen and agreed to. Whoever has changed since, and whatever the
/// safety checks hold by now, waits for another scan.
pub async fn scan_approved(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    agreed: &ApprovedPlan,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    scan_for(context, directory, ScanMode::Full, Some(agreed), progress).await
}

async fn scan_for(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: ScanMode,
    agreed: Option<&ApprovedPlan>,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    let before = context.store.consumed();
    let began = (context.clock)();
    let mut lease = take_lease(context).await?;
    // On the heap: what a scan holds while it waits is much for a thread's stack.
    let mut outcome = Box::pin(scan_under(context, &mut lease, directory, (mode, agreed), progress)).await;
    if let Ok(Ended { summary, .. }) = &mut outcome {
        summary.take_units(context.store.consumed() - before);
    }
    let (last_scan, checkpoint) = match &outcome {
        Ok(Ended { summary, checkpoint, .. }) => (
            serde_json::to_value(summary).ok(),
            checkpoint.as_ref().and_then(|b| serde_json::to_value(b).ok()),
        ),
        Err(_) => (None, None),
    };
    let released = context.store.release(lease, last_scan, checkpoint).await;
    let Ended { summary, before, .. } = outcome?;
    if released? && summary.is_news(before.as_ref()) {
        note(context, began, &summary).await;
    }
    Ok(summary)
}

/// A scan that came to its end.
struct Ended {
    summary: ScanSummary,
    checkpoint: Option<Checkpoint>,
    /// The numbers of the scan before it.
    before: Option<Value>,
}

/// Puts the scan on the list of those that are worth a line. It has done its work by then, so a list without it is no
/// reason to fail.
async fn note(context: &ScanContext<'_>, began: UnixSeconds, summary: &ScanSummary) {
    let Ok(numbers) = serde_json::to_value(summary) else { return };
    let (version, ended) = (ScanVersion(summary.version), (context.clock)());
    let scan = PastScan { version, began, ended, summary: numbers };
    if let Err(error) = context.store.record_scan(&scan).await {
        tracing::warn!("the scan could not be put on the list of scans: {error}");
    }
}

/// The numbers of the scan that could run now: the same reading and the same plan, not applied.
pub async fn preview(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: ScanMode,
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
    let ending = plan_final(context, directory, &mut seen, verdict).await?;
    gate.let_through(ending.users);
    let Judged { held_updates, held_creates, .. } = gate.finish(seen.summary.complete);
    let mut summary = seen.summary;
    summary.hold_changes(held_updates, held_creates);
    summary.take_statuses(&context.store.count_by_status().await?);
    Ok(summary)
}

/// The gate for a scan of this connection.
pub fn gate(context: &ScanContext<'_>, memory: &SafeguardMemory, snapshot: &Snapshot) -> ChangeGate {
    let connection = context.policy;
    let most = connection.safety.max_changes;
    ChangeGate::new(connection.fingerprint, most, memory, snapshot.is_empty(), (context.clock)())
}

/// What the safety checks are to remember of this scan. One that did not see everybody knows nothing new of those who
/// wait.
fn memory_after(
    context: &ScanContext<'_>,
    before: &SafeguardMemory,
    summary: &ScanSummary,
    ending: &FinalPlan,
    (change, version): (Option<HeldChange>, ScanVersion),
) -> SafeguardMemory {
    let now = (context.clock)();
    let mut memory = forget_old(before.clone(), now);
    if !summary.complete {
        return memory;
    }
    memory.held = ending.held(version);
    if ending.released() > 0 {
        memory.released.push(ReleasedBatch { at: now, count: ending.released() });
    }
    if change.is_none() {
        memory.configuration = Some(context.policy.fingerprint);
        memory.change_approval = None;
    }
    memory.change = change;
    memory
}

async fn scan_under(
    context: &ScanContext<'_>,
    lease: &mut ScanLease,
    directory: &mut Directory,
    (mode, agreed): (ScanMode, Option<&ApprovedPlan>),
    progress: impl Fn(u64) + Sync,
) -> Result<Ended, ScanError> {
    let store = context.store;
    let version = lease.version();
    let ConnectionState { memory: before, served_at, last_scan, .. } = store.fetch_connection().await?;
    let (snapshot, reading) = Reading::begin(context, directory, mode).await?;
    let mut gate = gate(context, &before, &snapshot);
    let mut writer = Writer::new(context, lease, snapshot.clone());
    let mut planning = Planning::new(context, &snapshot, reading);
    let mut not_as_planned = 0;
    let mut only = |users| match agreed {
        Some(agreed) => agreed.only(users, &mut not_as_planned),
        None => users,
    };
    while let Some(users) = planning.next().await? {
        if !users.is_empty()
            && let Some(checkpoint) = planning.before_writing().await
        {
            writer.mark_page(&checkpoint).await?;
        }
        writer.write_users(only(gate.let_through(users).go)).await?;
        progress(planning.summary().read);
        if context.is_out_of_time() {
            let mut summary = planning.summary().clone().out_of_time();
            (summary.version, summary.changed, summary.unsent) =
                (version.0, writer.changed(), writer.unsent());
            writer.save().await?;
            return Ok(Ended { summary, checkpoint: None, before: last_scan });
        }
    }
    let (mut seen, verdict) = planning.finish().await;
    let mut ending = plan_final(context, directory, &mut seen, verdict).await?;
    ending.users = gate.let_through(ending.users).go;
    let Judged { users, waiting: _, held, held_updates, held_creates } = gate.finish(seen.summary.complete);
    let users = only(users);
    if let Some(agreed) = agreed {
        ending = agreed.narrow(ending, &mut not_as_planned);
    }
    seen.summary.hold_changes(held_updates, held_creates);
    if let Some(doubt) = &seen.summary.incomplete {
        tracing::warn!("the directory was not read completely: {doubt}; nobody is removed");
    }
    let (mut summary, checkpoint) = (seen.summary, seen.checkpoint);
    summary.not_as_planned = not_as_planned;
    // While a configuration waits for a person, everybody is looked at each time. So they are after somebody was left
    // out, who is to be found again.
    let checkpoint = checkpoint.filter(|_| held.is_none() && not_as_planned == 0);
    let mut after = memory_after(context, &before, &summary, &ending, (held, version));
    if not_as_planned > 0 {
        // The accounts don't follow this configuration as long as somebody's does not.
        after.configuration = before.configuration.or(after.configuration);
    }
    if after != before {
        writer.save_safety_memory(&after).await?;
    }
    writer.write_users(users).await?;
    writer.write_ending(ending).await?;
    (summary.version, summary.changed, summary.unsent) = (version.0, writer.changed(), writer.unsent());
    writer.save().await?;
    let statuses = store.count_by_status().await?;
    summary.take_statuses(&statuses);
    summary.redriven = redrive(context, version, &statuses).await?;
    keep_alive(context, served_at).await?;
    Ok(Ended { summary, checkpoint, before: last_scan })
}
