//! A batch of wake-ups for one connection, worked off one user after the other.
//!
//! Users are not worked on at the same time here: how many workers there are at once is how many users are provisioned
//! at a time, and that is the target's budget.

use std::collections::HashMap;

use model::{Anchor, UnixSeconds};
use queue::ProvisionRequest;
use store::StoreError;
use tracing::Instrument;

use crate::breaker::{self, Gate};
use crate::{FollowUp, Outcome, Provisioned, Provisioner};

/// When somebody comes again whom another worker has, and somebody for whom the state could not be read.
const BUSY_SECONDS: i64 = 10;
const STATE_SECONDS: i64 = 30;

/// Those who wait for the same moment come back spread over so many seconds.
const SPREAD: i64 = 5;

/// What becomes of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageDisposition {
    /// It is done with.
    Done,
    /// It comes again, at this time.
    Retry(UnixSeconds),
}

/// Works a batch off. `stop_at` is when no more users are begun.
pub async fn work(
    provisioner: &Provisioner<'_>,
    batch: &[ProvisionRequest],
    stop_at: UnixSeconds,
    mut show: impl FnMut(&Outcome),
) -> Vec<MessageDisposition> {
    let store = provisioner.store;
    let clock = provisioner.clock;
    let mut fates: HashMap<&Anchor, MessageDisposition> = HashMap::new();
    let mut gate = match breaker::ask(store, provisioner.health, clock()).await {
        Ok(gate) => gate,
        Err(error) => unreadable(&error, clock()),
    };
    for request in batch {
        // A user who comes twice in a batch is worked on once.
        if fates.contains_key(&request.anchor) {
            continue;
        }
        let now = clock();
        let fate = match gate {
            Gate::Shut { until } => MessageDisposition::Retry(spread(until, &request.anchor)),
            _ if now >= stop_at && !fates.is_empty() => MessageDisposition::Retry(now),
            Gate::Open | Gate::Probe { .. } => {
                let span =
                    tracing::info_span!("user", user.anchor = %request.anchor, version = %request.version);
                let done = provisioner.provision(request.anchor.hash()).instrument(span.clone()).await;
                let fate = fate_of(&done, clock());
                span.in_scope(|| log(&done));
                match &done {
                    Ok(Provisioned { outcome, .. }) => {
                        show(outcome);
                        gate = next_gate(provisioner, gate, outcome).await;
                    }
                    Err(error) => gate = unreadable(error, clock()),
                }
                fate
            }
        };
        fates.insert(&request.anchor, fate);
    }
    batch
        .iter()
        .map(|request| fates.get(&request.anchor).copied().unwrap_or(MessageDisposition::Done))
        .collect()
}

/// Whether the next user may be tried, after this outcome.
async fn next_gate(provisioner: &Provisioner<'_>, gate: Gate, outcome: &Outcome) -> Gate {
    let Provisioner { store, clock, .. } = *provisioner;
    let probes_before = match gate {
        Gate::Probe { before } => before + 1,
        Gate::Open | Gate::Shut { .. } => 0,
    };
    match breaker::trip(store, outcome, probes_before, clock()).await {
        Ok(Some(until)) => return Gate::Shut { until },
        Ok(None) => {}
        Err(error) => return unreadable(&error, clock()),
    }
    match (gate, outcome) {
        // These said nothing about the target, so the probe is still to be made.
        (Gate::Probe { .. }, Outcome::NothingToDo | Outcome::NotYet { .. } | Outcome::Busy) => gate,
        (Gate::Probe { .. }, _) => match store.close_breaker().await {
            Ok(()) => {
                tracing::info!("the target serves again");
                Gate::Open
            }
            Err(error) => unreadable(&error, clock()),
        },
        _ => Gate::Open,
    }
}

/// The state can't be read or written. The other users of the batch would meet the same.
fn unreadable(error: &StoreError, now: UnixSeconds) -> Gate {
    match error {
        // This is about one item.
        StoreError::Corrupt { .. } | StoreError::TooLarge { .. } | StoreError::NotLinked => Gate::Open,
        _ => {
            tracing::error!("the state can't be used: {error}");
            Gate::Shut { until: now.plus(STATE_SECONDS) }
        }
    }
}

fn fate_of(done: &Result<Provisioned, StoreError>, now: UnixSeconds) -> MessageDisposition {
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
            tracing::warn!(retry_at = retry_at.map(|at| at.0), "the user was not provisioned: {error}");
        }
        Ok(Provisioned { outcome, follow_up }) => {
            tracing::info!(
                outcome = outcome.word(),
                due_again = *follow_up == FollowUp::Due,
                "the user was looked at"
            );
        }
        Err(error) => tracing::error!("the user was not provisioned: {error}"),
    }
}

/// The same moment for everybody would be a crowd.
fn spread(until: UnixSeconds, anchor: &Anchor) -> UnixSeconds {
    let byte = anchor.hash().0.first().copied().unwrap_or_default();
    until.plus(i64::from(byte) % SPREAD)
}
