//! Failures while one user is provisioned.

use scim::TargetError;
use store::StoreError;

/// A failure of the state or of the target.
#[derive(Debug)]
pub(crate) enum ExecutionError {
    /// The state can't be read or written.
    Store(StoreError),
    /// The target refused the request or could not be reached.
    Target(TargetError),
}

impl From<StoreError> for ExecutionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TargetError> for ExecutionError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}
