//! Audit history and change feed (contract §1.6).

mod stream;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};
use utoipa::ToSchema;

use super::Shared;
use super::errors::{DEVICE_PERSISTENCE, check_writable};
use super::written::{as_json, unwritten};
use crate::device::{DeviceInstantiationSpec, DeviceMetadata};
use crate::history::Operation;
use crate::history::feed::{self, Cursor, Feed};
use crate::index::{Index, Shown};
use crate::registry::Registry;
use crate::vocabulary;

/// Rows of a history request that names no limit.
const DEFAULT_LIMIT: i64 = 1000;
/// Most rows of a history request.
const MAX_LIMIT: i64 = 10_000;

/// A name that no device can have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the interface, is never built")]
pub(crate) struct Unreadable {
    detail: String,
}

/// One row of the audit history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceAuditEntry {
    id: u64,
    device_name: String,
    #[schema(value_type = String)]
    operation: Operation,
    timestamp: f64,
    details: Option<String>,
    /// Who did it: the field manager that Kubernetes notes (`kubectl-edit`, `helm`, `beamline-registry`
    /// for this API), or the service that asked for a lock. Unknown for a deletion past this API.
    changed_by: Option<String>,
    /// What differs since: by field, `old` and `new`. `cut` marks values of which the beginning is told.
    #[schema(value_type = Option<Object>)]
    changes: Option<Map<String, Value>>,
}

pub(crate) struct HistoryQuery {
    device_name: Option<String>,
    limit: usize,
}

impl Model for HistoryQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let device_name = fields.optional("device_name", kinds::string);
        let limit =
            fields.default("limit", kinds::integer_within(1, Some(MAX_LIMIT)), DEFAULT_LIMIT);
        let limit = usize::try_from(limit?).unwrap_or_default();
        Some(Self { device_name: device_name?, limit })
    }
}

/// The newest rows first.
#[utoipa::path(get, path = "/api/v1/devices/history", tag = "Device Management",
    params(("device_name" = Option<String>, Query),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10_000)),
    responses((status = 200, body = Vec<DeviceAuditEntry>), (status = 422, body = Unreadable)))]
pub(crate) async fn list_device_history(
    State(registry): Shared,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Vec<DeviceAuditEntry>>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    if query.device_name.as_ref().is_some_and(|name| name.contains('\0')) {
        let detail = "device_name must not contain NUL (0x00) characters";
        return Err(ApiError::unprocessable(detail));
    }
    let device = query.device_name.as_deref().filter(|name| !name.is_empty());
    Ok(Json(registry.journal.look(|log| {
        let rows = log.newest(device, query.limit);
        rows.map(|(id, row)| DeviceAuditEntry {
            id,
            device_name: row.device_name.clone(),
            operation: row.operation,
            timestamp: row.timestamp,
            details: row.details.clone(),
            changed_by: row.changed_by.clone(),
            changes: (!row.changes.is_empty()).then(|| row.changes.clone()),
        })
        .collect()
    })))
}

/// A device that changed, with its state of now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceChangeEntry {
    device_name: String,
    #[schema(inline, value_type = vocabulary::ChangeOp)]
    op: &'static str,
    version: u64,
    #[schema(value_type = Option<DeviceMetadata>)]
    #[serde(serialize_with = "metadata")]
    metadata: Option<Arc<Shown>>,
    #[schema(value_type = Option<DeviceInstantiationSpec>)]
    #[serde(serialize_with = "spec")]
    spec: Option<Arc<Shown>>,
}

impl DeviceChangeEntry {
    fn new(version: u64, device_name: String, now: Option<Arc<Shown>>) -> Self {
        let op = if now.is_some() { "upsert" } else { "delete" };
        Self { device_name, op, version, metadata: now.clone(), spec: now }
    }
}

#[expect(clippy::ref_option, reason = "the signature of `serialize_with`")]
fn metadata<S: Serializer>(shown: &Option<Arc<Shown>>, to: S) -> Result<S::Ok, S::Error> {
    shown.as_ref().map(|shown| &shown.metadata_json).serialize(to)
}

#[expect(clippy::ref_option, reason = "the signature of `serialize_with`")]
fn spec<S: Serializer>(shown: &Option<Arc<Shown>>, to: S) -> Result<S::Ok, S::Error> {
    shown.as_ref().map(|shown| &shown.spec_json).serialize(to)
}

/// What changed since a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceChangesResponse {
    current_version: u64,
    service_epoch: String,
    reset_occurred: bool,
    #[schema(required = false)]
    changes: Vec<DeviceChangeEntry>,
}

pub(crate) struct ChangesQuery {
    since_version: u64,
}

impl Model for ChangesQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let since = fields.default("since_version", kinds::integer_within(0, None), 0)?;
        Some(Self { since_version: u64::try_from(since).unwrap_or_default() })
    }
}

/// Devices that changed since `since_version`, oldest change first. To a client that accepts
/// `text/event-stream` they are sent as they change, for as long as it listens.
#[utoipa::path(get, path = "/api/v1/devices/changes", tag = "Device Management",
    params(("since_version" = Option<u64>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, content(
        (DeviceChangesResponse = "application/json"),
        (String = "text/event-stream"),
    ))))]
pub(crate) async fn get_device_changes(
    State(registry): Shared,
    Query(query): Query<ChangesQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    if service::http::events::are_wanted(&headers) {
        return Ok(stream::events(registry, &headers, query.since_version));
    }
    let request = query.since_version.to_string();
    let versions = |index: &Index| {
        registry.journal.look(|log| (index.version(), log.version(), log.epoch().to_owned()))
    };
    if let Some(body) = registry.feed.known(&registry.look(versions), &request) {
        return Ok(as_json(body));
    }
    let feed = feed::read(&registry, &mut Cursor::at(query.since_version), usize::MAX).await;
    // First the version: states that are newer than it says do no harm.
    let index = registry.look(Index::version);
    let now = (index, feed.current_version, feed.service_epoch.clone());
    let body = registry.feed.get(&now, &request, || {
        let changes = DeviceChangesResponse::new(&registry, feed);
        Ok((now.clone(), serde_json::to_vec(&changes)?))
    });
    Ok(as_json(body.map_err(unwritten)?))
}

impl DeviceChangesResponse {
    fn new(registry: &Registry, feed: Feed) -> Self {
        let Feed { current_version, service_epoch, reset_occurred, devices, is_settled: _ } = feed;
        let changes = devices.into_iter().map(|(version, name)| {
            let now =
                registry.look(|index| index.device(&name).map(|entry| Arc::clone(&entry.shown)));
            DeviceChangeEntry::new(version, name, now)
        });
        Self { current_version, service_epoch, reset_occurred, changes: changes.collect() }
    }
}
