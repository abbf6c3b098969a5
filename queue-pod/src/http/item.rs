//! One item by its uid, wherever it is (contract queue-server §5.4): for browsers, which send no body with a GET.

use axum::Json;
use axum::extract::{Path, State};
use service::ApiError;
use uuid::Uuid;

use super::Front;
use crate::methods::Reply;

/// Where it is.
pub(super) const PATH: &str = "/api/queue/item/{item_uid}";

pub(super) async fn item(
    State(front): State<Front>,
    Path(item_uid): Path<String>,
) -> Result<Json<Reply>, ApiError> {
    Uuid::parse_str(&item_uid).map_err(|_| ApiError::not_found("Not Found"))?;
    Ok(Json(front.desk.view().item_anywhere(&item_uid)))
}
