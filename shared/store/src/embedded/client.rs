//! HTTP connector of the SDK that calls the engine instead of a server.

use std::sync::{Arc, Mutex, PoisonError};
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

use super::operations::perform;

/// The engine, until it is stopped. One request is performed at a time.
#[derive(Clone)]
pub(super) struct EngineHandle(Arc<Mutex<Option<Database>>>);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineHandle")
    }
}

impl EngineHandle {
    pub fn new(database: Database) -> Self {
        Self(Arc::new(Mutex::new(Some(database))))
    }

    /// Runs on the engine, after the request in progress. `None` once it is stopped.
    pub fn with<T>(&self, run: impl FnOnce(&Database) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(run)
    }

    /// Waits for the request in progress and closes the file.
    pub fn stop(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[derive(Clone, Debug)]
struct InProcessHttp(EngineHandle);

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
        let engine = self.0.clone();
        // File access is synchronous.
        let answer = tokio::task::spawn_blocking(move || engine.with(|it| perform(it, &operation, &body)));
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::other(error.into(), None))?;
            let stopped = || ConnectorError::io("the engine is stopped".into());
            let (status, body) = answer.ok_or_else(stopped)?;
            let status =
                StatusCode::try_from(status).map_err(|odd| ConnectorError::other(odd.into(), None))?;
            Ok(HttpResponse::new(status, body.into()))
        })
    }
}

/// Client for the engine. It reads no environment and no configuration files.
pub(super) fn client(engine: EngineHandle) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("local"))
        // No host has this name: nothing is ever sent there.
        .endpoint_url("http://embedded.invalid")
        .http_client(InProcessHttp(engine))
        // The engine checks no signature, and signing takes longer than many requests.
        .allow_no_auth()
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}
