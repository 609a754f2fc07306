//! Logs.

use tracing_subscriber::EnvFilter;

use crate::environment::{LOG, variable};

/// What the terminal logs unless somebody asks for more. The local state's engine and the AWS libraries call ordinary
/// things warnings, and what they fail at comes back to us as an error anyway.
const QUIET: &str = "warn,dynoxide=error,aws_config=error,aws_smithy_runtime=error";

/// What a function logs unless somebody asks for more: a line for each scan and each user that was worked on.
const TELLING: &str =
    "info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error,hyper=warn,lambda_runtime=warn";

/// Logs to standard error, warnings and worse unless `PROVISIONER_LOG` says otherwise (`debug`,
/// `directory=trace`). Standard output belongs to the answer.
pub fn start_terminal() {
    // A second start, as in tests, leaves the first one be.
    let _ = tracing_subscriber::fmt().with_env_filter(filter(QUIET)).with_writer(std::io::stderr).try_init();
}

/// Logs JSON to standard output, where CloudWatch takes it: a line an event, with the request's id, the connection and
/// the user in `spans`.
pub fn start_function() {
    let json = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    let _ = json.with_span_list(true).with_env_filter(filter(TELLING)).try_init();
}

fn filter(default: &str) -> EnvFilter {
    let asked = variable(LOG).and_then(|asked| EnvFilter::try_new(asked).ok());
    asked.unwrap_or_else(|| EnvFilter::new(default))
}
