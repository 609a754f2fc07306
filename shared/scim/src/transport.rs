//! Sends one call over HTTP, with retries where they are allowed.

use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::Retryable;
use flate2::read::GzDecoder;
use model::{UnixSeconds, system_reason};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url, redirect};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{Level, debug, enabled};

use crate::access::{AccessToken, AccessTokens};
use crate::base_url::{is_loopback, parse_base, url_under, without_values};
use crate::body::ResponseBody;
use crate::errors::TargetError;
use crate::json::JsonObject;
use crate::meaning::{RequestKind, TargetResponse};
use crate::metrics::CallMetrics;
use crate::options::{RetryPolicy, TargetCredentials, TargetOptions};
use crate::pace::{self, Pacers};
use crate::proof::AppSecretProof;
use crate::redact::Redactor;
use crate::retry::RepeatPolicy;
use dialect::Dialect;

/// Requests without a user agent are refused \[doc\].
const USER_AGENT: &str = concat!("workplace-provisioner/", env!("CARGO_PKG_VERSION"));

/// Longest wait for the answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest response that is read, in bytes; a page of accounts is far smaller.
const MAX_RESPONSE: usize = 8 * 1024 * 1024;

/// Request to the target.
pub(crate) struct TargetCall<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<JsonObject>,
    /// Values that are redacted from the target's error text.
    pub(crate) sent: Vec<&'a str>,
    pub(crate) attempts: CallAttempts,
}

/// Attempts of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallAttempts {
    /// As the client's policy says.
    ByPolicy,
    /// One: the answer shows whether the target serves requests now.
    One,
}

impl<'a> TargetCall<'a> {
    /// Request without a body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, body: None, sent: Vec::new(), attempts: CallAttempts::ByPolicy }
    }

    pub(crate) fn with_body(self, body: JsonObject) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn once(self) -> Self {
        Self { attempts: CallAttempts::One, ..self }
    }

    pub(crate) fn redacting(self, sent: Vec<&'a str>) -> Self {
        Self { sent, ..self }
    }

    fn kind(&self) -> RequestKind {
        if self.method == Method::GET { RequestKind::Read } else { RequestKind::Write }
    }
}

/// Error of a call, with the HTTP status if there was a response.
pub(crate) struct CallFailure {
    pub(crate) status: Option<u16>,
    pub(crate) error: TargetError,
    pub(crate) cause: FailureCause,
}

/// Cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureCause {
    /// The target answered, or the connection failed.
    Answer,
    /// No answer came in time. A repeat would hang as long again.
    Timeout,
}

impl From<CallFailure> for TargetError {
    fn from(failure: CallFailure) -> Self {
        failure.error
    }
}

impl From<TargetError> for CallFailure {
    fn from(error: TargetError) -> Self {
        Self { status: None, error, cause: FailureCause::Answer }
    }
}

/// HTTP client for one target.
pub(crate) struct Transport {
    dialect: &'static Dialect,
    client: Client,
    base: Url,
    retry: RetryPolicy,
    timeout: Duration,
    /// One permit per call that may be under way.
    permits: Arc<Semaphore>,
    now: fn() -> UnixSeconds,
    pub(crate) access: AccessTokens,
    pub(crate) pacers: Pacers,
    pub(crate) metrics: Arc<CallMetrics>,
}

impl Transport {
    pub(crate) fn new(
        dialect: &'static Dialect,
        options: TargetOptions,
        credentials: TargetCredentials,
    ) -> Result<Self, TargetError> {
        let TargetOptions { url, timeout, retry, max_concurrent_calls, now } = options;
        let base = parse_base(&url)?;
        let access = AccessTokens::new(&credentials)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/scim+json, application/json"));
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .timeout(timeout)
            // A redirect could send the token to another host.
            .redirect(redirect::Policy::none());
        // A proxy of the environment (HTTPS_PROXY, NO_PROXY) can't reach this machine's loopback.
        let client = if is_loopback(&base) { client.no_proxy() } else { client };
        let client =
            client.build().map_err(|error| TargetError::Unavailable { detail: root_cause(error) })?;
        let permits = Arc::new(Semaphore::new(max_concurrent_calls.max(1)));
        let (pacers, metrics) = (Pacers::default(), Arc::default());
        Ok(Self { dialect, client, base, retry, timeout, permits, now, access, pacers, metrics })
    }

