//! Reading devices (contract §1.4).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde::{Serialize, Serializer};
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};

use super::Shared;
use super::errors::device_not_found;
use super::written::{as_json, kept};
use crate::device::{DeviceInstantiationSpec, DeviceMetadata, LABELS};
use crate::index::{DeviceFilter, Entry, Glob};
use crate::vocabulary::DeviceLabel;

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
    ("device_label" = Option<DeviceLabel>, Query), ("pattern" = Option<String>, Query),
    ("ophyd_class" = Option<String>, Query), ("readable" = Option<bool>, Query),
    ("movable" = Option<bool>, Query), ("flyable" = Option<bool>, Query)),
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn list_devices(
    State(registry): Shared,
    uri: Uri,
    Query(filter): Query<DeviceFilter>,
) -> Result<Response, ApiError> {
    let fits = |entry: &&Arc<Entry>| filter.matches(&entry.shown.metadata);
    kept(
        &registry,
        &uri,
        |index| index.devices().values().filter(fits).cloned().collect::<Vec<_>>(),
        |found, json| json.collect_seq(found.iter().map(|entry| &entry.shown.metadata.name)),
    )
}

/// Metadata of all devices by name.
#[utoipa::path(get, path = "/api/v1/devices-info", tag = "Device Registry",
    responses((status = 200, body = BTreeMap<String, DeviceMetadata>)))]
pub(crate) async fn get_all_devices_info(
    State(registry): Shared,
    uri: Uri,
) -> Result<Response, ApiError> {
    let shown = |entry: &Arc<Entry>| Arc::clone(&entry.shown);
    kept(
        &registry,
        &uri,
        |index| index.devices().values().map(shown).collect::<Vec<_>>(),
        |all, json| {
            json.collect_map(all.iter().map(|one| (&one.metadata.name, &one.metadata_json)))
        },
    )
}

/// Short class names in use, sorted.
#[utoipa::path(get, path = "/api/v1/devices/classes", tag = "Device Registry",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn get_device_classes(
    State(registry): Shared,
    uri: Uri,
) -> Result<Response, ApiError> {
    let class = |entry: &Arc<Entry>| entry.shown.metadata.ophyd_class.clone();
    kept(
        &registry,
        &uri,
        |index| index.devices().values().map(class).collect::<BTreeSet<_>>(),
        |classes, json| classes.serialize(json),
    )
}

/// Device labels in use, sorted.
#[utoipa::path(get, path = "/api/v1/devices/types", tag = "Device Registry",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn get_device_labels(
    State(registry): Shared,
    uri: Uri,
) -> Result<Response, ApiError> {
    let label = |entry: &Arc<Entry>| entry.shown.metadata.device_label.as_str();
    kept(
        &registry,
        &uri,
        |index| index.devices().values().map(label).collect::<BTreeSet<_>>(),
        |labels, json| labels.serialize(json),
    )
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
    uri: Uri,
    Query(ActiveOnly(active_only)): Query<ActiveOnly>,
) -> Result<Response, ApiError> {
    let fits = |entry: &&Arc<Entry>| entry.shown.spec.active || !active_only;
    let shown = |entry: &Arc<Entry>| Arc::clone(&entry.shown);
    kept(
        &registry,
        &uri,
        |index| index.devices().values().filter(fits).map(shown).collect::<Vec<_>>(),
        |all, json| json.collect_map(all.iter().map(|one| (&one.spec.name, &one.spec_json))),
    )
}

/// Metadata of one device.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}", tag = "Device Registry",
    params(("device_name" = String, Path)), responses((status = 200, body = DeviceMetadata)))]
pub(crate) async fn get_device(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let json = registry
        .look(|index| index.device(&name).map(|entry| entry.shown.metadata_json.get().to_owned()));
    Ok(as_json(json.ok_or_else(|| device_not_found(&name))?))
}

/// Instantiation spec of one device, active or not.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}/instantiation",
    tag = "Device Instantiation", params(("device_name" = String, Path)),
    responses((status = 200, body = DeviceInstantiationSpec)))]
pub(crate) async fn get_device_instantiation(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let json = registry
        .look(|index| index.device(&name).map(|entry| entry.shown.spec_json.get().to_owned()));
    Ok(as_json(json.ok_or_else(|| device_not_found(&name))?))
}
