//! HTTP connector of the SDK that reaches the engine through a channel instead of a socket.

use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use dynoxide::Database;
use tokio::sync::oneshot;

use super::EngineMessage;
use super::operations::perform;

/// One request, and the channel for its response.
pub(super) struct EngineCall {
    operation: String,
    body: Vec<u8>,
    answer: oneshot::Sender<(u16, String)>,
}

impl EngineCall {
    /// Performs the request. A caller that stopped waiting is not told, as over a network.
    pub fn answer(self, database: &Database) {
        let _ = self.answer.send(perform(database, &self.operation, &self.body));
    }
}

#[derive(Clone, Debug)]
struct InProcessHttp {
    calls: mpsc::Sender<EngineMessage>,
}

impl HttpClient for InProcessHttp {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcessHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let (answer, answered) = oneshot::channel();
        // A stopped engine drops the response channel, which is handled below.
        let _ = self.calls.send(EngineMessage::EngineCall(EngineCall { operation, body, answer }));
        HttpConnectorFuture::new(async move {
            let (status, body) = answered.await.map_err(|ended| ConnectorError::io(ended.into()))?;
            let status =
                StatusCode::try_from(status).map_err(|odd| ConnectorError::other(odd.into(), None))?;
            Ok(HttpResponse::new(status, body.into()))
        })
    }
}

/// Client for the engine. It reads no environment and no configuration files.
pub(super) fn client(calls: mpsc::Sender<EngineMessage>) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        // No host has this name: nothing is ever sent there.
        .endpoint_url("http://embedded.invalid")
        .http_client(InProcessHttp { calls })
        // The engine checks no signature, and signing takes longer than many requests.
        .allow_no_auth()
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}