    /// Longest time of one call, with its repeats.
    pub(crate) fn longest_call(&self) -> Duration {
        self.timeout.saturating_mul(self.retry.attempts.max(1))
    }

    /// Pauses between repeated reads of one account.
    pub(crate) fn retries(&self) -> backon::ExponentialBuilder {
        self.retry.backoff()
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// URL of a path below the base URL.
    pub(crate) fn url<S: AsRef<str>>(&self, segments: &[S]) -> Url {
        url_under(&self.base, segments)
    }

    /// Makes a call, with retries where its failure allows them, and returns the body of a successful response.
    ///
    /// After a refused token the call is made once more with a renewed token, a creation too: an unauthorized request
    /// is not executed.
    pub(crate) async fn call(&self, call: &TargetCall<'_>) -> Result<ResponseBody, CallFailure> {
        let token = self.access.current();
        let refused = match self.call_with(&token, call).await {
            Err(failure) if matches!(failure.error, TargetError::Unauthorized { .. }) => failure,
            result => return result,
        };
        match self.access.replacement_for(&token).await {
            Some(token) => self.call_with(&token, call).await,
            None => Err(refused),
        }
    }

    async fn call_with(
        &self,
        token: &AccessToken,
        call: &TargetCall<'_>,
    ) -> Result<ResponseBody, CallFailure> {
        let repeat = match call.method {
            Method::POST => RepeatPolicy::OnlyIfNotExecuted,
            _ => RepeatPolicy::Always,
        };
        (|| self.attempt(token, call))
            .retry(self.retry.backoff())
            // A 404 that is not about an account, such as a gateway's, lasts longer than a call.
            .when(|failure: &CallFailure| {
                call.attempts == CallAttempts::ByPolicy
                    && failure.cause == FailureCause::Answer
                    && failure.status != Some(404)
                    && repeat.allows(&failure.error)
            })
            .adjust(|failure: &CallFailure, backoff| self.retry.pause(&failure.error, backoff))
            .await
    }

    async fn attempt(&self, token: &AccessToken, call: &TargetCall<'_>) -> Result<ResponseBody, CallFailure> {
        let TargetCall { method, url, body, .. } = call;
        let proof = token.proof((self.now)());
        let url = proof.as_ref().map_or_else(|| url.clone(), |proof| proof.added_to(url));
        let mut request = self.client.request(method.clone(), url).header(AUTHORIZATION, token.header());
        if call.attempts == CallAttempts::One {
            request = request.timeout(self.timeout.min(PROBE_TIMEOUT));
        }
        if let Some(body) = body {
            let json = serde_json::Value::Object(body.clone()).to_string();
            request = request.header(CONTENT_TYPE, "application/scim+json").body(json);
        }
        let (latency, response) = self.exchange(request, call.kind()).await;
        self.log(call, latency, response.as_ref().ok().map(|response| response.status));
        let result = match response {
            Ok(response) => self.interpret(call, proof.as_ref(), response),
            Err(error) => Err(self.no_response(proof.as_ref(), error)),
        };
        let error = result.as_ref().err().map(|failure| &failure.error);
        self.metrics.record_end(latency, error);
        if let (Some(pacer), Some(TargetError::RateLimited { retry_after })) =
            (self.pacers.of(call.kind()), error)
        {
            pacer.slow_down(*retry_after);
        }
        result
    }

    /// One line for a request, under the target `scim`, without ids and user names.
    fn log(&self, call: &TargetCall<'_>, latency: Duration, status: Option<u16>) {
        if !enabled!(target: "scim", Level::DEBUG) {
            return;
        }
        let (path, ms) = (without_values(&self.base, &call.url), latency.as_millis());
        let result = status.map_or("no response".to_owned(), |status| format!("HTTP {status}"));
        debug!(target: "scim", "SCIM {} {path}: {result}, {ms} ms", call.method);
    }

    /// Sends a request as soon as permits and pace allow, and reads the response. The latency excludes this wait.
    ///
    /// The exchange is a task of its own: its permit is free again when the response has arrived, even if the caller
    /// is busy. Dropping the call ends the task.
    async fn exchange(
        &self,
        request: RequestBuilder,
        kind: RequestKind,
    ) -> (Duration, Result<RawResponse, reqwest::Error>) {
        let (permits, pacer, metrics) =
            (Arc::clone(&self.permits), self.pacers.of(kind).cloned(), Arc::clone(&self.metrics));
        let mut task = JoinSet::new();
        task.spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire().await;
            if let Some(pacer) = pacer {
                pacer.wait().await;
            }
            metrics.record_start(kind);
            let started = Instant::now();
            let response = RawResponse::receive(request).await;
            (started.elapsed(), response)
        });
        match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(ended)) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // The runtime is shutting down, and this task with it.
            _ => std::future::pending().await,
        }
    }

    fn interpret(
        &self,
        call: &TargetCall<'_>,
        proof: Option<&AppSecretProof>,
        response: RawResponse,
    ) -> Result<ResponseBody, CallFailure> {
        let RawResponse { status, headers, body } = response;
        if let Some(pacer) = self.pacers.of(call.kind())
            && pace::is_usage_high(&headers)
        {
            pacer.slow_down(None);
        }
        let body = match body {
            Ok(body) => body,
            Err(error) if (200..300).contains(&status) => {
                return Err(self.no_response(proof, error));
            }
            // The status alone decides.
            Err(_) => ResponseBody::Other,
        };
        let tokens = self.access.known();
        let redactor = Redactor::new(secrets(&tokens, proof), call.sent.iter().copied());
        let response = TargetResponse { kind: call.kind(), status, headers: &headers, body: &body };
        match response.error(self.dialect, &redactor) {
            None => Ok(body),
            Some(error) => Err(CallFailure { status: Some(status), error, cause: FailureCause::Answer }),
        }
    }

    fn no_response(&self, proof: Option<&AppSecretProof>, error: reqwest::Error) -> CallFailure {
        let cause = if error.is_timeout() { FailureCause::Timeout } else { FailureCause::Answer };
        let detail = if error.is_timeout() {
            format!("no response within {} s", self.timeout.as_secs_f32())
        } else {
            let tokens = self.access.known();
            Redactor::new(secrets(&tokens, proof), []).clean(&root_cause(error))
        };
        CallFailure { cause, ..TargetError::Unavailable { detail }.into() }
    }
}

