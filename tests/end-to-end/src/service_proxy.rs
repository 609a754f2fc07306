//! A proxy before a service of AWS, with faults.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::background::BackgroundRuntime;

/// Larger than any request of ours.
const LARGEST_BODY: usize = 16 << 20;

/// Action on a request.
pub enum ProxyVerdict {
    /// Forwards the request.
    Pass,
    /// Forwards the request with this body, and changes the answer.
    Alter(Value, Box<dyn FnOnce(Value) -> Value + Send>),
    /// Answers with this status and AWS error code.
    Fail(u16, &'static str),
}

type RequestRule = dyn FnMut(&str, &Value) -> ProxyVerdict + Send;

/// A proxy for one service that speaks AWS's JSON protocol. It ends on drop.
pub struct ServiceProxy {
    endpoint: String,
    middle: Arc<ServiceProxyState>,
    _background: BackgroundRuntime,
}

struct ServiceProxyState {
    upstream: String,
    client: reqwest::Client,
    rule: Mutex<Box<RequestRule>>,
}

impl ServiceProxy {
    /// Starts a proxy that forwards every request.
    pub fn start(upstream: &str) -> anyhow::Result<Self> {
        let background = BackgroundRuntime::start("service-proxy")?;
        let middle = Arc::new(ServiceProxyState {
            upstream: upstream.to_owned(),
            client: reqwest::Client::builder().no_proxy().build()?,
            rule: Mutex::new(Box::new(|_, _| ProxyVerdict::Pass)),
        });
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&middle));
        let listener =
            background.wait_for(async { Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?) })?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        background.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { endpoint, middle, _background: background })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sets the action by the operation's name (`SendMessageBatch`) and the request's body.
    pub fn rule(&self, rule: impl FnMut(&str, &Value) -> ProxyVerdict + Send + 'static) {
        *self.middle.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Forwards every request from now on.
    pub fn behave(&self) {
        self.rule(|_, _| ProxyVerdict::Pass);
    }
}

async fn pass_on(State(middle): State<Arc<ServiceProxyState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_BODY).await else { return answer(413, Bytes::new(), None) };
    let target =
        parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let asked: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let verdict = (middle.rule.lock().unwrap_or_else(PoisonError::into_inner))(operation, &asked);
    let (bytes, change) = match verdict {
        ProxyVerdict::Pass => (bytes, None),
        ProxyVerdict::Alter(body, change) => (Bytes::from(body.to_string()), Some(change)),
        ProxyVerdict::Fail(status, name) => {
            let body = json!({ "__type": name, "message": "as the test wants it" });
            return answer(status, Bytes::from(body.to_string()), None);
        }
    };
    let mut headers = parts.headers;
    for name in ["host", "content-length", "connection"] {
        headers.remove(name);
    }
    let url = format!("{}{}", middle.upstream, parts.uri.path());
    let sent = middle.client.request(parts.method, url).headers(headers).body(bytes).send().await;
    let Ok(got) = sent else { return answer(502, Bytes::new(), None) };
    let (status, headers) = (got.status().as_u16(), got.headers().clone());
    let Ok(body) = got.bytes().await else { return answer(502, Bytes::new(), None) };
    match change {
        None => answer(status, body, Some(headers)),
        Some(change) => {
            let changed = change(serde_json::from_slice(&body).unwrap_or_default());
            answer(status, Bytes::from(changed.to_string()), None)
        }
    }
}

fn answer(status: u16, body: Bytes, headers: Option<HeaderMap>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = headers.unwrap_or_default();
    for name in ["connection", "transfer-encoding", "content-length"] {
        response.headers_mut().remove(name);
    }
    response
}
