//! Failures of an invocation, and their error kinds.

use runtime::{DirectoryOpenError, FunctionError};
use scan::ScanError;

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanFailure {
    /// The approval of the event is not possible.
    #[error("nothing was approved and no scan was run: {0}")]
    NotApproved(&'static str),
    /// The scan failed.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The directory can't be opened.
    #[error("can't use the directory: {0}")]
    Open(#[from] DirectoryOpenError),
    /// The provision function failed or could not be invoked.
    #[error(
        "the function {function} did not provision and explain the user ({detail}); check its log, and that the scan function may \
invoke it (lambda:InvokeFunction); a written record stays pending until the next scan sends a provision request"
    )]
    NotProvisioned {
        /// The function's name.
        function: String,
        /// The error of the function or of the invocation.
        detail: String,
    },
    /// The scan makes no progress.
    #[error(
        "the scan ran out of time after {read} entries without writing anything, so another invocation would get no further; \
give the function more time or memory, or split the connection"
    )]
    TooSlow {
        /// Entries read.
        read: u64,
    },
    /// The function could not be invoked for the rest of the scan.
    #[error(
        "the scan ran out of time and could not continue in another invocation ({code}): the function needs lambda:InvokeFunction on {function}; \
the next scan continues"
    )]
    NotContinued {
        /// The function's name.
        function: String,
        /// Error code of the invocation.
        code: String,
    },
}

impl From<ScanFailure> for FunctionError {
    fn from(failure: ScanFailure) -> Self {
        let kind = match &failure {
            ScanFailure::Open(_) | ScanFailure::Scan(ScanError::Directory(_)) => "DirectoryUnavailable",
            ScanFailure::Scan(ScanError::Store(_)) => "StateUnavailable",
            ScanFailure::Scan(ScanError::Queue(_)) => "QueueUnavailable",
            ScanFailure::Scan(ScanError::Busy { .. } | ScanError::LeaseLost) => "Overtaken",
            ScanFailure::NotProvisioned { .. } => "ProvisionUnavailable",
            ScanFailure::NotApproved(_) => "NotApproved",
            ScanFailure::TooSlow { .. } | ScanFailure::NotContinued { .. } => "OutOfTime",
        };
        Self::new(kind, &failure)
    }
}
