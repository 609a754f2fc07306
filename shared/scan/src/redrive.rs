//! Who is due and was announced by an earlier scan, or by none: a wake-up can be lost, and a process can die between
//! writing and sending.

use std::collections::BTreeMap;

use model::{ScanVersion, Status, UnixSeconds, UserRecord};
use queue::ProvisionRequest;

use crate::{ScanContext, ScanError};

/// The statuses of those who are due by themselves.
const DUE: [&str; 2] = ["pending", "retrying"];
/// The status of those whose accounts are deleted at their time.
const LEAVING: &str = "pending_deletion";
const PAGE: usize = 100;

/// Announces once more who is due since before this scan, unless the queue holds about as many wake-ups as there are
/// users due: then they are on their way. Nobody is announced while nobody would be tried; once the breaker lets
/// somebody try again, a wake-up has to be there for it. Says how many there were.
pub(crate) async fn redrive(
    context: &ScanContext<'_>,
    version: ScanVersion,
    statuses: &BTreeMap<String, u64>,
) -> Result<u64, ScanError> {
    let now = (context.clock)();
    let leaving = if statuses.contains_key(LEAVING) { leaves_now(context, now).await? } else { 0 };
    let waiting: u64 = DUE.iter().filter_map(|word| statuses.get(*word)).sum::<u64>() + leaving;
    let Some(queue) = context.queue.filter(|_| waiting > 0) else { return Ok(0) };
    let shut = context.store.fetch_breaker().await?.is_some_and(|breaker| now < breaker.until);
    if shut || queue.depth().await? >= waiting {
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
    for word in DUE.into_iter().chain((leaving > 0).then_some(LEAVING)) {
        let mut after = None;
        loop {
            let page = context.store.fetch_by_status(word, after, PAGE).await?;
            let requests: Vec<ProvisionRequest> = page
                .items
                .into_iter()
                .filter(is_forgotten)
                .map(|record| ProvisionRequest {
                    connection: context.policy.name.clone(),
                    anchor: record.anchor,
                    version: record.version,
                })
                .collect();
            if !requests.is_empty() {
                sent += queue.send(&requests).await?.sent;
            }
            after = page.next;
            if after.is_none() || context.is_out_of_time() {
                break;
            }
        }
    }
    Ok(sent)
}

/// How many of the accounts on the first page are to be deleted by now; whose time is over first comes first.
async fn leaves_now(context: &ScanContext<'_>, now: UnixSeconds) -> Result<u64, ScanError> {
    let page = context.store.fetch_by_status(LEAVING, None, PAGE).await?;
    Ok(page.items.iter().filter(|record| record.next_attempt <= now).count() as u64)
}
