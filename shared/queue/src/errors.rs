//! Errors of the queue, by what they mean for the caller.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// Failure to use the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("there is no queue {url}; deploy it or correct its URL")]
    NoQueue {
        /// The queue's URL.
        url: String,
    },
    /// The credentials don't allow it.
    #[error("access to the queue was denied; the role needs the right {action}")]
    AccessDenied {
        /// Missing IAM permission, as a policy names it.
        action: &'static str,
    },
    /// The queue throttled the request, and all retries too.
    #[error("the queue throttled the requests; try again later")]
    Throttled,
    /// The service could not be reached, or failed.
    #[error("the queue could not be reached for {action}: {detail}")]
    Unavailable {
        /// The attempted action.
        action: &'static str,
        /// Cause.
        detail: String,
    },
    /// The service refused the request: a mistake in this program or in the set-up of the queue.
    #[error("the queue refused {action} ({code})")]
    Refused {
        /// The attempted action.
        action: &'static str,
        /// The service's code for the reason.
        code: String,
    },
}

/// The meaning of an SDK error.
pub(crate) fn classify<E>(action: &'static str, url: &str, error: &SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata,
{
    let unavailable = |detail: &str| QueueError::Unavailable { action, detail: detail.to_owned() };
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => by_code(action, url, code),
            // A gateway in front of the service fails without a code.
            None => {
                let status = service.raw().status().as_u16();
                if status >= 500 {
                    unavailable(&format!("it answered with status {status}"))
                } else {
                    QueueError::Refused { action, code: format!("status {status}") }
                }
            }
        },
        SdkError::TimeoutError(_) => unavailable("it did not answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => unavailable("connecting took too long"),
        SdkError::DispatchFailure(failure) if failure.is_io() => unavailable("the connection failed"),
        SdkError::DispatchFailure(_) => unavailable("no request could be sent; are there credentials?"),
        SdkError::ResponseError(_) => unavailable("it answered with something that is not SQS's"),
        _ => QueueError::Refused { action, code: "not sent".to_owned() },
    }
}

/// The meaning of a code, for a whole request or one message of it. SQS gives some codes in the spelling of its older
/// protocol, so both are here.
pub(crate) fn by_code(action: &'static str, url: &str, code: &str) -> QueueError {
    match code {
        "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" => {
            QueueError::NoQueue { url: url.to_owned() }
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => QueueError::AccessDenied { action },
        // An encrypted queue needs a permission on its key too.
        "KMS.AccessDeniedException" | "KmsAccessDenied" => {
            QueueError::AccessDenied { action: "kms:GenerateDataKey on the queue's key" }
        }
        "KMS.ThrottlingException"
        | "KmsThrottled"
        | "OverLimit"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "Throttling"
        | "ThrottlingException" => QueueError::Throttled,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => {
            QueueError::Unavailable { action, detail: format!("it failed inside ({code})") }
        }
        _ => QueueError::Refused { action, code: code.to_owned() },
    }
}
