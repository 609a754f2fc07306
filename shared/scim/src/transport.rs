//! One call over HTTP, repeated where that is allowed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::Retryable;
use model::UnixSeconds;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

use crate::Dialect;
use crate::access::{AccessToken, AccessTokens};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::meaning::{RequestKind, TargetResponse};
use crate::options::{RetryPolicy, TargetCredentials, TargetOptions};
use crate::pace::{self, Pacer};
use crate::proof::AppSecretProof;
use crate::redact::Redactor;
use crate::retry::RepeatPolicy;
use crate::tally::CallMetrics;

/// Requests without one are refused \[doc\].
const USER_AGENT: &str = concat!("workplace-provisioner/", env!("CARGO_PKG_VERSION"));

/// Far more than a page of accounts has.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// What is asked of the target.
pub(crate) struct TargetCall<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<JsonObject>,
    /// Values that a complaint about this call must not repeat.
    pub(crate) sent: Vec<&'a str>,
}

/// Why a call failed, with the status for the few who need it.
pub(crate) struct CallFailure {
    pub(crate) status: Option<u16>,
    pub(crate) error: TargetError,
}

impl From<CallFailure> for TargetError {
    fn from(failure: CallFailure) -> Self {
        failure.error
    }
}

impl From<TargetError> for CallFailure {
    fn from(error: TargetError) -> Self {
        Self { status: None, error }
    }
}

/// The way to one target.
pub(crate) struct Transport {
    dialect: &'static Dialect,
    client: Client,
    base: Url,
    retry: RetryPolicy,
    timeout: Duration,
    /// A place for each call that may be under way.
    places: Arc<Semaphore>,
    now: fn() -> UnixSeconds,
    pub(crate) access: AccessTokens,
    pub(crate) pacer: Option<Arc<Pacer>>,
    pub(crate) tally: Arc<CallMetrics>,
}

impl Transport {
    pub(crate) fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: TargetCredentials,
    ) -> Result<Self, TargetError> {
        let TargetOptions { url, timeout, retry, max_concurrent_calls, now } = options;
        let base = base(&url)?;
        let access = AccessTokens::new(&credentials)?;
        let mut headers = HeaderMap::new();
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
        let places = Arc::new(Semaphore::new(max_concurrent_calls.max(1)));
        let (pacer, tally) = (None, Arc::default());
        Ok(Self { dialect, client, base, retry, timeout, places, now, access, pacer, tally })
    }

    /// The address of something under the base.
    pub(crate) fn under<S: AsRef<str>>(&self, way: &[S]) -> Url {
        under(&self.base, way)
    }

    /// Makes a call, again where its failure allows it, and gives the body of a good answer.
    ///
    /// A token that is refused may have been replaced meanwhile. Then the call is made once more with the new one, a
    /// creation too: who is not let in has done nothing.
    pub(crate) async fn call(&self, call: &TargetCall<'_>) -> Result<ResponseBody, CallFailure> {
        let token = self.access.current();
        let refused = match self.call_with(&token, call).await {
            Err(failure) if matches!(failure.error, TargetError::Unauthorized { .. }) => failure,
            answer => return answer,
        };
        match self.access.instead_of(&token).await {
            Some(token) => self.call_with(&token, call).await,
            None => Err(refused),
        }
    }

    async fn call_with(
        &self,
        token: &AccessToken,
        call: &TargetCall<'_>,
    ) -> Result<ResponseBody, CallFailure> {
        let repeatable = match call.method {
            Method::POST => RepeatPolicy::OnlyIfUndone,
            _ => RepeatPolicy::Yes,
        };
        (|| self.attempt(token, call))
            .retry(self.retry.backoff())
            .when(|failure: &CallFailure| repeatable.allows(&failure.error))
            .adjust(|failure: &CallFailure, backoff| self.retry.pause(&failure.error, backoff))
            .await
    }

    async fn attempt(&self, token: &AccessToken, call: &TargetCall<'_>) -> Result<ResponseBody, CallFailure> {
        let asked = if call.method == Method::GET { RequestKind::Read } else { RequestKind::AttributeWrite };
        let TargetCall { method, url, body, .. } = call;
        let proof = token.proof((self.now)());
        let url = proof.as_ref().map_or_else(|| url.clone(), |proof| proof.added_to(url));
        let mut request = self.client.request(method.clone(), url).header(AUTHORIZATION, token.header());
        if let Some(body) = body {
            let json = serde_json::Value::Object(body.clone()).to_string();
            request = request.header(CONTENT_TYPE, "application/scim+json").body(json);
        }
        let (took, heard) = self.exchange(request, asked).await;
        let answer = match heard {
            Ok(heard) => self.understand(call, asked, proof.as_ref(), heard).await,
            Err(error) => Err(self.unanswered(method, proof.as_ref(), error)),
        };
        let error = answer.as_ref().err().map(|failure| &failure.error);
        self.tally.ended(took, error);
        if let (Some(pacer), Some(TargetError::RateLimited { retry_after })) = (&self.pacer, error) {
            pacer.slow_down(*retry_after);
        }
        answer
    }

    /// Sends a request as soon as it may be sent, and reads the answer. How long that took says how long the target took.
    ///
    /// It is a task of its own, so that a call's place passes to the next as soon as the answer has come, and not when whoever waits
    /// for it gets round to it. Who does not wait any more ends the task.
    async fn exchange(
        &self,
        request: RequestBuilder,
        asked: RequestKind,
    ) -> (Duration, Result<RawResponse, reqwest::Error>) {
        let (places, pacer, tally) = (Arc::clone(&self.places), self.pacer.clone(), Arc::clone(&self.tally));
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Nobody closes it, so there is always a place some time.
            let _place = places.acquire().await;
            if let Some(pacer) = pacer {
                pacer.wait().await;
            }
            tally.begun(asked);
            let started = Instant::now();
            let heard = hear(request).await;
            (started.elapsed(), heard)
        });
        match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(ended)) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is about to end, and whoever waits here with it.
            _ => std::future::pending().await,
        }
    }

    /// What an answer means.
    async fn understand(
        &self,
        TargetCall { method, sent, .. }: &TargetCall<'_>,
        asked: RequestKind,
        proof: Option<&AppSecretProof>,
        RawResponse { status, headers, body }: RawResponse,
    ) -> Result<ResponseBody, CallFailure> {
        debug!(http.method = %method, http.status = status, "target answered");
        if let Some(pacer) = &self.pacer
            && pace::is_usage_high(&headers)
        {
            pacer.slow_down(None);
        }
        let body = match body {
            Ok(body) => body,
            Err(error) if (200..300).contains(&status) => {
                return Err(self.unanswered(method, proof, error));
            }
            // The status says enough.
            Err(_) => ResponseBody::Other,
        };
        let tokens = self.access.known();
        let redactor = Redactor::new(secrets(&tokens, proof), sent.iter().copied());
        let answered = TargetResponse { asked, status, headers: &headers, body: &body };
        match answered.error(self.dialect, &redactor) {
            None => Ok(body),
            Some(error) => Err(CallFailure { status: Some(status), error }),
        }
    }

    fn unanswered(
        &self,
        method: &Method,
        proof: Option<&AppSecretProof>,
        error: reqwest::Error,
    ) -> CallFailure {
        debug!(http.method = %method, "target did not answer");
        let detail = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else {
            let tokens = self.access.known();
            Redactor::new(secrets(&tokens, proof), []).clean(&why(error))
        };
        TargetError::Unavailable { detail }.into()
    }
}

