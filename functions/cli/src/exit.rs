//! Exit codes, and errors in words.

use std::process::ExitCode;

/// Exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Could not run, or not to the end.
    CouldNotRun = 1,
    /// Bad usage or configuration.
    BadUsage = 2,
    /// Done, but some users failed.
    SomeFailed = 3,
    /// Something is held and waits for approval.
    Held = 4,
}

/// Result of a run over many users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// Whether the run reached its end with a complete read.
    pub completed: bool,
    /// Users that failed or are not done.
    pub failed: u64,
    /// Users and changes that are held.
    pub held: u64,
}

impl Exit {
    /// The exit code of a run. Failed users count before held ones, because they need an operator first.
    pub fn of_run(result: RunResult) -> Self {
        match result {
            RunResult { completed: false, .. } => Self::CouldNotRun,
            RunResult { failed: 1.., .. } => Self::SomeFailed,
            RunResult { held: 1.., .. } => Self::Held,
            RunResult { completed: true, failed: 0, held: 0 } => Self::Done,
        }
    }

    /// The exit code for an error that ended a command.
    pub fn of_error(error: &anyhow::Error) -> Self {
        let is_usage = error.is::<runtime::ConfigError>() || error.is::<UsageError>();
        if is_usage { Self::BadUsage } else { Self::CouldNotRun }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that can't be run with these arguments.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Whether the reader of the output has closed it.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let errors = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    errors.into_iter().any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The chain of an error in one line, without repetitions.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_run_counts_before_failed_users_and_these_before_held_ones() {
        for (completed, failed, held, exit) in [
            (true, 0, 0, Exit::Done),
            (true, 0, 2, Exit::Held),
            (true, 1, 0, Exit::SomeFailed),
            (true, 1, 2, Exit::SomeFailed),
            (false, 0, 0, Exit::CouldNotRun),
            (false, 1, 2, Exit::CouldNotRun),
        ] {
            let result = RunResult { completed, failed, held };
            assert_eq!(Exit::of_run(result), exit, "{result:?}");
        }
    }
}
