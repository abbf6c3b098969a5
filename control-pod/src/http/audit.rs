//! `/api/v1/audit`: the last writes, or every one from now on as Server-Sent Events. Ours, not
//! published upstream.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use service::ApiError;
use service::http::events;
use service::validation::{Fields, Model, Query, kinds};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::audit::Record;
use crate::audit::caller::CalledBy;
use crate::gateway::Gateway;
use crate::socket::{Api, Seat, SocketKind};

/// Records in an answer when the client does not say.
const USUAL: i64 = 100;
/// How many records.
#[derive(Debug)]
pub(crate) struct AuditQuery {
    limit: usize,
}

impl Model for AuditQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let limit = fields.default("limit", kinds::integer_within(1, None), USUAL)?;
        Some(Self { limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }
}

/// The last commands that wrote or were meant to, newest first; with `Accept: text/event-stream` every one from now on:
/// extension, not published upstream.
#[utoipa::path(get, path = "/api/v1/audit", params(("limit" = Option<i64>, Query, minimum = 1)),
    responses((status = 200, body = Vec<Record>)))]
pub(crate) async fn get_audit(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    headers: HeaderMap,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    if !gateway.audit.is_kept() {
        return Err(ApiError::not_found("no writes are kept (DIRECT_CONTROL_AUDIT_KEEP=0)"));
    }
    if !events::are_wanted(&headers) {
        let latest = gateway.audit.latest(query.limit);
        let latest: Vec<&Record> = latest.iter().map(|record| &**record).collect();
        return Ok(Json(latest).into_response());
    }
    let seat = gateway.sockets.enter(Api::Direct, SocketKind::Audit, caller);
    let seat = seat.ok_or_else(|| ApiError::unavailable("too many clients; try again later"))?;
    let listener = Listener {
        records: gateway.audit.listen(),
        stop: gateway.sockets.shutdown.clone(),
        _seat: seat,
    };
    Ok(events::answer(listener.events()))
}

/// A client that listens.
struct Listener {
    records: Receiver<Arc<Record>>,
    stop: CancellationToken,
    _seat: Seat,
}

impl Listener {
    /// Each record as an event with its number; `lost` with a number where the client was too slow.
    fn events(self) -> impl Stream<Item = Event> {
        stream::unfold(self, |mut listener| async move {
            let record = tokio::select! {
                () = listener.stop.cancelled() => return None,
                record = listener.records.recv() => record,
            };
            let event = match record {
                // Plain data that we made ourselves: it has a form in JSON.
                Ok(record) => {
                    let event = Event::default().id(record.id.to_string());
                    event.json_data(&*record).unwrap_or_default()
                }
                Err(RecvError::Lagged(lost)) => {
                    Event::default().event("lost").data(lost.to_string())
                }
                Err(RecvError::Closed) => return None,
            };
            Some((event, listener))
        })
    }
}
