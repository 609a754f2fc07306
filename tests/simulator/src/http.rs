//! HTTP server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::time::sleep;

use crate::{
    call::ReceivedRequest,
    connection::ConnectionSwitch,
    control,
    reply::{ReplyBody, SimulatedReply},
    simulator::SharedState,
};

const X_APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");

pub(crate) fn router(shared: Arc<SharedState>) -> Router {
    Router::new()
        .route("/_simulator/accounts", get(control::accounts))
        .route("/_simulator/requests", get(control::requests))
        .route("/_simulator/faults", post(control::inject).delete(control::clear_faults))
        .route("/_simulator/reset", post(control::reset))
        .fallback(api)
        .with_state(shared)
}

async fn api(
    State(shared): State<Arc<SharedState>>,
    ConnectInfo(switch): ConnectInfo<ConnectionSwitch>,
    request: Request,
) -> Response {
    let call = ReceivedRequest::read(request, shared.since_start()).await;
    // A separate task: a client that disconnects does not cancel its request.
    let reply = tokio::spawn(serve(shared.clone(), call)).await;
    let Ok(Some(reply)) = reply else {
        switch.cut();
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = into_response(reply);
    if let Some(percent) = shared.lock().options.app_usage
        && let Ok(usage) = HeaderValue::try_from(format!(
            r#"{{"call_count":{percent},"total_time":{percent},"total_cputime":0}}"#
        ))
    {
        response.headers_mut().insert(X_APP_USAGE, usage);
    }
    response
}

async fn serve(shared: Arc<SharedState>, call: ReceivedRequest) -> Option<SimulatedReply> {
    let (fault, latency) = {
        let mut state = shared.lock();
        (state.take_fault(&call, Instant::now()), state.latency)
    };
    let before = fault.as_ref().map(|fault| fault.delay_before());
    let after = fault.as_ref().map(|fault| fault.delay_after());
    wait(&shared, latency).await;
    pause(before).await;
    let reply = shared.lock().serve(&call, fault);
    pause(after).await;
    reply
}

/// Waits for a time that is not zero: a zero sleep lasts until the timer's next millisecond.
async fn pause(time: Option<Duration>) {
    if let Some(time) = time.filter(|time| !time.is_zero()) {
        sleep(time).await;
    }
}

/// Waits for the latency on average. Timers are late by up to a millisecond, or more on a busy machine; the recent delay is
/// subtracted.
async fn wait(shared: &SharedState, latency: Duration) {
    if latency.is_zero() {
        return;
    }
    let (began, late) = (Instant::now(), shared.lock().late);
    sleep(latency.saturating_sub(late)).await;
    let over = began.elapsed().as_secs_f64() - latency.as_secs_f64();
    let mut state = shared.lock();
    let late = state.late.as_secs_f64() + over / 16.0;
    state.late = Duration::from_secs_f64(late.clamp(0.0, latency.as_secs_f64() / 2.0));
}

fn into_response(reply: SimulatedReply) -> Response {
    let SimulatedReply { status, content, retry_after } = reply;
    let (kind, body) = match content {
        ReplyBody::Json(value) => (Some("application/json"), value.to_string()),
        ReplyBody::Text(text) => (Some("text/plain"), text),
        ReplyBody::MalformedJson => (Some("application/json"), r#"{"id":1000"#.to_owned()),
        ReplyBody::Html => (
            Some("text/html"),
            format!("<html><body><h1>{status}</h1><p>Sorry, something went wrong.</p></body></html>"),
        ),
        ReplyBody::Error | ReplyBody::Empty => (None, String::new()),
    };
    let mut response = Response::new(Body::from(body));
    // An invalid or informational status can't be final.
    *response.status_mut() = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
