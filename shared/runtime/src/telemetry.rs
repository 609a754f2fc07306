//! Logs.

use tracing_subscriber::EnvFilter;

/// What is logged unless somebody asks for more. The local state's engine and the AWS libraries call ordinary things
/// warnings, and what they fail at comes back to us as an error anyway.
const QUIET: &str = "warn,dynoxide=error,aws_config=error,aws_smithy_runtime=error";

/// Logs to standard error, warnings and worse unless `PROVISIONER_LOG` says otherwise (`debug`,
/// `directory=trace`). Standard output belongs to the answer.
pub fn start_terminal() {
    let filter = crate::environment::variable("PROVISIONER_LOG").unwrap_or_else(|| QUIET.into());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(QUIET));
    // A second start, as in tests, leaves the first one be.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
