//! Metrics as log lines in CloudWatch's embedded metric format, which need no request and no permission.
//!
//! All metrics are in the namespace `Provisioner`, with the dimensions `Deployment` and `Connection`. Counters are summed by CloudWatch.
//! Gauges (the circuit breaker, the number of failed users) are values of a moment; use their maximum.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::environment::{self, variable};

const NAMESPACE: &str = "Provisioner";
const DEPLOYMENT: &str = "Deployment";
const CONNECTION: &str = "Connection";
/// Most values of a metric in one line.
const MAX_VALUES: usize = 90;

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Declares metrics; the name of each variant is the name of the metric.
macro_rules! metrics {
    ($(#[$doc:meta])* $kind:ident { $($(#[$what:meta])* $metric:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$what])* $metric,)*
        }

        impl $kind {
            const ALL: &[Self] = &[$(Self::$metric),*];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$metric => stringify!($metric),)*
                }
            }
        }
    };
}

metrics! {
    /// A metric that counts events.
    Counter {
        /// Entries in scope that a scan read.
        Scanned,
        /// Entries of a scan that were new or different.
        Changed,
        /// Accounts created.
        Created,
        /// Accounts updated, linked or reactivated.
        Updated,
        /// Accounts deactivated or deleted.
        Deprovisioned,
        /// Failed attempts to provision a user.
        Failed,
        /// Responses 429 of the target.
        TargetThrottled,
        /// Provision requests in the dead-letter queue.
        DeadLetters,
    }
}

metrics! {
    /// A metric with a value of a moment.
    Gauge {
        /// Duration of a scan.
        ScanDuration,
        /// Duration of one request to the target.
        TargetLatency,
        /// Time that a provision request waited in the queue.
        QueueAge,
        /// 1 while the circuit breaker is open, else 0.
        BreakerOpen,
        /// 1 for a scan with an incomplete read, else 0.
        IncompleteReads,
        /// Users with a held removal.
        Held,
        /// Users with an action that an option skips.
        Skipped,
        /// Users in conflict over a user name or an account.
        Conflicts,
        /// Users that are failed, invalid or retrying.
        UsersFailed,
    }
}

impl Gauge {
    fn unit(self) -> Unit {
        match self {
            Self::ScanDuration | Self::TargetLatency => Unit::Milliseconds,
            Self::QueueAge => Unit::Seconds,
            _ => Unit::Count,
        }
    }
}

/// Starts the collection. Before that, and in the terminal, metrics are dropped.
pub(crate) fn start() {
    let builder = Builder::new().cloudwatch_namespace(NAMESPACE);
    // Two deployments may have connections of one name.
    let deployment = variable(environment::DEPLOYMENT).unwrap_or_else(|| "provisioner".to_owned());
    let Ok(collector) = builder.with_dimension(DEPLOYMENT, deployment).init() else { return };
    let _ = COLLECTOR.set(collector);
    for count in Counter::ALL {
        describe_counter!(count.name(), Unit::Count, "");
    }
    for sample in Gauge::ALL {
        describe_histogram!(sample.name(), sample.unit(), "");
    }
}

/// Adds to a counter.
pub fn count(connection: &str, what: Counter, number: u64) {
    counter!(what.name(), CONNECTION => connection.to_owned()).increment(number);
}

/// Records a value.
#[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number, and these are small")]
pub fn sample(connection: &str, what: Gauge, value: u64) {
    histogram!(what.name(), CONNECTION => connection.to_owned()).record(value as f64);
}

/// Records durations. Where one line can't hold all of them, it holds every second, third … one.
pub fn durations(connection: &str, what: Gauge, durations: &[Duration]) {
    let step = durations.len().div_ceil(MAX_VALUES).max(1);
    let histogram = histogram!(what.name(), CONNECTION => connection.to_owned());
    for duration in durations.iter().step_by(step) {
        histogram.record(duration.as_secs_f64() * 1000.0);
    }
}

/// Writes the metrics since the last flush.
pub(crate) fn flush() {
    if let Some(collector) = COLLECTOR.get() {
        let _ = collector.flush(std::io::stdout());
    }
}
