//! A scan from lease to release, and its dry run.

use directory::Directory;
use model::{SafeguardMemory, ScanVersion};
use serde_json::Value;
use store::{ConnectionState, ScanLease, StoreError};

use crate::final_plan::{FinalPlan, plan_final};
use crate::housekeeping::{housekeep, record_scan};
use crate::lease::take_lease;
use crate::page_plan::PagePlanner;
use crate::read::{Checkpoint, ScanMode, ScanRead, ScanStart};
use crate::write::{FinalWrite, PlanWriter};
use crate::{ApprovedPlan, ScanContext, ScanError, ScanSummary, UserPlan};

/// Reads the directory and writes the records of changed users. `progress` gets the number of entries read so far.
pub async fn scan(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: ScanMode,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    ScanRun { context, mode, approved: None }.run(directory, progress).await
}

/// A full scan that writes only what the approved plan has. A user that has changed since, or that the safeguard holds by
/// now, is left to another scan.
pub async fn scan_approved(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    approved: &ApprovedPlan,
    progress: impl Fn(u64) + Sync,
) -> Result<ScanSummary, ScanError> {
    let mode = ScanMode::Full;
    ScanRun { context, mode, approved: Some(approved) }.run(directory, progress).await
}

/// The numbers of a scan that would run now: the same plan, not written.
pub async fn dry_run(
    context: &ScanContext<'_>,
    directory: &mut Directory,
    mode: ScanMode,
) -> Result<ScanSummary, ScanError> {
    let ScanStart { state, snapshot, read } = ScanRead::begin(context, directory, mode).await?;
    let mut planner = PagePlanner::new(context, &state.memory, &snapshot, read);
    while planner.next_page().await?.is_some() {
        if context.is_out_of_time() {
            return Ok(planner.summary().clone().out_of_time());
        }
    }
    let finished = planner.finish().await;
    let FinalPlan { mut summary, .. } = plan_final(directory, finished).await?;
    summary.take_statuses(&context.store.count_by_status().await?);
    Ok(summary)
}

/// One scan that writes.
struct ScanRun<'a> {
    context: &'a ScanContext<'a>,
    mode: ScanMode,
    approved: Option<&'a ApprovedPlan>,
}

/// A scan that has saved its snapshot.
struct SavedScan {
    summary: ScanSummary,
    /// Where the next scan starts.
    checkpoint: Option<Checkpoint>,
    /// Summary of the scan before this one.
    last_scan: Option<Value>,
}

impl ScanRun<'_> {
    async fn run(
        &self,
        directory: &mut Directory,
        progress: impl Fn(u64) + Sync,
    ) -> Result<ScanSummary, ScanError> {
        let context = self.context;
        let (consumed, began) = (context.store.consumed(), (context.clock)());
        let mut lease = take_lease(context).await?;
        // On the heap: the future is large for a thread's stack.
        let mut outcome = Box::pin(self.read_and_write(&mut lease, directory, progress)).await;
        if let Ok(saved) = &mut outcome {
            saved.summary.take_units(context.store.consumed() - consumed);
            saved.summary.ended_at = (context.clock)().0;
        }
        let (summary, checkpoint) = match &outcome {
            Ok(SavedScan { summary, checkpoint, .. }) => (
                serde_json::to_value(summary).ok(),
                checkpoint.as_ref().and_then(|checkpoint| serde_json::to_value(checkpoint).ok()),
            ),
            Err(_) => (None, None),
        };
        let released = context.store.release(lease, summary, checkpoint).await;
        let SavedScan { mut summary, last_scan, .. } = outcome?;
        if released? && summary.is_news(last_scan.as_ref()) {
            record_scan(context, began, &mut summary).await;
        }
        Ok(summary)
    }

    async fn read_and_write(
        &self,
        lease: &mut ScanLease,
        directory: &mut Directory,
        progress: impl Fn(u64) + Sync,
    ) -> Result<SavedScan, ScanError> {
        let (context, version) = (self.context, lease.version());
        let ScanStart { state, snapshot, read } = ScanRead::begin(context, directory, self.mode).await?;
        let mut writer = PlanWriter::new(context, lease, snapshot.clone());
        let mut planner = PagePlanner::new(context, &state.memory, &snapshot, read);
        planner.allow_first_load(self.approved.is_some());
        let mut not_as_planned = 0;
        while let Some(page) = planner.next_page().await? {
            if let Some(checkpoint) = planner.checkpoint_before_writes().await {
                writer.save_checkpoint(&checkpoint).await?;
            }
            let (users, removed) = self.restrict(page.users);
            not_as_planned += removed;
            let written = writer.write_users(users).await;
            let is_throttled = stopped_by_throttling(&writer, written)?.is_none();
            progress(planner.summary().read);
            if is_throttled || context.is_out_of_time() {
                let mut summary = planner.summary().clone().out_of_time();
                if is_throttled {
                    summary.incomplete = Some(THROTTLED.to_owned());
                }
                return save(writer, context, (summary, None), (version, state)).await;
            }
        }
        let finished = planner.finish().await;
        let mut plan = plan_final(directory, finished).await?;
        plan.summary.not_as_planned = not_as_planned;
        if let Some(approved) = self.approved {
            plan = approved.restrict_final(plan);
        }
        let outcome = write_final(&mut writer, context, plan, (&state.memory, version)).await?;
        save(writer, context, outcome, (version, state)).await
    }

    /// The plans that the scan may write, and the number of those that are not as approved.
    fn restrict(&self, users: Vec<UserPlan>) -> (Vec<UserPlan>, u64) {
        match self.approved {
            Some(approved) => approved.restrict_users(users),
            None => (users, 0),
        }
    }
}

