//! Endpoints under `/_simulator/` that show accounts and requests and inject faults.
//!
//! They need no token: the simulator listens on loopback only and holds test data.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, body::Bytes, extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::{faults::TargetFault, requests::RecordedRequest, simulator::SharedState, state};

pub(crate) async fn accounts(State(shared): State<Arc<SharedState>>) -> Json<Vec<Value>> {
    Json(shared.rendered())
}

pub(crate) async fn requests(State(shared): State<Arc<SharedState>>) -> Json<Vec<RecordedRequest>> {
    Json(shared.lock().requests.clone())
}

#[derive(Deserialize)]
struct TargetFaultInjection {
    #[serde(flatten)]
    fault: TargetFault,
    lasting_ms: Option<u64>,
}

/// Any content type is accepted, so that `curl -d` works.
pub(crate) async fn inject(
    State(shared): State<Arc<SharedState>>,
    body: Bytes,
) -> Result<StatusCode, (StatusCode, String)> {
    let TargetFaultInjection { fault, lasting_ms } = serde_json::from_slice(&body)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("not a fault: {error}\n")))?;
    let until = lasting_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
    shared.lock().faults.arm(fault, until);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn clear_faults(State(shared): State<Arc<SharedState>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}

/// Clears accounts, requests, faults and latency; keeps the options.
pub(crate) async fn reset(State(shared): State<Arc<SharedState>>) -> StatusCode {
    let mut state = shared.lock();
    *state = state::SimulatorState { options: state.options.clone(), ..state::SimulatorState::default() };
    StatusCode::NO_CONTENT
}
