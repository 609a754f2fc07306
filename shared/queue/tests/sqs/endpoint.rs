//! Endpoint with SQS's JSON protocol and the answers that a test chooses.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use model::{Anchor, ScanVersion};
use queue::{ProvisionRequest, Queue};
use serde_json::{Value, json};

/// Result of the message at this index in the request with this number.
type EntryScript = Arc<dyn Fn(usize, usize) -> EntryResponse + Send + Sync>;

/// Result of one message.
#[derive(Clone, Copy)]
pub enum EntryResponse {
    Taken,
    Failed { code: &'static str, sender_fault: bool },
    Forgotten,
}

#[derive(Clone)]
enum EndpointScript {
    Entries(EntryScript),
    Fail(StatusCode, Value),
}

#[derive(Clone)]
pub struct SqsEndpoint {
    url: String,
    script: EndpointScript,
    /// The bodies of all requests.
    requests: Arc<Mutex<Vec<Value>>>,
}

impl SqsEndpoint {
    /// Accepts or refuses each message.
    pub async fn of(verdict: impl Fn(usize, usize) -> EntryResponse + Send + Sync + 'static) -> Self {
        Self::start(EndpointScript::Entries(Arc::new(verdict))).await
    }

    /// Fails every request.
    pub async fn failing(status: u16, body: Value) -> Self {
        Self::start(EndpointScript::Fail(StatusCode::from_u16(status).unwrap(), body)).await
    }

    async fn start(script: EndpointScript) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = Self { url, script, requests: Arc::default() };
        let router = Router::new().fallback(answer).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    pub fn queue(&self) -> Queue {
        queue_at(&self.url)
    }

    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(State(endpoint): State<SqsEndpoint>, body: Bytes) -> Response {
    // SQS has its own content type, which the framework does not parse.
    let request: Value = serde_json::from_slice(&body).unwrap();
    let number = {
        let mut requests = endpoint.requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let verdict = match &endpoint.script {
        EndpointScript::Entries(verdict) => verdict,
        EndpointScript::Fail(status, body) => return (*status, Json(body.clone())).into_response(),
    };
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (place, entry) in request["Entries"].as_array().into_iter().flatten().enumerate() {
        let id = &entry["Id"];
        match verdict(number, place) {
            EntryResponse::Taken => {
                successful.push(json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "" }))
            }
            EntryResponse::Failed { code, sender_fault } => {
                failed.push(json!({ "Id": id, "Code": code, "SenderFault": sender_fault }));
            }
            EntryResponse::Forgotten => {}
        }
    }
    Json(json!({ "Successful": successful, "Failed": failed })).into_response()
}

/// Queue at an endpoint, through a client that tries twice without pauses.
pub fn queue_at(url: &str) -> Queue {
    let retry = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(Duration::from_millis(1));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(without_proxy())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(retry)
        .build();
    Queue::new(Client::from_conf(config), &format!("{url}/000000000000/provision-requests"))
}

#[expect(deprecated, reason = "the versions that replace it take a proxy from the environment")]
fn without_proxy() -> BehaviorVersion {
    BehaviorVersion::v2025_01_17()
}

pub fn requests(count: u64) -> Vec<ProvisionRequest> {
    let of = |number| ProvisionRequest {
        connection: "corp".to_owned(),
        anchor: Anchor::from_text(&format!("anchor-{number}")).unwrap(),
        version: ScanVersion(7),
    };
    (0..count).map(of).collect()
}
