//! Redrive: provision requests are sent again for users that are due since an earlier scan. A request can be lost, and a
//! process can be killed between writing and sending.

use std::collections::BTreeMap;

use model::{ScanVersion, Status, UnixSeconds, UserRecord};
use queue::{ProvisionRequest, Queue};

use crate::{ScanContext, ScanError};

/// Statuses of users that are due at once, or at their next attempt.
const DUE: [&str; 2] = ["pending", "retrying"];
/// Status of users with an account that is deleted later.
const DELETION: &str = "pending_deletion";
const PAGE: usize = 100;
/// Scans after which requests are sent whatever the queue's depth is.
const REGARDLESS_EVERY: u64 = 10;
/// Most users in sync that one scan sends for a recheck of their missing references.
const MAX_RECHECKS: usize = 1_000;

/// Sends the provision requests of users that are due since before this scan, and returns their number.
///
/// Nothing is sent if the queue holds as many requests as there are users due: their requests are on the way. Several
/// requests for one user can look the same, so each tenth scan sends regardless. Nothing is sent either while the circuit breaker is open; once it lets a request through, one has to be in the queue.
pub(crate) async fn redrive(
    context: &ScanContext<'_>,
    version: ScanVersion,
    statuses: &BTreeMap<String, u64>,
) -> Result<u64, ScanError> {
    let Some(queue) = context.queue else { return Ok(0) };
    let now = (context.clock)();
    let deletions = if statuses.contains_key(DELETION) { deletions_due(context, now).await? } else { 0 };
    let rechecks = context.store.fetch_due_rechecks(now, MAX_RECHECKS).await?;
    let due: u64 =
        DUE.iter().filter_map(|word| statuses.get(*word)).sum::<u64>() + deletions + rechecks.len() as u64;
    if due == 0 {
        return Ok(0);
    }
    let is_open = context.store.fetch_breaker().await?.is_some_and(|breaker| now < breaker.until);
    let is_covered = !version.0.is_multiple_of(REGARDLESS_EVERY) && queue.depth().await? >= due;
    if is_open || is_covered {
        return Ok(0);
    }
    let is_forgotten = |record: &UserRecord| {
        let is_due = match record.status {
            Status::Retrying { .. } | Status::PendingDeletion { .. } => record.next_attempt <= now,
            _ => record.status.is_due(),
        };
        is_due && record.version < version
    };
    let mut sent = 0;
    for word in DUE.into_iter().chain((deletions > 0).then_some(DELETION)) {
        sent += send_status(context, queue, word, is_forgotten).await?;
    }
    let rechecked = context.store.fetch_records(&rechecks).await?.into_values();
    let requests: Vec<ProvisionRequest> = rechecked.map(|record| request_for(context, record)).collect();
    if !requests.is_empty() {
        sent += queue.send(&requests).await?.sent;
    }
    Ok(sent)
}

fn request_for(context: &ScanContext<'_>, record: UserRecord) -> ProvisionRequest {
    ProvisionRequest {
        connection: context.policy.name.clone(),
        anchor: record.anchor,
        version: record.version,
    }
}

/// Sends the requests of the users with one status.
async fn send_status(
    context: &ScanContext<'_>,
    queue: &Queue,
    word: &str,
    is_forgotten: impl Fn(&UserRecord) -> bool,
) -> Result<u64, ScanError> {
    let (mut sent, mut after) = (0, None);
    loop {
        let page = context.store.fetch_by_status(word, after, PAGE).await?;
        let records = page.items.into_iter().filter(&is_forgotten);
        let requests: Vec<ProvisionRequest> = records.map(|record| request_for(context, record)).collect();
        if !requests.is_empty() {
            sent += queue.send(&requests).await?.sent;
        }
        after = page.next;
        if after.is_none() || context.is_out_of_time() {
            return Ok(sent);
        }
    }
}

/// Number of due deletions, on the first page; the longest due come first.
async fn deletions_due(context: &ScanContext<'_>, now: UnixSeconds) -> Result<u64, ScanError> {
    let page = context.store.fetch_by_status(DELETION, None, PAGE).await?;
    Ok(page.items.iter().filter(|record| record.next_attempt <= now).count() as u64)
}
