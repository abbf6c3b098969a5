//! Reading devices (contract §1.4).

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};

use super::Shared;
use super::errors::device_not_found;
use crate::device::{DeviceInstantiationSpec, DeviceMetadata, LABELS};
use crate::index::{DeviceFilter, Glob};

impl Model for DeviceFilter {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let label = fields.optional("device_label", kinds::enumeration(LABELS));
        let pattern = fields.optional("pattern", kinds::string);
        let ophyd_class = fields.optional("ophyd_class", kinds::string);
        let readable = fields.optional("readable", kinds::boolean);
        let movable = fields.optional("movable", kinds::boolean);
        let flyable = fields.optional("flyable", kinds::boolean);
        let not_empty = |text: &String| !text.is_empty();
        Some(Self {
            label: label?,
            pattern: pattern?.filter(not_empty).map(|pattern| Glob::new(&pattern)),
            ophyd_class: ophyd_class?.filter(not_empty),
            readable: readable?,
            movable: movable?,
            flyable: flyable?,
        })
    }
}

/// Names of all devices that fit, sorted.
#[utoipa::path(get, path = "/api/v1/devices", tag = "Device Registry", params(
    ("device_label" = Option<String>, Query), ("pattern" = Option<String>, Query),
    ("ophyd_class" = Option<String>, Query), ("readable" = Option<bool>, Query),
    ("movable" = Option<bool>, Query), ("flyable" = Option<bool>, Query)),
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn list_devices(
    State(registry): Shared,
    Query(filter): Query<DeviceFilter>,
) -> Json<Vec<String>> {
    Json(registry.look(|index| {
        let fitting = index.devices().iter().filter(|(_, entry)| filter.matches(&entry.metadata));
        fitting.map(|(name, _)| name.clone()).collect()
    }))
}

/// Metadata of all devices by name.
#[utoipa::path(get, path = "/api/v1/devices-info", tag = "Device Registry",
    responses((status = 200, body = BTreeMap<String, DeviceMetadata>)))]
pub(crate) async fn get_all_devices_info(State(registry): Shared) -> Response {
    registry.look(|index| {
        let all = index.devices().iter().map(|(name, entry)| (name, &entry.metadata));
        Json(all.collect::<BTreeMap<&String, &DeviceMetadata>>()).into_response()
    })
}

/// Short class names in use, sorted.
#[utoipa::path(get, path = "/api/v1/devices/classes", tag = "Device Registry",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn get_device_classes(State(registry): Shared) -> Json<BTreeSet<String>> {
    Json(registry.look(|index| {
        index.devices().values().map(|entry| entry.metadata.ophyd_class.clone()).collect()
    }))
}

/// Device labels in use, sorted.
#[utoipa::path(get, path = "/api/v1/devices/types", tag = "Device Registry",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn get_device_labels(State(registry): Shared) -> Json<BTreeSet<&'static str>> {
    Json(registry.look(|index| {
        index.devices().values().map(|entry| entry.metadata.device_label.as_str()).collect()
    }))
}

pub(crate) struct ActiveOnly(bool);

impl Model for ActiveOnly {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.default("active_only", kinds::boolean, true).map(Self)
    }
}

/// Instantiation specs by device name.
#[utoipa::path(get, path = "/api/v1/devices/instantiation", tag = "Device Instantiation",
    params(("active_only" = Option<bool>, Query)),
    responses((status = 200, body = BTreeMap<String, DeviceInstantiationSpec>)))]
pub(crate) async fn list_device_instantiations(
    State(registry): Shared,
    Query(ActiveOnly(active_only)): Query<ActiveOnly>,
) -> Response {
    registry.look(|index| {
        let fitting = index.devices().iter().filter(|(_, entry)| entry.spec.active || !active_only);
        let specs = fitting.map(|(name, entry)| (name, &entry.spec));
        Json(specs.collect::<BTreeMap<&String, &DeviceInstantiationSpec>>()).into_response()
    })
}

/// Metadata of one device.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}", tag = "Device Registry",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceMetadata)))]
pub(crate) async fn get_device(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceMetadata>, ApiError> {
    let entry = registry.look(|index| index.device(&name).cloned());
    let entry = entry.ok_or_else(|| device_not_found(&name))?;
    Ok(Json(entry.metadata.clone()))
}

/// Instantiation spec of one device, active or not.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}/instantiation",
    tag = "Device Instantiation", params(("device_name" = String, Path)),
    responses((status = 200, body = DeviceInstantiationSpec)))]
pub(crate) async fn get_device_instantiation(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<DeviceInstantiationSpec>, ApiError> {
    let entry = registry.look(|index| index.device(&name).cloned());
    let entry = entry.ok_or_else(|| device_not_found(&name))?;
    Ok(Json(entry.spec.clone()))
}
