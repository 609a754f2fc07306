//! The invoke API as functions see it. An asynchronous invocation (`X-Amz-Invocation-Type: Event`) is accepted at once and
//! runs independently of its caller, as on Lambda; the emulator would answer when it is done. A synchronous one is passed
//! on, and answered with the function's response.

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
    let Ok(body) = to_bytes(body, LARGEST_EVENT).await else { return status(StatusCode::BAD_REQUEST) };
    let Some(name) = function_name(parts.uri.path()) else { return status(StatusCode::NOT_FOUND) };
    let url = format!("{}/2015-03-31/functions/{name}/invocations", front.emulator);
    if !is_event {
        return front.invoke(url, body).await.unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY));
    }
    // The result is in the function's own log.
    tokio::spawn(async move { front.invoke(url, body).await });
    status(StatusCode::ACCEPTED)
}

impl AsyncInvokeApi {
    async fn invoke(&self, url: String, event: Bytes) -> anyhow::Result<Response> {
        let request = self.client.post(url).header("content-type", "application/json").body(event);
        let answer = request.send().await?;
        let code = answer.status();
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = code;
        Ok(response)
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
