//! Dead letters: provision requests that were delivered too often.
//!
//! The record says what is due, so a dead letter loses no change. It means that provisioning of the user never ended.

use model::{Status, UnixSeconds};
use queue::ProvisionRequest;
use store::{HistoryEvent, StoreError, UserOutcome, UserReferences};

use crate::Provisioner;
use crate::worker::MessageDisposition;

/// Delay of a dead letter while another worker holds the user's lease.
const BUSY_SECONDS: i64 = 60;

/// Marks the user of a dead letter as failed, with the reason. During an outage of the target the record stays due, and
/// a scan sends its request again once the target serves requests.
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
    let Some(lease) = store.lease_user(hash, owner, now..now.plus(lease_seconds)).await? else {
        return Ok(MessageDisposition::Retry(now.plus(BUSY_SECONDS)));
    };
    let error = match &lease.record.status {
        Status::Retrying { error } => format!("given up after too many attempts; last error: {error}"),
        Status::Pending => {
            "given up: no attempt ended with an outcome; see the logs of the attempts".to_owned()
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
    tracing::error!(
        user.anchor = %letter.anchor,
        version = %letter.version,
        "the user is given up and has the status failed; explain shows the reason"
    );
    Ok(MessageDisposition::Done)
}