/// Why a throttled scan is incomplete.
const THROTTLED: &str = "the state table throttled the requests of the scan; the next scan continues";

/// `None` if the table throttled a write and all its retries. Then the scan saves what it has, and another invocation goes on
/// when the table has scaled. A scan that has written nothing fails.
fn stopped_by_throttling<T>(
    writer: &PlanWriter<'_>,
    written: Result<T, ScanError>,
) -> Result<Option<T>, ScanError> {
    match written {
        Err(ScanError::Store(throttled @ StoreError::Throttled(_))) if writer.counts().written > 0 => {
            tracing::warn!("the scan saves and stops early: {throttled}");
            Ok(None)
        }
        written => written.map(Some),
    }
}

/// Writes the final plan, and returns the summary and the checkpoint of the scan.
async fn write_final(
    writer: &mut PlanWriter<'_>,
    context: &ScanContext<'_>,
    mut plan: FinalPlan,
    (before, version): (&SafeguardMemory, ScanVersion),
) -> Result<(ScanSummary, Option<Checkpoint>), ScanError> {
    let (released, checkpoint) = (plan.released(), plan.checkpoint.take());
    let mut memory = plan.memory_after(context, before, version);
    let mut summary = std::mem::take(&mut plan.summary);
    if summary.out_of_time {
        return Ok((summary, None));
    }
    if let Some(reason) = &summary.incomplete {
        tracing::warn!("directory read incomplete ({reason}): no accounts will be deprovisioned in this run");
    }
    if memory != *before {
        writer.save_memory(&memory).await?;
    }
    let written = writer.write_final(plan).await;
    if stopped_by_throttling(writer, written)? == Some(FinalWrite::Done) {
        return Ok((summary, checkpoint));
    }
    // What was not written counts in the scan that writes it, and an approval still covers it then.
    summary.deprovisioned = writer.counts().removed;
    if released > 0
        && let Some(batch) = memory.released.last_mut()
    {
        batch.count = summary.deprovisioned;
        memory.released.retain(|batch| batch.count > 0);
    }
    let SafeguardMemory { configuration, change_approval, changes, .. } = before.clone();
    let changes = memory.changes.take().or(changes);
    writer.save_memory(&SafeguardMemory { configuration, change_approval, changes, ..memory }).await?;
    Ok((summary.out_of_time(), None))
}

/// Saves the snapshot. Unless the scan is out of time, the housekeeping follows.
async fn save(
    writer: PlanWriter<'_>,
    context: &ScanContext<'_>,
    (mut summary, checkpoint): (ScanSummary, Option<Checkpoint>),
    (version, state): (ScanVersion, ConnectionState),
) -> Result<SavedScan, ScanError> {
    let counts = writer.counts();
    (summary.version, summary.changed) = (version.0, writer.changed());
    (summary.unsent, summary.written) = (counts.unsent, counts.written);
    writer.save().await?;
    if !summary.out_of_time {
        summary = housekeep(context, state.served_at, version, summary).await;
    }
    Ok(SavedScan { summary, checkpoint, last_scan: state.last_scan })
}