/// Values that no text may contain: all known credentials and the proof of this attempt.
fn secrets<'a>(
    tokens: &'a [Arc<AccessToken>],
    proof: Option<&'a AppSecretProof>,
) -> impl Iterator<Item = &'a str> {
    tokens.iter().flat_map(|token| token.secrets()).chain(proof.map(AppSecretProof::expose))
}

/// Response as received. The body may have failed to arrive.
struct RawResponse {
    status: u16,
    headers: HeaderMap,
    body: Result<ResponseBody, reqwest::Error>,
}

impl RawResponse {
    async fn receive(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: read_body(response).await })
    }
}

async fn read_body(mut response: Response) -> Result<ResponseBody, reqwest::Error> {
    let content_type = response.headers().get(CONTENT_TYPE).cloned();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len().saturating_add(chunk.len()) > MAX_RESPONSE {
            return Ok(ResponseBody::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
    Ok(match unpacked(bytes) {
        Some(bytes) => ResponseBody::read(content_type, &bytes),
        None => ResponseBody::TooLong,
    })
}

/// The content of a body that is packed with gzip, which some servers send unasked. `None` if it is too long. Bytes that
/// can't be unpacked are left as they are.
fn unpacked(bytes: Vec<u8>) -> Option<Vec<u8>> {
    const GZIP: &[u8] = b"\x1f\x8b";
    if !bytes.starts_with(GZIP) {
        return Some(bytes);
    }
    let mut content = Vec::new();
    let most = u64::try_from(MAX_RESPONSE).unwrap_or(u64::MAX).saturating_add(1);
    match GzDecoder::new(bytes.as_slice()).take(most).read_to_end(&mut content) {
        Ok(length) => (length <= MAX_RESPONSE).then_some(content),
        Err(_) => Some(bytes),
    }
}

/// The deepest cause of an error, without the URL: a look-up's URL contains a user name.
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let what = match () {
        () if error.is_connect() => "the connection failed",
        () if error.is_request() => "the request failed",
        () => "the response ended too early",
    };
    let mut deepest: &dyn Error = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    format!("{what}: {}", system_reason(deepest))
}
