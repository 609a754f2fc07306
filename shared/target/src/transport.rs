//! One call over HTTP, repeated where that is allowed.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::Retryable;
use model::AccountId;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use tracing::debug;

use crate::Dialect;
use crate::body::Body;
use crate::errors::TargetError;
use crate::json::Object;
use crate::meaning::{Answered, Asked};
use crate::options::{Credentials, Retry, TargetOptions};
use crate::redact::Redactor;
use crate::retry::Repeatable;

/// Requests without one are refused \[doc\].
const USER_AGENT: &str = concat!("workplace-provisioner/", env!("CARGO_PKG_VERSION"));

/// Far more than a page of accounts has.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// How many calls were made, repeated ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Those that only look.
    pub reads: u64,
    /// Those that ask for a change.
    pub writes: u64,
}

/// What is asked of the target.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Object>,
    /// Values that a complaint about this call must not repeat.
    pub(crate) sent: Vec<&'a str>,
}

/// Why a call failed, with the status for the few who need it.
pub(crate) struct Failure {
    pub(crate) status: Option<u16>,
    pub(crate) error: TargetError,
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self { status: None, error }
    }
}

/// The way to one target.
pub(crate) struct Transport {
    dialect: &'static Dialect,
    client: Client,
    users: Url,
    retry: Retry,
    timeout: Duration,
    token: SecretString,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Transport {
    pub(crate) fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: Credentials,
    ) -> Result<Self, TargetError> {
        let TargetOptions { url, timeout, retry } = options;
        // The proof that would need the app secret is not made yet.
        let Credentials { access_token: token, app_secret: _ } = credentials;
        let users = users(&url)?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer(&token)?);
        headers.insert(ACCEPT, HeaderValue::from_static("application/scim+json, application/json"));
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .timeout(timeout)
            // A redirect could carry the token elsewhere.
            .redirect(redirect::Policy::none())
            // A proxy would be picked up from the environment.
            .no_proxy()
            .build()
            .map_err(|error| TargetError::Unavailable { detail: why(error) })?;
        let (reads, writes) = Default::default();
        Ok(Self { dialect, client, users, retry, timeout, token, reads, writes })
    }

    pub(crate) fn users(&self) -> Url {
        self.users.clone()
    }

    /// The address of one account.
    pub(crate) fn user(&self, id: &AccountId) -> Result<Url, TargetError> {
        let refused =
            || TargetError::Malformed { detail: "an account's id can't stand in an address".to_owned() };
        let mut url = self.users();
        match id.as_str() {
            // As a path these would lead elsewhere, the collection itself included.
            "." | ".." | "" => return Err(refused()),
            id => url.path_segments_mut().map_err(|()| refused())?.push(id),
        };
        Ok(url)
    }

    pub(crate) fn calls(&self) -> Calls {
        Calls { reads: self.reads.load(Ordering::Relaxed), writes: self.writes.load(Ordering::Relaxed) }
    }

    /// Makes a call, again where its failure allows it, and gives the body of a good answer.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Body, Failure> {
        let repeatable = match call.method {
            Method::POST => Repeatable::OnlyIfUndone,
            _ => Repeatable::Yes,
        };
        (|| self.attempt(call))
            .retry(self.retry.backoff())
            .when(|failure: &Failure| repeatable.allows(&failure.error))
            .adjust(|failure: &Failure, backoff| self.retry.pause(&failure.error, backoff))
            .await
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Body, Failure> {
        let Call { method, url, body, sent } = call;
        let counter = if *method == Method::GET { &self.reads } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);

        let mut request = self.client.request(method.clone(), url.clone());
        if let Some(body) = body {
            let json = serde_json::Value::Object(body.clone()).to_string();
            request = request.header(CONTENT_TYPE, "application/scim+json").body(json);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.unanswered(method, error)),
        };
        let status = response.status().as_u16();
        debug!(http.method = %method, http.status = status, "target answered");

        let headers = response.headers().clone();
        let body = match read(response).await {
            Ok(body) => body,
            Err(error) if (200..300).contains(&status) => return Err(self.unanswered(method, error)),
            // The status says enough.
            Err(_) => Body::Other,
        };
        let redactor = Redactor::new(self.token.expose_secret(), sent.iter().copied());
        let asked = if *method == Method::GET { Asked::ToRead } else { Asked::ToWrite };
        let answered = Answered { asked, status, headers: &headers, body: &body };
        match answered.error(self.dialect, &redactor) {
            None => Ok(body),
            Some(error) => Err(Failure { status: Some(status), error }),
        }
    }

    fn unanswered(&self, method: &Method, error: reqwest::Error) -> Failure {
        debug!(http.method = %method, "target did not answer");
        let detail = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else {
            Redactor::new(self.token.expose_secret(), []).clean(&why(error))
        };
        TargetError::Unavailable { detail }.into()
    }
}

