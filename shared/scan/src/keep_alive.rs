//! Some targets switch an integration off that has not called for long, and where nobody's entry changes nobody calls. Then
//! one user is looked at again who is settled, in the way that everybody goes: that reads one account.

use model::{AnchorHash, Desired, Status, UnixSeconds, UserRecord};
use queue::ProvisionRequest;

use crate::{ScanContext, ScanError};

const DAY: i64 = 86_400;

/// So many accounts are looked through for somebody who is settled.
const PAGE: usize = 100;

/// Has one user looked at where the target has not served anybody for too long. Whoever is due already will lead to a call,
/// and so nobody is added while the target is down.
pub(crate) async fn keep_alive(
    context: &ScanContext<'_>,
    served_at: Option<UnixSeconds>,
) -> Result<(), ScanError> {
    let store = context.store;
    let Some(days) = context.policy.keep_alive_days else { return Ok(()) };
    let is_recent = |at: UnixSeconds| (context.clock)() < at.plus(i64::from(days) * DAY);
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
        tracing::info!(days, "the target has served nobody for long; one account is looked at");
        if let Some(queue) = context.queue {
            let connection = context.policy.name.clone();
            // Should it not be taken, the next scan announces it like anybody who is due.
            queue
                .send(&[ProvisionRequest {
                    connection,
                    anchor: record.anchor.clone(),
                    version: record.version,
                }])
                .await?;
        }
    }
    Ok(())
}
