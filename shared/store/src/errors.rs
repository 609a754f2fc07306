//! Errors of the state, by what they mean for the caller.

use std::path::PathBuf;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use model::TargetIdentity;

use crate::keys::ItemKey;

/// Result of reading or writing the state.
pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Failure to read or write the state. The text holds no personal data: keys made of a user name are masked, and a
/// server's message about a value is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The table throttled the request for this action, and all retries too.
    #[error("the state table throttled the request to {0}; try again later")]
    Throttled(&'static str),
    /// The service could not be reached, or failed.
    #[error("the state table could not be reached to {action}: {detail}")]
    Unavailable {
        /// The attempted action.
        action: &'static str,
        /// Cause.
        detail: String,
    },
    /// The credentials don't allow this action.
    #[error("access was denied to {0}; the role needs that right on the state table and its indexes")]
    AccessDenied(&'static str),
    /// There is no table of this name.
    #[error("there is no table '{0}'; deploy it or correct its name")]
    NoTable(String),
    /// The service refused the request: a mistake in this program or in the table's set-up.
    #[error("the request to {action} was refused ({code})")]
    Refused {
        /// The attempted action.
        action: &'static str,
        /// The service's code for the reason.
        code: String,
    },
    /// An item is not what this program writes.
    #[error("the item {key} can't be read: {detail}")]
    Corrupt {
        /// The item.
        key: String,
        /// The attribute, and what is wrong with it.
        detail: String,
    },
    /// The item with this key would be larger than a table can hold.
    #[error(
        "the item {0} would be larger than the 400 KB that an item may have; map fewer or shorter values"
    )]
    TooLarge(String),
    /// The user's lease has ended or was taken by another worker.
    #[error("the lease on this user has ended; another worker may have it")]
    LeaseLost,
    /// An outcome with applied state for a user without a linked account.
    #[error("applied state without a linked account: no account is linked to this user")]
    NotLinked,
    /// The state belongs to another target than the one that is configured.
    #[error(
        "the state of this connection belongs to the target {stored}, and the configuration names {configured}; account \
ids of one target mean nothing at another; give the connection a new 'name', or check both targets and run \
`provisioner reset-target`"
    )]
    OtherTarget {
        /// The target in the state.
        stored: Box<TargetIdentity>,
        /// The target in the configuration.
        configured: Box<TargetIdentity>,
    },
    /// A reset of the target was interrupted, so part of the state may belong to the earlier target.
    #[error("a reset of this connection's target did not finish; run `provisioner reset-target` again")]
    TargetResetUnfinished,
    /// Another process has the state file open.
    #[error(
        "another run is in progress: {holder} has the state file {} open; wait for it to end", path.display()
    )]
    Locked {
        /// The state file.
        path: PathBuf,
        /// The process, if it is known.
        holder: String,
    },
    /// The embedded engine or its file failed.
    #[error("the local state can't be used: {0}")]
    Engine(String),
}

/// Error about a request that this program built without a required part.
pub(crate) fn incomplete<E>(action: &'static str) -> impl Fn(E) -> StoreError {
    move |_| StoreError::Refused { action, code: "incomplete".to_owned() }
}

/// The meaning of an SDK error.
pub(crate) fn classify<E, R>(action: &'static str, table: &str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata,
{
    let unavailable = |detail: &str| StoreError::Unavailable { action, detail: detail.to_owned() };
    match error {
        SdkError::ServiceError(service) => {
            by_code(action, table, service.err().code().unwrap_or("unknown"), service.err().message())
        }
        SdkError::TimeoutError(_) => unavailable("it did not answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unavailable("connecting took too long"),
        SdkError::DispatchFailure(failure) if failure.is_io() => unavailable("the connection failed"),
        SdkError::DispatchFailure(_) => unavailable("no request could be sent; are there credentials?"),
        SdkError::ResponseError(_) => unavailable("it answered with something that is not DynamoDB's"),
        _ => StoreError::Refused { action, code: "not sent".to_owned() },
    }
}

fn by_code(action: &'static str, table: &str, code: &str, message: Option<&str>) -> StoreError {
    match code {
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "TransactionConflictException"
        | "TransactionInProgressException" => StoreError::Throttled(action),
        "ResourceNotFoundException" => StoreError::NoTable(table.to_owned()),
        "AccessDeniedException"
        | "UnrecognizedClientException"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException" => StoreError::AccessDenied(action),
        "InternalServerError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            StoreError::Unavailable { action, detail: format!("it failed inside ({code})") }
        }
        _ if says_too_large(message) => StoreError::TooLarge("that was written".to_owned()),
        _ => StoreError::Refused { action, code: code.to_owned() },
    }
}

/// Whether a refusal is about the size of an item; DynamoDB has no code for it.
pub(crate) fn says_too_large(message: Option<&str>) -> bool {
    message.is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        text.contains("size") && text.contains("exceeded the maximum allowed size")
    })
}

/// Error about an item with other content than this program writes.
pub(crate) fn corrupt(key: &ItemKey, detail: impl Into<String>) -> StoreError {
    StoreError::Corrupt { key: key.to_string(), detail: detail.into() }
}
