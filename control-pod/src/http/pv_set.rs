//! `/api/v1/pv/set` and `/api/v1/pv/set/batch` (contract §2.4).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use service::ApiError;
use service::validation::{Fields, Model, kinds};
use utoipa::ToSchema;

use crate::audit::caller::CalledBy;
use crate::clock;
use crate::gateway::Gateway;
use crate::http::fields::{given, seconds};
use crate::http::guard::Guarded;
use crate::put::{Done, PutError, PutRequest, put};

/// Most writes of one batch.
const MAX_BATCH: usize = 100;

impl Model for PutRequest {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let pv = fields.required("pv_name", kinds::string);
        let value = fields.required("value", kinds::any);
        let wait = fields.default("wait", kinds::boolean, false);
        let timeout = fields.nullable("timeout", seconds);
        let connection_timeout = fields.nullable("connection_timeout", seconds);
        let use_complete = fields.default("use_complete", kinds::boolean, false);
        // The channel converts to the PV's own type, so that a forced one has nothing left to do.
        let ftype = fields.nullable("ftype", kinds::integer);
        let check_limits = fields.nullable("check_limits", kinds::boolean);
        ftype?;
        Some(Self {
            pv: pv?,
            value: value?,
            wait: wait?,
            use_complete: use_complete?,
            timeout: given(timeout?),
            connection_timeout: given(connection_timeout?),
            check_limits: check_limits?,
        })
    }
}

/// Several writes, in order.
#[derive(Debug)]
pub(crate) struct BatchRequest {
    caputs: Vec<PutRequest>,
}

impl Model for BatchRequest {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let rows = kinds::list_of_length(1, MAX_BATCH, kinds::model);
        Some(Self { caputs: fields.required("caputs", rows)? })
    }
}

/// A write that was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVSetResponse {
    /// EPICS name.
    pv_name: String,
    /// Always true; a failure is an error answer.
    success: bool,
    /// The value as the client sent it.
    value_set: Value,
    /// Local time.
    timestamp: String,
    /// Whether locks and switches were looked at.
    coordination_checked: bool,
    /// `fire-and-forget` or `put-completion`.
    mode: &'static str,
    /// A sentence.
    message: &'static str,
}

/// One row of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVSetBatchItemResult {
    /// EPICS name.
    pv_name: String,
    /// Whether it was written.
    success: bool,
    /// The value as the client sent it; null when it was not written.
    value_set: Value,
    /// Local time.
    timestamp: String,
    /// Whether locks and switches were looked at.
    coordination_checked: bool,
    /// `fire-and-forget` or `put-completion`; null when it was not written.
    mode: Option<&'static str>,
    /// A sentence.
    message: String,
    /// Name of the error, when there was one.
    error_type: Option<&'static str>,
    /// Status that `/api/v1/pv/set` would have answered.
    status_code: u16,
}

/// What came of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVSetBatchResponse {
    /// Whether all were written.
    ok: bool,
    /// How many were written.
    applied: usize,
    /// How many were asked for.
    requested: usize,
    /// The writes up to the first failure.
    results: Vec<PVSetBatchItemResult>,
}

/// Writes one PV.
#[utoipa::path(post, path = "/api/v1/pv/set",
    request_body = crate::http::openapi::PVSetRequest,
    responses((status = 200, body = PVSetResponse)))]
pub(crate) async fn set_pv(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Guarded(request): Guarded<PutRequest>,
) -> Result<Json<PVSetResponse>, ApiError> {
    let attempt = gateway.audit.put(&caller, &request.pv, &request.value);
    let done = put(&gateway, attempt, &request).await?;
    Ok(Json(PVSetResponse {
        pv_name: request.pv,
        success: true,
        value_set: request.value,
        timestamp: clock::now(),
        coordination_checked: true,
        mode: done.mode(),
        message: done.message(),
    }))
}

/// Writes several PVs one after the other and stops at the first failure. What was written stays
/// written.
#[utoipa::path(post, path = "/api/v1/pv/set/batch",
    request_body = crate::http::openapi::PVSetBatchRequest,
    responses((status = 200, body = PVSetBatchResponse)))]
pub(crate) async fn set_pv_batch(
    State(gateway): State<Arc<Gateway>>,
    CalledBy(caller): CalledBy,
    Guarded(batch): Guarded<BatchRequest>,
) -> Json<PVSetBatchResponse> {
    let requested = batch.caputs.len();
    let mut results = Vec::with_capacity(requested);
    for request in batch.caputs {
        let attempt = gateway.audit.put(&caller, &request.pv, &request.value);
        let result = put(&gateway, attempt, &request).await;
        let failed = result.is_err();
        results.push(row(request, result));
        if failed {
            break;
        }
    }
    let applied = results.iter().filter(|row| row.success).count();
    Json(PVSetBatchResponse { ok: applied == requested, applied, requested, results })
}

fn row(request: PutRequest, result: Result<Done, PutError>) -> PVSetBatchItemResult {
    let timestamp = clock::now();
    match result {
        Ok(done) => PVSetBatchItemResult {
            pv_name: request.pv,
            success: true,
            value_set: request.value,
            timestamp,
            coordination_checked: true,
            mode: Some(done.mode()),
            message: done.message().to_owned(),
            error_type: None,
            status_code: 200,
        },
        Err(error) => PVSetBatchItemResult {
            pv_name: request.pv,
            success: false,
            value_set: Value::Null,
            timestamp,
            coordination_checked: error.coordination_checked(),
            mode: None,
            message: error.to_string(),
            error_type: Some(error.kind()),
            status_code: error.status().as_u16(),
        },
    }
}