/// What no text may repeat: all that is known of the credentials, and the proof that was made of them for this attempt.
fn secrets<'a>(
    tokens: &'a [Arc<AccessToken>],
    proof: Option<&'a AppSecretProof>,
) -> impl Iterator<Item = &'a str> {
    tokens.iter().flat_map(|token| token.secrets()).chain(proof.map(AppSecretProof::expose))
}

/// An answer, as far as it came.
struct RawResponse {
    status: u16,
    headers: HeaderMap,
    body: Result<ResponseBody, reqwest::Error>,
}

async fn hear(request: RequestBuilder) -> Result<RawResponse, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(RawResponse { status, headers, body: read(response).await })
}

/// Reads a body, but not endlessly.
async fn read(mut response: Response) -> Result<ResponseBody, reqwest::Error> {
    let content_type = response.headers().get(CONTENT_TYPE).cloned();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > LONGEST_ANSWER {
            return Ok(ResponseBody::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
    Ok(ResponseBody::read(content_type, &bytes))
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

/// The address of something under a base, which has been found to have a path.
fn under<S: AsRef<str>>(base: &Url, way: &[S]) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(way);
    }
    url
}

/// A base that is fit to send a token to.
fn base(base: &str) -> Result<Url, TargetError> {
    let invalid = |reason: &str| TargetError::InvalidUrl { reason: reason.to_owned() };
    let url = Url::parse(base.trim()).map_err(|error| invalid(&error.to_string()))?;
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
    if url.cannot_be_a_base() {
        return Err(invalid("it has no host"));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let users = |text: &str| base(text).map(|url| under(&url, &["Users"]).to_string());
        assert_eq!(users("https://scim.workplace.com").unwrap(), "https://scim.workplace.com/Users");
        assert_eq!(users(" https://x.test/scim/v2/ ").unwrap(), "https://x.test/scim/v2/Users");
        assert_eq!(users("https://xn--bcher-kva.test/x").unwrap(), "https://xn--bcher-kva.test/x/Users");
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
            "https://bücher.test",
        ] {
            assert!(matches!(users(invalid), Err(TargetError::InvalidUrl { .. })), "{invalid}");
        }
    }
}
