//! Logs.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::{LOG, variable};

/// What the terminal logs unless somebody asks for more. The local state's engine and the AWS libraries call ordinary
/// things warnings, and what they fail at comes back to us as an error anyway.
const QUIET: &str = "warn,dynoxide=error,aws_config=error,aws_smithy_runtime=error";

/// What a function logs unless somebody asks for more: a line for each scan and each user that was worked on.
const TELLING: &str =
    "info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error,hyper=warn,lambda_runtime=warn";

/// Logs to standard error, warnings and worse unless `PROVISIONER_LOG` says otherwise (`debug`,
/// `info,directory=debug`). Standard output belongs to the answer.
pub fn start_terminal() {
    let text = layer().with_writer(std::io::stderr);
    // A second start, as in tests, leaves the first one be.
    let _ = tracing_subscriber::registry().with(levels(QUIET)).with(text).try_init();
}

/// Logs JSON to standard output, where CloudWatch takes it: a line an event, with the request's id, the connection and
/// the user in `spans`.
pub fn start_function() {
    let json = layer().json().flatten_event(true).with_current_span(false).with_span_list(true);
    let _ = tracing_subscriber::registry().with(levels(TELLING)).with(json).try_init();
}

/// What was asked for, else the default. Levels by part of the program need no regular expressions, which would be a
/// tenth of a function's size.
fn levels(default: &str) -> Targets {
    let asked = variable(LOG).and_then(|asked| asked.parse().ok());
    asked.or_else(|| default.parse().ok()).unwrap_or_default()
}
