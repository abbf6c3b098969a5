//! What clients try themselves with: a server that dies, and one that is slow (contract queue-server §4.2).

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use service::ApiError;
use service::access::{Gate, Scope};

use super::Front;
use super::body::Params;
use crate::python;

/// Where the server is told to begin anew.
pub(super) const KILL: &str = "/api/test/manager/kill";
/// Where it is told to take its time.
pub(super) const SLEEP: &str = "/api/test/server/sleep";
/// Longest time that it takes, in seconds: nobody holds a connection for nothing for longer.
const LONGEST_SLEEP: f64 = 3_600.0;

pub(super) fn routes(gate: &Gate) -> Router<Front> {
    Router::new()
        .route(KILL, gate.guard(post(kill), Scope::WriteTesting))
        .route(SLEEP, gate.guard(get(sleep), Scope::ReadTesting))
}

/// The manager answers with silence. Here that is said at once: there is nothing to wait for.
async fn kill(State(front): State<Front>) -> ApiError {
    front.desk.call("manager_kill", Map::new()).await;
    let text = "Request timeout: ZMQ communication error: timeout occurred";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, text)
}

async fn sleep(State(front): State<Front>, params: Params) -> Result<Json<Value>, ApiError> {
    let params = params.required()?;
    let seconds = duration(&params).map_err(ApiError::bad_request)?;
    tokio::select! {
        () = tokio::time::sleep(seconds) => {}
        () = front.shutdown.cancelled() => {}
    }
    Ok(Json(json!({ "success": true, "msg": "" })))
}

fn duration(params: &Map<String, Value>) -> Result<Duration, String> {
    let time = params.get("time").ok_or_else(|| {
        let given = python::repr_map(params);
        format!("The required parameter 'time' is missing in the API call: {given}")
    })?;
    time.as_f64()
        .filter(|seconds| *seconds <= LONGEST_SLEEP)
        .map(|seconds| Duration::from_secs_f64(seconds.max(0.0)))
        .ok_or_else(|| {
            format!("The parameter 'time' must be a number of seconds, {LONGEST_SLEEP} at most")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_that_can_be_waited_for() {
        let given = |params: Value| duration(params.as_object().unwrap());
        assert_eq!(given(json!({"time": 1.5})), Ok(Duration::from_millis(1_500)));
        assert_eq!(given(json!({"time": -1})), Ok(Duration::ZERO));
        assert_eq!(
            given(json!({"a": "b"})).unwrap_err(),
            "The required parameter 'time' is missing in the API call: {'a': 'b'}"
        );
        for time in [json!("2"), json!(1e300), json!(null)] {
            assert!(given(json!({"time": time})).unwrap_err().contains("3600 at most"));
        }
    }
}
