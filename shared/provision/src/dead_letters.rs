//! Wake-ups that were delivered too often. The record is what counts, so a dead letter loses nobody: it only says that
//! work on this user never came to an end, and that a person should know.

use model::{Status, UnixSeconds};
use queue::ProvisionRequest;
use store::{HistoryEvent, StoreError, UserOutcome, UserReferences};

use crate::Provisioner;
use crate::worker::MessageDisposition;

/// When somebody whom another worker has is looked at again.
const BUSY_SECONDS: i64 = 60;

/// Leaves the user of a dead letter to a person, with the reason on the record. Where the target serves nobody, it is
/// not the user's fault: the record stays due, and a scan announces it again once the target is back.
pub async fn handle_dead_letter(
    provisioner: &Provisioner<'_>,
    letter: &ProvisionRequest,
) -> Result<MessageDisposition, StoreError> {
    let Provisioner { store, owner, lease_seconds, clock, .. } = *provisioner;
    let now = clock();
    let hash = letter.anchor.hash();
    let Some(record) = store.fetch_record(hash).await? else { return Ok(MessageDisposition::Done) };
    if !record.status.is_due() || store.fetch_breaker().await?.is_some() {
        return Ok(MessageDisposition::Done);
    }
    let Some(lease) = store.lease_user(hash, owner, now, lease_seconds).await? else {
        return Ok(MessageDisposition::Retry(now.plus(BUSY_SECONDS)));
    };
    let error = match &lease.record.status {
        Status::Retrying { error } => format!("given up after too many tries; the last one: {error}"),
        Status::Pending => {
            "given up: each try ended without an outcome; the log of that time says why".to_owned()
        }
        _ => {
            store.return_lease(lease).await?;
            return Ok(MessageDisposition::Done);
        }
    };
    let event = HistoryEvent {
        at: now,
        version: lease.record.version,
        action: "given up".to_owned(),
        reason: None,
        result: error.clone(),
        account: lease.record.link.as_ref().map(|link| link.account.clone()),
    };
    let attempts = lease.record.attempts + 1;
    let outcome = UserOutcome {
        applied: None,
        status: Status::Failed { error },
        attempts,
        next_attempt: UnixSeconds(0),
        references: UserReferences::new(),
        event: Some(event),
    };
    store.write_outcome(lease, outcome, now).await?;
    tracing::error!(user.anchor = %letter.anchor, version = %letter.version, "the user is given up; see the record");
    Ok(MessageDisposition::Done)
}
