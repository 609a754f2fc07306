//! Metrics, as log lines that CloudWatch turns into metrics (its *embedded metric format*): no call, no right, no
//! waiting.
//!
//! All are in the namespace `Provisioner`, by `Connection`. What is counted is added up by CloudWatch; a state (the
//! breaker, the number of users who failed) is a value of its moment, so look at its maximum.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

const NAMESPACE: &str = "Provisioner";
const CONNECTION: &str = "Connection";
/// As many values as one line may hold for a metric.
const MOST_VALUES: usize = 90;

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Something that is counted: users, calls or scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Entries in scope that a scan read.
    Scanned,
    /// Of those, new or different.
    Changed,
    /// Accounts made.
    Created,
    /// Accounts updated, linked or reactivated.
    Updated,
    /// Accounts made inactive or deleted.
    Deprovisioned,
    /// Tries to provision somebody that failed.
    Failed,
    /// Answers with which the target asked for fewer calls.
    TargetThrottled,
    /// Wake-ups that were delivered too often.
    DeadLetters,
}

/// A value of its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// How long a scan took.
    ScanDuration,
    /// How long the target took for one call.
    TargetLatency,
    /// How long a wake-up waited in the queue.
    QueueAge,
    /// 1 while nobody is tried at the target, else 0.
    BreakerOpen,
    /// 1 for a scan that did not see everybody, else 0.
    IncompleteReads,
    /// Users whose removal waits for a person.
    Held,
    /// Users for whom an option stops something.
    Skipped,
    /// Users whose name or account another entry has.
    Conflicts,
    /// Users whom the target or the mapping refuses, or who are being tried again.
    UsersFailed,
}

impl Counter {
    const ALL: [Self; 8] = [
        Self::Scanned,
        Self::Changed,
        Self::Created,
        Self::Updated,
        Self::Deprovisioned,
        Self::Failed,
        Self::TargetThrottled,
        Self::DeadLetters,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Scanned => "Scanned",
            Self::Changed => "Changed",
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Deprovisioned => "Deprovisioned",
            Self::Failed => "Failed",
            Self::TargetThrottled => "TargetThrottled",
            Self::DeadLetters => "DeadLetters",
        }
    }
}

impl Gauge {
    const ALL: [Self; 9] = [
        Self::ScanDuration,
        Self::TargetLatency,
        Self::QueueAge,
        Self::BreakerOpen,
        Self::IncompleteReads,
        Self::Held,
        Self::Skipped,
        Self::Conflicts,
        Self::UsersFailed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ScanDuration => "ScanDuration",
            Self::TargetLatency => "TargetLatency",
            Self::QueueAge => "QueueAge",
            Self::BreakerOpen => "BreakerOpen",
            Self::IncompleteReads => "IncompleteReads",
            Self::Held => "Held",
            Self::Skipped => "Skipped",
            Self::Conflicts => "Conflicts",
            Self::UsersFailed => "UsersFailed",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::ScanDuration | Self::TargetLatency => Unit::Milliseconds,
            Self::QueueAge => Unit::Seconds,
            Self::BreakerOpen
            | Self::IncompleteReads
            | Self::Held
            | Self::Skipped
            | Self::Conflicts
            | Self::UsersFailed => Unit::Count,
        }
    }
}

/// Begins to collect. Until then, and in the terminal, nothing is kept.
pub(crate) fn start() {
    let Ok(collector) = Builder::new().cloudwatch_namespace(NAMESPACE).init() else { return };
    let _ = COLLECTOR.set(collector);
    for count in Counter::ALL {
        describe_counter!(count.name(), Unit::Count, "");
    }
    for sample in Gauge::ALL {
        describe_histogram!(sample.name(), sample.unit(), "");
    }
}

/// Counts.
pub fn count(connection: &str, what: Counter, number: u64) {
    counter!(what.name(), CONNECTION => connection.to_owned()).increment(number);
}

/// Notes a value.
#[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number, and these are small")]
pub fn sample(connection: &str, what: Gauge, value: u64) {
    histogram!(what.name(), CONNECTION => connection.to_owned()).record(value as f64);
}

/// Notes how long something took, each time that it was done. Beyond what one line can hold, every second, third … is
/// left out.
pub fn durations(connection: &str, what: Gauge, durations: &[Duration]) {
    let step = durations.len().div_ceil(MOST_VALUES).max(1);
    let histogram = histogram!(what.name(), CONNECTION => connection.to_owned());
    for duration in durations.iter().step_by(step) {
        histogram.record(duration.as_secs_f64() * 1000.0);
    }
}

/// Writes what was collected since the last time.
pub(crate) fn flush() {
    if let Some(collector) = COLLECTOR.get() {
        let _ = collector.flush(std::io::stdout());
    }
}
