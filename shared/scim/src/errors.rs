//! What went wrong, by what it means for the caller.

use std::time::Duration;

/// Why a call did not do what it should. Nothing in here is secret or personal: details are cut short, and names,
/// e-mail addresses, sent values and the token are taken out of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The target wants fewer calls.
    #[error("the target asks for fewer calls{}", wait(retry_after))]
    RateLimited {
        /// How long it wants to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
    /// The target can't be reached, or has a fault of its own; it may have done what it was asked.
    #[error("the target is not available: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// Another account has what only one may have.
    #[error("the target has another account with this name or id: {detail}")]
    Conflict {
        /// What the target says.
        detail: String,
    },
    /// There is no such account.
    #[error("the target has no such account")]
    NotFound,
    /// The token is no longer good, or doesn't allow this. It concerns every user alike.
    #[error(
        "the target does not accept the access token; make a new one or extend its permissions: {detail}"
    )]
    Unauthorized {
        /// What the target says.
        detail: String,
    },
    /// The target will not do this for this user.
    #[error("the target refuses{}: {detail}", what(attribute))]
    Rejected {
        /// The attribute that it objects to, where that can be told.
        attribute: Option<String>,
        /// What the target says.
        detail: String,
    },
    /// The answer is not what a SCIM server gives. The target may have done what it was asked; for policy this is
    /// like [`Unavailable`](Self::Unavailable), but it is more likely to need a person.
    #[error("the target's answer can't be understood, check its URL: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The token would go over the network in the clear.
    #[error("{url} is not encrypted; give an https address (plain http is for loopback only)")]
    Insecure {
        /// The address.
        url: String,
    },
    /// The address can't be used.
    #[error("the target's URL can't be used: {reason}")]
    InvalidUrl {
        /// Why.
        reason: String,
    },
}

fn wait(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!(", again in {} s", wait.as_secs())).unwrap_or_default()
}

fn what(attribute: &Option<String>) -> String {
    attribute.as_ref().map(|attribute| format!(" {attribute}")).unwrap_or_default()
}
