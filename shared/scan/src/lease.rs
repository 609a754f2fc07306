//! The connection's lease, without which nothing is written.

use store::ScanLease;

use crate::{ScanContext, ScanError};

/// Seconds that a lease lasts unless it is renewed. A scan that was killed blocks others for no longer than this.
const LEASE_SECONDS: i64 = 120;

/// Takes the connection's lease and its next version. The state has to belong to the configured target.
pub(crate) async fn take_lease(context: &ScanContext<'_>) -> Result<ScanLease, ScanError> {
    let (store, now) = (context.store, (context.clock)());
    let lease = store
        .take_lease(context.owner, now, LEASE_SECONDS)
        .await?
        .map_err(|taken| ScanError::Busy { holder: taken.owner, seconds: (taken.until.0 - now.0).max(0) })?;
    if let Err(other_target) = store.bind_target(&lease, &context.policy.target).await {
        store.release(lease, None, None).await?;
        return Err(other_target.into());
    }
    Ok(lease)
}

/// Renews the lease once half of its time has passed.
pub(crate) async fn keep_lease(context: &ScanContext<'_>, lease: &mut ScanLease) -> Result<(), ScanError> {
    let now = (context.clock)();
    if lease.lasts_for(now, LEASE_SECONDS / 2) {
        return Ok(());
    }
    match context.store.renew_lease(lease, now, LEASE_SECONDS).await? {
        true => Ok(()),
        false => Err(ScanError::LeaseLost),
    }
}
