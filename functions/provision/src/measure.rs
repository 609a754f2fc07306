//! Metrics of the provision function.

use std::sync::atomic::Ordering;

use aws_lambda_events::event::sqs::SqsMessage;
use provision::{Action, Outcome, deactivates};
use runtime::metrics::{Counter, Gauge, count, durations, sample};
use runtime::now;

use crate::function::TargetHandle;

/// Counts the actions of an outcome.
pub(crate) fn count_outcome(connection: &str, outcome: &Outcome) {
    for action in outcome.actions() {
        let counter = match action {
            Action::Create { .. } => Counter::Created,
            Action::Update(found) if deactivates(found) => Counter::Deprovisioned,
            Action::Update(_) | Action::Link => Counter::Updated,
            Action::Deactivate(_) | Action::Delete(_) | Action::DeactivateInstead(_) => {
                Counter::Deprovisioned
            }
            Action::AccountGone | Action::FreeName { .. } | Action::PassTo { .. } => continue,
        };
        count(connection, counter, 1);
    }
    if matches!(outcome, Outcome::Failed { .. }) {
        count(connection, Counter::Failed, 1);
    }
}

/// Records throttled responses and latencies since the last call.
pub(crate) fn measure_target(connection: &str, handle: &TargetHandle) {
    let throttled = handle.target.calls().throttled;
    let before = handle.throttled.swap(throttled, Ordering::Relaxed);
    count(connection, Counter::TargetThrottled, throttled.saturating_sub(before));
    durations(connection, Gauge::TargetLatency, &handle.target.take_latencies());
}

/// Records the time that a message has been in the queue.
pub(crate) fn measure_age(connection: &str, message: &SqsMessage) {
    let sent_ms = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse::<i64>().ok());
    let age = sent_ms.and_then(|sent| u64::try_from(now().0.saturating_sub(sent / 1000)).ok());
    if let Some(seconds) = age {
        sample(connection, Gauge::QueueAge, seconds);
    }
}
