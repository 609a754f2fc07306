//! Errors of a call, by what they mean for the caller.

use std::time::Duration;

/// Reason why a call failed. It holds no secret and no personal data: details are cut short, and names, e-mail
/// addresses, sent values and tokens are removed from them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The target throttles calls.
    #[error("target throttles calls (rate limited){}", retry_hint(retry_after))]
    RateLimited {
        /// Time to wait before the next call, if the target gives one.
        retry_after: Option<Duration>,
    },
    /// The target can't be reached or has an internal error. It may have executed the request.
    #[error("target not available: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// Another account has a value that must be unique.
    #[error("another account at the target has this user name or external id: {detail}")]
    Conflict {
        /// Explanation from the target.
        detail: String,
    },
    /// The account does not exist.
    #[error("account not found at the target")]
    NotFound,
    /// The access token is invalid or lacks a permission. Every user is affected alike.
    #[error("target does not accept the access token; create a new one or extend its permissions: {detail}")]
    Unauthorized {
        /// Explanation from the target.
        detail: String,
    },
    /// The target refuses the request for this user.
    #[error("target rejects {}: {detail}", attribute.as_deref().unwrap_or("the request"))]
    Rejected {
        /// Attribute that the target objects to, if it names one.
        attribute: Option<String>,
        /// Explanation from the target.
        detail: String,
    },
    /// The target does not support this kind of request. Another kind may have the same effect.
    #[error("target does not support the request: {detail}")]
    Unsupported {
        /// Explanation from the target.
        detail: String,
    },
    /// The target reports success, and the account is not as it was to become.
    #[error("target reports success without making the change: {detail}")]
    NotApplied {
        /// What the account shows.
        detail: String,
    },
    /// The account is not the one that was asked for. It is neither linked nor changed; a person decides.
    #[error("another account than the asked-for one; it is not linked: {detail}")]
    OtherAccount {
        /// The account, and how it was found.
        detail: String,
    },
    /// The response is not one of a SCIM server. The target may have executed the request. Policy treats it like
    /// [`Unavailable`](Self::Unavailable), but it more often needs a person.
    #[error("target's response is not valid SCIM; check target.url: {detail}")]
    Malformed {
        /// What is wrong with the response.
        detail: String,
    },
    /// The access token would be sent without encryption.
    #[error(
        "target URL {url} is not encrypted; use https (plain http is allowed for loopback addresses only)"
    )]
    Insecure {
        /// The URL.
        url: String,
    },
    /// The URL can't be used.
    #[error("target URL can't be used: {reason}")]
    InvalidUrl {
        /// Why.
        reason: String,
    },
}

fn retry_hint(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!("; retry in {} s", wait.as_secs())).unwrap_or_default()
}

impl TargetError {
    /// Whether the target answered this one request with a refusal. The same request would be refused again.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::Rejected { .. }
            | Self::Unsupported { .. }
            | Self::NotApplied { .. } => true,
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::NotFound
            | Self::Unauthorized { .. }
            | Self::OtherAccount { .. }
            | Self::Malformed { .. }
            | Self::Insecure { .. }
            | Self::InvalidUrl { .. } => false,
        }
    }

    /// Replaces the explanation of a refusal.
    pub(crate) fn explained(self, explain: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Conflict { detail } => Self::Conflict { detail: explain(&detail) },
            Self::Rejected { attribute, detail } => Self::Rejected { attribute, detail: explain(&detail) },
            Self::Unsupported { detail } => Self::Unsupported { detail: explain(&detail) },
            other => other,
        }
    }
}
