//! The process's surroundings. Nothing else reads the environment or the clock.

use model::UnixSeconds;

/// An environment variable, if it is set to text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> UnixSeconds {
    UnixSeconds(jiff::Timestamp::now().as_second())
}