/// Reads a body, but not endlessly.
async fn read(mut response: Response) -> Result<Body, reqwest::Error> {
    let content_type = response.headers().get(CONTENT_TYPE).cloned();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > LONGEST_ANSWER {
            return Ok(Body::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
    Ok(Body::read(content_type, &bytes))
}

/// What is at the bottom of an error, without the address: a look-up's address holds a name.
fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut deepest: Option<&dyn Error> = error.source();
    while let Some(cause) = deepest {
        if cause.source().is_none() {
            said = format!("{said}: {cause}");
        }
        deepest = cause.source();
    }
    said
}

/// The address of the accounts under a base that is fit to send a token to.
fn users(base: &str) -> Result<Url, TargetError> {
    let invalid = |reason: &str| TargetError::InvalidUrl { reason: reason.to_owned() };
    let mut url = Url::parse(base.trim()).map_err(|error| invalid(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds a user name or a password; credentials belong in the secret"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it must end with its path, without ? or #"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(TargetError::Insecure { url: base.trim().to_owned() }),
        _ => return Err(invalid("it must begin with https://")),
    }
    url.path_segments_mut().map_err(|()| invalid("it has no host"))?.pop_if_empty().push("Users");
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn bearer(token: &SecretString) -> Result<HeaderValue, TargetError> {
    let token = token.expose_secret().trim();
    let unusable = |detail: &str| TargetError::Unauthorized { detail: detail.to_owned() };
    if token.is_empty() {
        return Err(unusable("it is empty"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| unusable("it has characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let users = |base: &str| users(base).map(|url| url.to_string());
        assert_eq!(users("https://scim.workplace.com").unwrap(), "https://scim.workplace.com/Users");
        assert_eq!(users(" https://x.test/scim/v2/ ").unwrap(), "https://x.test/scim/v2/Users");
        for loopback in ["http://127.0.0.1:80", "http://127.9.9.9", "http://localhost:1", "http://[::1]:8"] {
            assert!(users(loopback).is_ok(), "{loopback}");
        }
        for insecure in [
            "http://scim.workplace.com",
            "http://10.0.0.1",
            "http://localhost.acme.test",
            "HTTP://127.0.0.1.acme.test",
        ] {
            assert!(matches!(users(insecure), Err(TargetError::Insecure { .. })), "{insecure}");
        }
        for invalid in [
            "",
            "scim.workplace.com",
            "ftp://x.test",
            "https://u:p@x.test",
            "https://x.test?a=b",
            "https://x.test/#a",
        ] {
            assert!(matches!(users(invalid), Err(TargetError::InvalidUrl { .. })), "{invalid}");
        }
    }

    #[test]
    fn tokens_are_checked_before_the_first_call() {
        assert!(bearer(&SecretString::from("abc\n")).unwrap().is_sensitive());
        for unusable in ["", " ", "a\nb"] {
            let error = bearer(&SecretString::from(unusable)).unwrap_err();
            assert!(matches!(error, TargetError::Unauthorized { .. }));
        }
    }
}
