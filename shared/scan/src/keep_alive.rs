//! Keep-alive: some targets switch off an integration that has not called for a long time. In a directory without changes,
//! one user in sync becomes due again, so that provisioning reads one account.

use model::{AnchorHash, Desired, Status, UnixSeconds, UserRecord};
use queue::ProvisionRequest;

use crate::{ScanContext, ScanError};

const DAY_SECONDS: i64 = 86_400;

/// Accounts among which a user in sync is sought.
const PAGE: usize = 100;

/// Makes one user due if the target has not served a call for `keep_alive_days`. A user that is due already leads to a
/// call, so nothing is added while the target is down.
pub(crate) async fn keep_alive(
    context: &ScanContext<'_>,
    served_at: Option<UnixSeconds>,
) -> Result<(), ScanError> {
    let store = context.store;
    let Some(days) = context.policy.keep_alive_days else { return Ok(()) };
    let is_recent = |at: UnixSeconds| (context.clock)() < at.plus(i64::from(days) * DAY_SECONDS);
    if served_at.is_some_and(is_recent) {
        return Ok(());
    }
    let owners = store.fetch_accounts(None, PAGE).await?.items;
    let hashes: Vec<AnchorHash> = owners.iter().map(|(_, owner)| owner.hash()).collect();
    let records = store.fetch_records(&hashes).await?;
    if records.values().any(|record| record.status.is_due()) {
        return Ok(());
    }
    let has_account = |record: &&UserRecord| {
        record.status == Status::InSync && matches!(record.desired, Some(Desired::Present(_)))
    };
    let Some(record) = hashes.iter().filter_map(|hash| records.get(hash)).find(has_account) else {
        return Ok(());
    };
    if store.reopen(record.anchor.hash()).await? {
        tracing::info!(days, "the target has served no call for keep_alive_days; one account will be read");
        if let Some(queue) = context.queue {
            let (connection, anchor) = (context.policy.name.clone(), record.anchor.clone());
            // If the queue does not take the request, the next scan sends it like that of any due user.
            queue.send(&[ProvisionRequest { connection, anchor, version: record.version }]).await?;
        }
    }
    Ok(())
}
