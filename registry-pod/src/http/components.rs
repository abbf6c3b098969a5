//! Components of devices, and addresses of components (contract §1.4).

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use service::ApiError;
use service::validation::{Body, Fields, Model, Query, kinds};
use utoipa::ToSchema;

use super::Shared;
use super::errors::device_not_found;
use crate::address::{self, PathResolveResultItem};
use crate::component::{self, NestedDeviceComponent};

/// Most addresses in one request.
const MAX_ADDRESSES: usize = 200;

/// A device, or one component of it by its dotted path.
#[utoipa::path(get, path = "/api/v1/devices/{device_path}/component", tag = "Device Components",
    params(("device_path" = String, Path)), responses((status = 200, body = NestedDeviceComponent)))]
pub(crate) async fn get_nested_device_component(
    State(registry): Shared,
    Path(path): Path<String>,
) -> Result<Json<NestedDeviceComponent>, ApiError> {
    let (root, key) = match path.split_once('.') {
        Some((root, key)) => (root, Some(key)),
        None => (path.as_str(), None),
    };
    let entry = registry.look(|index| index.device(root).cloned());
    let entry = entry.ok_or_else(|| device_not_found(root))?;
    Ok(Json(component::view(&entry.shown.metadata, key)))
}

pub(crate) struct MaxDepth(usize);

impl Model for MaxDepth {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let depth = fields.default("max_depth", kinds::integer_within(0, None), 0)?;
        Some(Self(usize::try_from(depth).unwrap_or(usize::MAX)))
    }
}

/// All components of a device.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}/components", tag = "Device Components",
    params(("device_name" = String, Path), ("max_depth" = Option<u64>, Query)),
    responses((status = 200, body = Vec<NestedDeviceComponent>)))]
pub(crate) async fn list_device_components(
    State(registry): Shared,
    Path(name): Path<String>,
    Query(MaxDepth(max_depth)): Query<MaxDepth>,
) -> Result<Json<Vec<NestedDeviceComponent>>, ApiError> {
    let entry = registry.look(|index| index.device(&name).cloned());
    let entry = entry.ok_or_else(|| device_not_found(&name))?;
    Ok(Json(component::all(&entry.shown.metadata, max_depth)))
}

/// Addresses to resolve.
#[derive(Debug, ToSchema)]
pub(crate) struct PathResolveRequest {
    addresses: Vec<String>,
}

impl Model for PathResolveRequest {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let kind = kinds::list_of_length(1, MAX_ADDRESSES, kinds::string);
        fields.required("addresses", kind).map(|addresses| Self { addresses })
    }
}

/// What the addresses stand for, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PathResolveResponse {
    resolved: Vec<PathResolveResultItem>,
}

/// Resolves dotted addresses to PVs. Always answers 200; each item says how it went.
#[utoipa::path(post, path = "/api/v1/devices/resolve", tag = "Device Components",
    request_body = PathResolveRequest, responses((status = 200, body = PathResolveResponse)))]
pub(crate) async fn resolve_device_paths(
    State(registry): Shared,
    Body(request): Body<PathResolveRequest>,
) -> Json<PathResolveResponse> {
    let resolved = registry.look(|index| {
        request.addresses.iter().map(|address| address::resolve(address, index)).collect()
    });
    Json(PathResolveResponse { resolved })
}
