//! JSON Schemas of the plans: ours, beside what the Python server has.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use service::ApiError;
use service::access::Caller;

use super::Front;
use crate::methods::{Reply, failure};

/// Where they are.
pub(super) const PATH: &str = "/api/plans/schema";

/// Which of them.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// One plan; all without it.
    name: Option<String>,
}

pub(super) async fn schemas(
    State(front): State<Front>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Reply>, ApiError> {
    let reply = front.desk.view().plan_schemas(caller.group(), wanted.name.as_deref());
    Ok(Json(reply.unwrap_or_else(failure)))
}
