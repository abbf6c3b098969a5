//! Health, readiness, metrics and diagnostics of the operator.

use std::sync::Arc;

use axum::extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use service::http::Listener;
use tokio_util::sync::CancellationToken;

use crate::progress::{Board, Diagnostics};

/// What is served.
#[derive(Clone, Debug)]
pub(super) struct State {
    board: Board,
    role: Arc<Mutex<Role>>,
}

/// What this replica is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Role {
    /// It asks for the lease.
    Candidate,
    /// Another holds the lease.
    Standby {
        leader: String,
    },
    Leader {
        epoch: i64,
    },
}

impl State {
    /// A replica that asks for the lease.
    pub(super) fn new(board: Board) -> Self {
        Self { board, role: Arc::new(Mutex::new(Role::Candidate)) }
    }

    /// Another leads.
    pub(super) fn standing_by(&self, leader: &str) {
        let role = Role::Standby { leader: leader.to_owned() };
        let mut current = self.role.lock();
        if *current != role {
            tracing::info!(leader, "standing by");
            *current = role;
        }
    }

    /// This one leads.
    pub(super) fn leading(&self, epoch: i64) {
        *self.role.lock() = Role::Leader { epoch };
    }
}

/// Serves until `shutdown`.
pub(super) async fn serve(listener: Listener, state: State, shutdown: CancellationToken) {
    if let Err(error) = service::http::serve(listener, router(state), shutdown).await {
        tracing::error!(%error, "health and metrics are not served any more");
    }
}

fn router(state: State) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(json!({ "status": "healthy" })) }))
        .route("/ready", get(ready))
        .route("/metrics", get(|| async { service::metrics::render() }))
        .route("/diagnostics", get(diagnostics))
        .with_state(state)
}

/// Ready when every watch has listed its objects: as the leader, or to take over. Names every part
/// that is waited for.
async fn ready(extract::State(state): extract::State<State>) -> Response {
    let pending = state.board.readiness().pending();
    if !pending.is_empty() {
        let body = json!({ "status": "not_ready", "reason": pending[0], "pending": pending });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    let role = state.role.lock().clone();
    let status = if matches!(role, Role::Leader { .. }) { "ready" } else { "standby" };
    Json(json!({ "status": status })).into_response()
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    role: Role,
    #[serde(flatten)]
    diagnostics: Diagnostics,
}

/// What the operator knows and does: for people, and not a stable interface.
async fn diagnostics(extract::State(state): extract::State<State>) -> impl IntoResponse {
    let role = state.role.lock().clone();
    Json(Answer { role, diagnostics: state.board.diagnostics() })
}
