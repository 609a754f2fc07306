//! Logging.

use std::fmt;
use std::io::IsTerminal as _;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::{LOG, variable};

/// Default levels of the terminal. The embedded engine and the AWS libraries warn about ordinary events, and their
/// failures are returned as errors anyway.
const TERMINAL_LEVELS: &str = "warn,dynoxide=error,aws_config=error,aws_smithy_runtime=error";

/// Default levels of a function: one line for each scan and each provisioned user.
const FUNCTION_LEVELS: &str =
    "info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error,hyper=warn,lambda_runtime=warn";

/// Crates of this project, and the targets of their operations (`ldap`, `scim`).
const OWN_TARGETS: [&str; 11] = [
    "directory",
    "explain",
    "ldap",
    "operate",
    "plan",
    "provision",
    "queue",
    "runtime",
    "scan",
    "scim",
    "store",
];

/// Logs to standard error; standard output is for the result. Warnings and errors are logged, each LDAP and SCIM operation with
/// a verbosity of 1, and everything from this project with 2. `PROVISIONER_LOG` sets levels too (`debug`,
/// `info,directory=debug`); a library is logged only if it is named there.
pub fn start_terminal(verbosity: u8) {
    let configured = variable(LOG);
    let levels = terminal_levels(verbosity, configured.as_deref());
    let is_detailed = verbosity > 1 || configured.is_some();
    let text = layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let text = if is_detailed { text.boxed() } else { text.event_format(PlainLine).boxed() };
    // A second start, as in tests, has no effect.
    let _ = tracing_subscriber::registry().with(levels).with(text).try_init();
}

fn terminal_levels(verbosity: u8, configured: Option<&str>) -> Targets {
    let own = |level: &str| OWN_TARGETS.map(|target| format!("{target}={level}")).join(",");
    let mut levels = TERMINAL_LEVELS.to_owned();
    let verbose = match verbosity {
        0 => None,
        1 => Some("ldap=debug,scim=debug".to_owned()),
        _ => Some(own("debug")),
    };
    let configured = configured.unwrap_or_default().split(',').filter(|part| !part.is_empty());
    // A level without a target is meant for this project, not for the embedded engine and the libraries.
    let configured = configured.map(|part| if part.contains('=') { part.to_owned() } else { own(part) });
    for part in verbose.into_iter().chain(configured) {
        levels = format!("{levels},{part}");
    }
    levels.parse().or_else(|_| TERMINAL_LEVELS.parse()).unwrap_or_default()
}

/// A log line for people: the message, and `warning:` or `error:` before it.
struct PlainLine;

impl<S, N> FormatEvent<S, N> for PlainLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match *event.metadata().level() {
            Level::ERROR => writer.write_str("error: ")?,
            Level::WARN => writer.write_str("warning: ")?,
            _ => {}
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_logged_only_by_name() {
        let logs = |verbosity, configured, target| {
            terminal_levels(verbosity, configured).would_enable(target, &Level::DEBUG)
        };
        for (verbosity, configured, target, expected) in [
            (0, None, "ldap", false),
            (1, None, "ldap", true),
            (1, None, "directory::read", false),
            (2, None, "directory::read", true),
            (2, None, "dynoxide::server", false),
            (2, None, "hyper_util::client", false),
            (0, Some("debug"), "scim", true),
            (0, Some("debug"), "dynoxide::server", false),
            (0, Some("info,directory=debug"), "directory::read", true),
            (0, Some("info,directory=debug"), "scan", false),
            (0, Some("dynoxide=debug"), "dynoxide::server", true),
            (1, Some("nonsense=maybe"), "ldap", false),
        ] {
            assert_eq!(logs(verbosity, configured, target), expected, "{verbosity} {configured:?} {target}");
        }
    }
}
