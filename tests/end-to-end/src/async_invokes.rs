//! Asynchronous invocations (`X-Amz-Invocation-Type: Event`). Lambda accepts them at once and runs them independently
//! of the caller; the emulator answers only when they are done.

use std::{net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use tokio::net::TcpListener;

use crate::background::BackgroundRuntime;

/// Lambda's limit for an asynchronous event.
const LARGEST_EVENT: usize = 256 << 10;

struct AsyncInvokeApi {
    emulator: String,
    client: reqwest::Client,
}

/// Serves the invoke API before the emulator, and returns its endpoint.
pub fn serve(background: &BackgroundRuntime, emulator: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let front = Arc::new(AsyncInvokeApi { emulator: emulator.to_owned(), client });
    let router = Router::new().fallback(accept).with_state(front);
    let listener = background.wait_for(async { Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?) })?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    background.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Ok(endpoint)
}

async fn accept(State(front): State<Arc<AsyncInvokeApi>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_event = parts.headers.get("x-amz-invocation-type").is_some_and(|kind| kind == "Event");
    let body = match to_bytes(body, LARGEST_EVENT).await {
        Ok(body) if is_event => body,
        _ => return status(StatusCode::BAD_REQUEST),
    };
    let Some(name) = function_name(parts.uri.path()) else { return status(StatusCode::NOT_FOUND) };
    let url = format!("{}/2015-03-31/functions/{name}/invocations", front.emulator);
    tokio::spawn(async move { front.invoke(url, body).await });
    status(StatusCode::ACCEPTED)
}

impl AsyncInvokeApi {
    async fn invoke(&self, url: String, event: Bytes) {
        // The function's log shows the result.
        let _ = self.client.post(url).header("content-type", "application/json").body(event).send().await;
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Name of the function; callers may give its ARN, which the emulator does not know.
fn function_name(path: &str) -> Option<String> {
    let name = path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
    let name = name.replace("%3A", ":");
    name.rsplit(':').next().map(str::to_owned)
}
