//! Exit codes and last words.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Could not run, or not to the end.
    CouldNotRun,
    /// The configuration can't be used.
    BadConfiguration,
    /// Done, but some users failed.
    SomeFailed,
    /// Removals are held.
    Held,
}

impl Exit {
    /// The exit code for an error that ended a command.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<runtime::ConfigError>() || error.is::<UsageError>() {
            Self::BadConfiguration
        } else {
            Self::CouldNotRun
        }
    }
}

/// What was asked for can't be done like this.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::CouldNotRun => 1,
            Exit::BadConfiguration => 2,
            Exit::SomeFailed => 3,
            Exit::Held => 4,
        })
    }
}

/// The whole chain of an error in one line, without saying anything twice.
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}
