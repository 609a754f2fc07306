//! A batch of provision requests for one connection, handled one user after another. The number of concurrent workers is
//! thus the number of users that are provisioned at a time.

use std::collections::HashMap;

use model::{Anchor, UnixSeconds};
use queue::ProvisionRequest;
use store::StoreError;
use tracing::Instrument;

use crate::breaker::{self, BreakerGate};
use crate::{FollowUp, Outcome, Provisioned, Provisioner};

/// Delay of a request while another worker holds the user's lease.
const BUSY_SECONDS: i64 = 10;

/// Delay of a request while the state can't be used.
const STATE_SECONDS: i64 = 30;

/// Seconds over which the requests that wait for one time are spread.
const SPREAD_SECONDS: i64 = 5;

/// What happens to a message after its handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageDisposition {
    /// It is deleted.
    Done,
    /// It is delivered again at this time.
    Retry(UnixSeconds),
}

/// Handles a batch. No user is begun after `stop_at`, except the first one.
pub async fn work(
    provisioner: &Provisioner<'_>,
    batch: &[ProvisionRequest],
    stop_at: UnixSeconds,
    mut show: impl FnMut(&Outcome),
) -> Vec<MessageDisposition> {
    let clock = provisioner.clock;
    let mut dispositions: HashMap<&Anchor, MessageDisposition> = HashMap::new();
    let checked = breaker::check(provisioner, clock()).await;
    let mut gate = checked.unwrap_or_else(|error| gate_after(&error, clock()));
    for request in batch {
        // Several requests of a batch for one user are handled once.
        if dispositions.contains_key(&request.anchor) {
            continue;
        }
        let now = clock();
        let disposition = match gate {
            BreakerGate::Shut { until } => MessageDisposition::Retry(spread(until, &request.anchor)),
            _ if now >= stop_at && !dispositions.is_empty() => MessageDisposition::Retry(now),
            BreakerGate::Open | BreakerGate::Probe(_) => {
                let span =
                    tracing::info_span!("user", user.anchor = %request.anchor, version = %request.version);
                let done = provisioner.provision(request.anchor.hash()).instrument(span.clone()).await;
                span.in_scope(|| log(&done));
                let disposition = disposition_of(&done, clock());
                match &done {
                    Ok(Provisioned { outcome, .. }) => {
                        show(outcome);
                        gate = next_gate(provisioner, gate, outcome).await;
                    }
                    Err(error) => gate = gate_after(error, clock()),
                }
                disposition
            }
        };
        dispositions.insert(&request.anchor, disposition);
    }
    let of = |request: &ProvisionRequest| dispositions.get(&request.anchor).copied();
    batch.iter().map(|request| of(request).unwrap_or(MessageDisposition::Done)).collect()
}

/// The gate for the next user, after this outcome.
async fn next_gate(provisioner: &Provisioner<'_>, gate: BreakerGate, outcome: &Outcome) -> BreakerGate {
    let Provisioner { store, clock, .. } = *provisioner;
    let probe = match gate {
        BreakerGate::Probe(probe) => Some(probe),
        BreakerGate::Open | BreakerGate::Shut { .. } => None,
    };
    match breaker::trip(provisioner, outcome, probe, clock()).await {
        Ok(Some(until)) => return BreakerGate::Shut { until },
        Ok(None) => {}
        Err(error) => return gate_after(&error, clock()),
    }
    match (gate, outcome) {
        // No request was sent, so the probe is still to be made.
        (BreakerGate::Probe(_), Outcome::NothingToDo | Outcome::NotYet { .. } | Outcome::Busy) => gate,
        (BreakerGate::Probe(probe), _) => match store.close_breaker(probe).await {
            Ok(true) => {
                tracing::info!("the target serves again");
                BreakerGate::Open
            }
            // Another worker has reported a failure since the probe began.
            Ok(false) => BreakerGate::Shut { until: clock().plus(STATE_SECONDS) },
            Err(error) => gate_after(&error, clock()),
        },
        _ => BreakerGate::Open,
    }
}

/// The gate after an error of the state, which most often concerns the other users of the batch too.
fn gate_after(error: &StoreError, now: UnixSeconds) -> BreakerGate {
    match error {
        // These errors concern one item.
        StoreError::Corrupt { .. } | StoreError::TooLarge { .. } | StoreError::NotLinked => BreakerGate::Open,
        _ => {
            tracing::error!("the state can't be used: {error}");
            BreakerGate::Shut { until: now.plus(STATE_SECONDS) }
        }
    }
}

fn disposition_of(done: &Result<Provisioned, StoreError>, now: UnixSeconds) -> MessageDisposition {
    let outcome = match done {
        Ok(Provisioned { follow_up: FollowUp::Due, .. }) => return MessageDisposition::Retry(now),
        Ok(Provisioned { outcome, .. }) => outcome,
        Err(_) => return MessageDisposition::Retry(now.plus(STATE_SECONDS)),
    };
    match outcome {
        Outcome::NotYet { until } | Outcome::Failed { retry_at: Some(until), .. } => {
            MessageDisposition::Retry(*until)
        }
        Outcome::Busy => MessageDisposition::Retry(now.plus(BUSY_SECONDS)),
        Outcome::NothingToDo
        | Outcome::InSync { .. }
        | Outcome::AwaitsSafeguard { .. }
        | Outcome::Skipped { .. }
        | Outcome::Conflict { .. }
        | Outcome::NotPlanned { .. }
        | Outcome::Failed { retry_at: None, .. } => MessageDisposition::Done,
    }
}

fn log(done: &Result<Provisioned, StoreError>) {
    match done {
        Ok(Provisioned { outcome: Outcome::Failed { error, retry_at, .. }, .. }) => {
            log_failure(error, *retry_at);
        }
        Ok(provisioned) => log_outcome(provisioned),
        Err(error) => tracing::error!("the user was not provisioned: {error}"),
    }
}

fn log_failure(error: &str, retry_at: Option<UnixSeconds>) {
    tracing::warn!(retry_at = retry_at.map(|at| at.0), "the user was not provisioned: {error}");
}

fn log_outcome(Provisioned { outcome, follow_up }: &Provisioned) {
    let due_again = *follow_up == FollowUp::Due;
    tracing::info!(outcome = outcome.word(), due_again, "the provision request was handled");
}

fn spread(until: UnixSeconds, anchor: &Anchor) -> UnixSeconds {
    let byte = anchor.hash().0.first().copied().unwrap_or_default();
    until.plus(i64::from(byte) % SPREAD_SECONDS)
}
