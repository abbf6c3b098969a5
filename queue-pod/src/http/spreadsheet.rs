//! An uploaded spreadsheet becomes a batch of plans (contract queue-server §4.7).

use std::sync::LazyLock;

use axum::Json;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use serde_json::{Map, Value, json};
use service::ApiError;
use service::access::Caller;
use service::validation::{Problem, Problems};
use tokio::sync::Semaphore;

use super::Front;
use crate::methods::Reply;
use crate::spreadsheet;

/// Where one is uploaded.
pub(super) const PATH: &str = "/api/queue/upload/spreadsheet";
/// Files that are read at the same time: a small one may unfold to many cells.
static READERS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

/// The form of an upload.
#[derive(Debug)]
pub(super) struct Upload {
    name: String,
    content: Vec<u8>,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let mut form = Multipart::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
        let mut upload = None;
        while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
            match field.name() {
                Some("spreadsheet") => upload = Some(Self::read(field).await?),
                // `data_type` chooses among converters that a site adds to the Python server. There is one here.
                _ => drop(field.bytes().await.map_err(|error| broken(&error))?),
            }
        }
        upload.ok_or_else(|| {
            let loc = vec!["body".into(), "spreadsheet".into()];
            let msg = "Field required".to_owned();
            Problems::from(Problem { kind: "missing", loc, msg, input: Value::Null, ctx: None })
                .into()
        })
    }
}

impl Upload {
    async fn read(field: Field<'_>) -> Result<Self, ApiError> {
        let name = field.file_name().unwrap_or_default().to_owned();
        let content = field.bytes().await.map_err(|error| broken(&error))?.to_vec();
        Ok(Self { name, content })
    }
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::new(error.status(), error.body_text())
}

/// Adds the plans of the file to the queue: all, or none.
pub(super) async fn upload(
    State(front): State<Front>,
    caller: Caller,
    Upload { name, content }: Upload,
) -> Result<Json<Value>, ApiError> {
    let gone = |error: &dyn std::fmt::Display| ApiError::internal(error.to_string());
    let permit = READERS.acquire().await.map_err(|error| gone(&error))?;
    let size = content.len();
    tracing::info!(file = name, size, user = caller.user(), "a spreadsheet was uploaded");
    let read = tokio::task::spawn_blocking(move || spreadsheet::plans(&name, &content)).await;
    drop(permit);
    Ok(Json(match read.map_err(|error| gone(&error))? {
        Ok(plans) => json!(add(&front, &caller, plans).await),
        Err(error) => {
            tracing::warn!(%error, "a spreadsheet was refused");
            json!({ "success": false, "msg": error.to_string(), "items": [], "results": [] })
        }
    }))
}

async fn add(front: &Front, caller: &Caller, plans: Vec<Value>) -> Reply {
    let params = Map::from_iter([
        ("user".to_owned(), json!(caller.user())),
        ("user_group".to_owned(), json!(caller.group())),
        ("items".to_owned(), Value::Array(plans)),
    ]);
    front.desk.call("queue_item_add_batch", params).await
}
