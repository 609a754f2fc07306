//! Logging.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::{LOG, variable};

/// Default levels of the terminal. The embedded engine and the AWS libraries warn about ordinary events, and their
/// failures are returned as errors anyway.
const TERMINAL_LEVELS: &str = "warn,dynoxide=error,aws_config=error,aws_smithy_runtime=error";

/// Default levels of a function: one line for each scan and each provisioned user.
const FUNCTION_LEVELS: &str =
    "info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error,hyper=warn,lambda_runtime=warn";

/// Logs to standard error: warnings and errors, or the levels in `PROVISIONER_LOG` (`debug`, `info,directory=debug`).
/// Standard output is for the result.
pub fn start_terminal() {
    let text = layer().with_writer(std::io::stderr);
    // A second start, as in tests, has no effect.
    let _ = tracing_subscriber::registry().with(levels(TERMINAL_LEVELS)).with(text).try_init();
}

/// Logs JSON to standard output, from where CloudWatch collects it: one line per event, with request id, connection and
/// user in `spans`.
pub fn start_function() {
    let json = layer().json().flatten_event(true).with_current_span(false).with_span_list(true);
    let _ = tracing_subscriber::registry().with(levels(FUNCTION_LEVELS)).with(json).try_init();
}

/// The configured levels, else the default. Regular expressions in levels would add a tenth to a function's size.
fn levels(default: &str) -> Targets {
    let configured = variable(LOG).and_then(|levels| levels.parse().ok());
    configured.or_else(|| default.parse().ok()).unwrap_or_default()
}
