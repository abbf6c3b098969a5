//! Reading PVs (contract §1.8).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};
use utoipa::ToSchema;

use super::Shared;
use super::errors::{device_not_found, pv_not_found};
use super::locks::PvQuery;
use super::pv_health;
use super::written::kept;
use crate::index::{Entry, Glob};
use crate::registry::Registry;

/// What the registry knows of a PV. It never asks EPICS, so everything live is empty.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PVMetadata {
    pv: String,
    #[schema(required = false)]
    connected: bool,
    dtype: Option<String>,
    units: Option<String>,
    precision: Option<i64>,
    enum_strs: Option<Vec<String>>,
    upper_ctrl_limit: Option<f64>,
    lower_ctrl_limit: Option<f64>,
    device_name: Option<String>,
    component_name: Option<String>,
}

/// PVs of one device.
#[utoipa::path(get, path = "/api/v1/devices/{device_name}/pvs", tag = "PV Registry",
    params(("device_name" = String, Path)), responses((status = 200, body = Object)))]
pub(crate) async fn get_device_pvs(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let entry = registry.look(|index| index.device(&name).cloned());
    let shown = &entry.as_ref().ok_or_else(|| device_not_found(&name))?.shown.metadata;
    let pvs: IndexMap<&Arc<str>, Value> = shown
        .pvs
        .iter()
        .map(|(component, pv)| {
            (component, json!({ "pv_name": pv, "connected": false, "dtype": null }))
        })
        .collect();
    Ok(Json(json!({
        "device_name": shown.name,
        "device_label": shown.device_label,
        "pvs": pvs,
        "count": pvs.len(),
    })))
}

pub(crate) struct Pattern(Option<Glob>);

impl Model for Pattern {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let pattern = fields.optional("pattern", kinds::string)?;
        Some(Self(pattern.filter(|text| !text.is_empty()).map(|text| Glob::new(&text))))
    }
}

/// Names of all PVs that fit, sorted.
#[utoipa::path(get, path = "/api/v1/pvs", tag = "PV Registry",
    params(("pattern" = Option<String>, Query)), responses((status = 200, body = Object)))]
pub(crate) async fn list_pvs(
    State(registry): Shared,
    uri: Uri,
    Query(Pattern(pattern)): Query<Pattern>,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Names {
        success: bool,
        pvs: Vec<Arc<str>>,
        count: usize,
    }
    let fits = |name: &Arc<str>| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
    kept(
        &registry,
        &uri,
        |index| index.pv_names().into_iter().filter(fits).collect::<Vec<_>>(),
        |pvs, json| Names { success: true, count: pvs.len(), pvs }.serialize(json),
    )
}

/// PVs of all devices.
#[utoipa::path(get, path = "/api/v1/pvs/detailed", tag = "PV Registry",
    responses((status = 200, body = Object)))]
pub(crate) async fn get_pvs_detailed(
    State(registry): Shared,
    uri: Uri,
) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Detailed<'a> {
        success: bool,
        devices: BTreeMap<&'a str, &'a IndexMap<Arc<str>, Arc<str>>>,
        device_count: usize,
        pv_count: usize,
    }
    let shown = |entry: &Arc<Entry>| Arc::clone(&entry.shown);
    kept(
        &registry,
        &uri,
        |index| {
            let all: Vec<_> = index.devices().values().map(shown).collect();
            (all, index.pv_names().len())
        },
        |(all, pv_count), json| {
            let metadata = all.iter().map(|one| &one.metadata);
            let devices: BTreeMap<&str, _> =
                metadata.map(|metadata| (metadata.name.as_str(), &metadata.pvs)).collect();
            let device_count = devices.len();
            Detailed { success: true, devices, device_count, pv_count }.serialize(json)
        },
    )
}

/// The device that a PV belongs to, with all its PVs.
#[utoipa::path(get, path = "/api/v1/pvs/lookup", tag = "PV Registry",
    params(("pv_name" = String, Query)), responses((status = 200, body = Object)))]
pub(crate) async fn lookup_device_pvs_by_pv(
    State(registry): Shared,
    Query(PvQuery(pv)): Query<PvQuery>,
) -> Result<Json<Value>, ApiError> {
    registry.look(|index| {
        let owner = index.owner(&pv).and_then(|owner| index.device(owner.device));
        match owner {
            Some(entry) => Ok(Json(json!({
                "pv_name": pv,
                "device_name": entry.shown.metadata.name,
                "device_label": entry.shown.metadata.device_label,
                "prefix": entry.shown.prefix,
                "sibling_pvs": entry.shown.metadata.pvs,
                "count": entry.shown.metadata.pvs.len(),
            }))),
            None if index.knows_pv(&pv) => Ok(Json(json!({
                "pv_name": pv,
                "device_name": null,
                "device_label": null,
                "prefix": null,
                "sibling_pvs": {},
                "count": 0,
            }))),
            None => Err(pv_not_found(&pv)),
        }
    })
}

/// What the registry knows of one PV, and which device it belongs to.
#[utoipa::path(get, path = "/api/v1/pvs/{pv_name}", tag = "PV Registry",
    params(("pv_name" = String, Path)), responses((status = 200, body = PVMetadata)))]
pub(crate) async fn get_pv(registry: &Registry, pv: String) -> Result<Json<PVMetadata>, ApiError> {
    let owner = registry.look(|index| match index.owner(&pv) {
        Some(owner) => Some(Some((owner.device.to_owned(), owner.component.to_owned()))),
        None => index.standalone_pv(&pv).map(|_| None),
    });
    let (device_name, component_name) = owner.ok_or_else(|| pv_not_found(&pv))?.unzip();
    Ok(Json(PVMetadata {
        pv,
        connected: false,
        dtype: None,
        units: None,
        precision: None,
        enum_strs: None,
        upper_ctrl_limit: None,
        lower_ctrl_limit: None,
        device_name,
        component_name,
    }))
}

/// `GET /api/v1/pvs/{pv_name}` and `GET /api/v1/pvs/{pv_name}/health`.
pub(crate) async fn get_pv_or_its_health(
    State(registry): Shared,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    match path.strip_suffix("/health") {
        Some(pv) => Ok(pv_health::get_pv_health(&registry, pv)?.into_response()),
        None => Ok(get_pv(&registry, path).await?.into_response()),
    }
}

/// There is no route to read a standalone record, so the name is that of a PV.
pub(crate) async fn get_pv_called_standalone(
    State(registry): Shared,
    Path(path): Path<String>,
) -> Result<Response, ApiError> {
    get_pv_or_its_health(State(registry), Path(format!("standalone/{path}"))).await
}
