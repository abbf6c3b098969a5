//! `/api/v1/devices/resolve`: from dotted addresses to PVs (contract §2.6).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use service::validation::{Body, Fields, Model, kinds};
use utoipa::ToSchema;

use crate::device::{DeviceError, Target};
use crate::gate::Refusal;
use crate::gateway::Gateway;

/// Most addresses of one request.
const MAX_ADDRESSES: usize = 200;

/// Addresses to resolve.
#[derive(Debug)]
pub(crate) struct DeviceResolveRequest {
    addresses: Vec<String>,
}

impl Model for DeviceResolveRequest {
    const FORBID_EXTRA: bool = true;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let addresses = kinds::list_of_length(1, MAX_ADDRESSES, kinds::string);
        Some(Self { addresses: fields.required("addresses", addresses)? })
    }
}

/// What came of one address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceResolveResultItem {
    /// The address as it was asked for.
    address: String,
    /// `resolved`, or why not.
    outcome: &'static str,
    /// The PV that is written.
    pv_name: Option<String>,
    /// A sentence, when it is not resolved.
    message: Option<String>,
    /// Whether it is resolved.
    ok: bool,
}

/// What came of all addresses, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeviceResolveResponse {
    /// One row for each address.
    resolved: Vec<DeviceResolveResultItem>,
}

/// Resolves addresses. Always 200: one that cannot be resolved says so in its row.
#[utoipa::path(post, path = "/api/v1/devices/resolve",
    request_body = crate::http::openapi::DeviceResolveRequest,
    responses((status = 200, body = DeviceResolveResponse)))]
pub(crate) async fn resolve_device_paths(
    State(gateway): State<Arc<Gateway>>,
    Body(request): Body<DeviceResolveRequest>,
) -> Json<DeviceResolveResponse> {
    let resolved = request.addresses.into_iter().map(|address| row(&gateway, address)).collect();
    Json(DeviceResolveResponse { resolved })
}

fn row(gateway: &Gateway, address: String) -> DeviceResolveResultItem {
    let (outcome, pv_name, message) = match resolve(gateway, &address) {
        Ok(pv) => ("resolved", Some(pv), None),
        Err((outcome, message)) => (outcome, None, Some(message)),
    };
    DeviceResolveResultItem { ok: pv_name.is_some(), address, outcome, pv_name, message }
}

fn resolve(gateway: &Gateway, address: &str) -> Result<String, (&'static str, String)> {
    let name = address.split('.').next().unwrap_or_default();
    let device = gateway.known_device(name).map_err(|refusal| match refusal {
        Refusal::UnknownDevice(name) => {
            ("device_not_found", format!("device '{name}' not found in registry"))
        }
        other => ("registry_unavailable", other.to_string()),
    })?;
    let target = Target::find(&device, address).map_err(|error| match error {
        DeviceError::NoComponent { missing, .. } => {
            ("no_such_attr", format!("NoSuchAttr: walking '{missing}': {missing}"))
        }
        other => ("instantiation_failed", format!("InstantiationFailed: ImportError: {other}")),
    })?;
    match target.only() {
        Some(part) => Ok(part.read_pv.clone()),
        None => {
            let leaf = address.split_once('.').map_or("", |(_, leaf)| leaf);
            let text = format!(
                "NotAPVLeaf: leaf at '{leaf}' has no .pvname (classic ophyd) or .source (ophyd-async); not a PV-bearing signal"
            );
            Err(("not_a_pv_leaf", text))
        }
    }
}
