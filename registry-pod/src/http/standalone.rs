//! Standalone PVs: known to the registry without a device (contract §1.8).

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use crds::managed;
use crds::process_variable::{AccessMode, Protocol};
use crds::{ProcessVariable, ProcessVariableSpec};
use kube::ResourceExt;
use serde::Serialize;
use service::ApiError;
use service::validation::{Body, Fields, Model, Query, kinds};
use utoipa::ToSchema;

use super::Shared;
use super::crud::ATTEMPTS;
use super::errors::{PV_REGISTRATION, check_writable};
use crate::device::is_pv_name;
use crate::registry::Registry;
use crate::store::StoreError;
use crate::store::write::UPDATED_AT;
use crate::vocabulary;

/// The rule for PV names, as errors word it.
const PV_PATTERN: &str = r"^[\x21-\x7e]+$";
const PROTOCOLS: &[&str] = &["ca", "pva"];
const ACCESS_MODES: &[&str] = &["read-only", "read-write"];

/// A standalone PV.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StandalonePV)]
pub(crate) struct StandalonePv {
    pv_name: String,
    description: Option<String>,
    #[schema(required = false, value_type = vocabulary::PVProtocol)]
    protocol: Protocol,
    #[schema(required = false, value_type = vocabulary::PVAccessMode)]
    access_mode: AccessMode,
    #[schema(required = false)]
    labels: Vec<String>,
    #[schema(required = false)]
    source: &'static str,
    created_by: Option<String>,
    created_at: Option<f64>,
    updated_at: Option<f64>,
}

impl StandalonePv {
    fn of(pv: &ProcessVariable) -> Self {
        let created = pv.metadata.creation_timestamp.as_ref();
        let created_at = created.map(|time| time.0.as_duration().as_secs_f64());
        let updated = pv.annotations().get(UPDATED_AT).and_then(|at| at.parse().ok());
        Self {
            pv_name: pv.spec.pv_name.clone(),
            description: pv.spec.description.clone(),
            protocol: pv.spec.protocol,
            access_mode: pv.spec.access_mode,
            labels: pv.spec.labels.clone(),
            source: "runtime",
            created_by: None,
            created_at,
            updated_at: updated.or(created_at),
        }
    }
}

/// A standalone PV was changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StandalonePVCRUDResponse)]
pub(crate) struct PvChanged {
    success: bool,
    pv_name: String,
    operation: &'static str,
    message: String,
}

impl PvChanged {
    fn new(pv: String, operation: &'static str, done: &str) -> Json<Self> {
        let message = format!("Standalone PV '{pv}' {done} successfully");
        Json(Self { success: true, pv_name: pv, operation, message })
    }
}

/// A standalone PV to register.
pub(crate) struct NewPv(ProcessVariableSpec);

impl Model for NewPv {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let pv_name = fields.required("pv_name", kinds::matching(PV_PATTERN, is_pv_name));
        let description = fields.nullable("description", kinds::string);
        let protocol = fields.default("protocol", kinds::enumeration(PROTOCOLS), Protocol::Ca);
        let access_mode =
            fields.default("access_mode", kinds::enumeration(ACCESS_MODES), AccessMode::ReadOnly);
        let labels = fields.default("labels", kinds::list(kinds::string), Vec::new());
        Some(Self(ProcessVariableSpec {
            pv_name: pv_name?,
            protocol: protocol?,
            access_mode: access_mode?,
            description: description?,
            labels: labels?,
        }))
    }
}

/// Registers a PV.
#[utoipa::path(post, path = "/api/v1/pvs", tag = "Standalone PVs",
    request_body = super::interface::StandalonePVCreateRequest,
    responses((status = 201, body = PvChanged)))]
pub(crate) async fn create_standalone_pv(
    State(registry): Shared,
    Body(NewPv(spec)): Body<NewPv>,
) -> Result<(StatusCode, Json<PvChanged>), ApiError> {
    check_writable(&registry, PV_REGISTRATION)?;
    let name = spec.pv_name.clone();
    let exists = || ApiError::conflict(format!("PV already exists in registry: {name}"));
    if registry.look(|index| index.knows_pv(&name)) {
        return Err(exists());
    }
    match registry.create_pv(spec).await {
        Err(error) if error.is_conflict() => Err(exists().caused_by(error)),
        created => {
            created?;
            Ok((StatusCode::CREATED, PvChanged::new(name, "create", "registered")))
        }
    }
}

/// The fields to change; null clears the description.
#[derive(Default)]
pub(crate) struct PvUpdate {
    description: Option<Option<String>>,
    protocol: Option<Protocol>,
    access_mode: Option<AccessMode>,
    labels: Option<Vec<String>>,
}

impl Model for PvUpdate {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let description = fields.optional("description", kinds::nullable(kinds::string));
        let protocol = fields.optional("protocol", kinds::enumeration(PROTOCOLS));
        let access_mode = fields.optional("access_mode", kinds::enumeration(ACCESS_MODES));
        let labels = fields.nullable("labels", kinds::list(kinds::string));
        Some(Self {
            description: description?,
            protocol: protocol?,
            access_mode: access_mode?,
            labels: labels?,
        })
    }
}

impl PvUpdate {
    fn apply(&self, old: &ProcessVariableSpec) -> ProcessVariableSpec {
        ProcessVariableSpec {
            pv_name: old.pv_name.clone(),
            description: self.description.clone().unwrap_or_else(|| old.description.clone()),
            protocol: self.protocol.unwrap_or(old.protocol),
            access_mode: self.access_mode.unwrap_or(old.access_mode),
            labels: self.labels.clone().unwrap_or_else(|| old.labels.clone()),
        }
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Standalone PV not found: {name}"))
}

fn find(registry: &Registry, name: &str) -> Result<ProcessVariable, ApiError> {
    let pv = registry.look(|index| index.standalone_pv(name).cloned());
    let pv = pv.ok_or_else(|| not_found(name))?;
    if let Some(owner) = managed::by_git(&pv.metadata).filter(|_| !registry.settings.runtime_edits)
    {
        let detail =
            format!("Standalone PV '{name}' is synced from git by {owner}; change it there");
        return Err(ApiError::conflict(detail));
    }
    Ok((*pv).clone())
}

/// Changes the given fields of a standalone PV.
#[utoipa::path(put, path = "/api/v1/pvs/standalone/{pv_name}", tag = "Standalone PVs",
    params(("pv_name" = String, Path)),
    request_body = super::interface::StandalonePVUpdateRequest,
    responses((status = 200, body = PvChanged)))]
pub(crate) async fn update_standalone_pv(
    State(registry): Shared,
    Path(name): Path<String>,
    Body(update): Body<PvUpdate>,
) -> Result<Json<PvChanged>, ApiError> {
    check_writable(&registry, PV_REGISTRATION)?;
    let mut pv = find(&registry, &name)?;
    // Direct control writes the status of the same object.
    for _ in 0..ATTEMPTS {
        match registry.replace_pv(&pv, update.apply(&pv.spec)).await {
            Ok(()) => return Ok(PvChanged::new(name, "update", "updated")),
            Err(error) if error.is_not_found() => return Err(not_found(&name)),
            Err(error) if error.is_conflict() => {
                let fresh = registry.fresh_pv(&pv).await?;
                pv = fresh.ok_or_else(|| not_found(&name))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended("the standalone PV").into())
}

/// Deletes a standalone PV.
#[utoipa::path(delete, path = "/api/v1/pvs/standalone/{pv_name}", tag = "Standalone PVs",
    params(("pv_name" = String, Path)), responses((status = 200, body = PvChanged)))]
pub(crate) async fn delete_standalone_pv(
    State(registry): Shared,
    Path(name): Path<String>,
) -> Result<Json<PvChanged>, ApiError> {
    check_writable(&registry, PV_REGISTRATION)?;
    let pv = find(&registry, &name)?;
    registry.delete_pv(&pv).await?;
    Ok(PvChanged::new(name, "delete", "deleted"))
}

pub(crate) struct LabelQuery(Vec<String>);

impl Model for LabelQuery {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let labels = fields.optional("labels", kinds::string)?.unwrap_or_default();
        let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty());
        Some(Self(labels.map(ToOwned::to_owned).collect()))
    }
}

/// Standalone PVs that carry all of the labels.
#[utoipa::path(get, path = "/api/v1/pvs/standalone", tag = "Standalone PVs",
    params(("labels" = Option<String>, Query)), responses((status = 200, body = Vec<StandalonePv>)))]
pub(crate) async fn list_standalone_pvs(
    State(registry): Shared,
    Query(LabelQuery(labels)): Query<LabelQuery>,
) -> Json<Vec<StandalonePv>> {
    Json(registry.look(|index| {
        let all = index.standalone_pvs().values();
        all.filter(|pv| labels.iter().all(|label| pv.spec.labels.contains(label)))
            .map(|pv| StandalonePv::of(pv))
            .collect()
    }))
}

/// Labels of standalone PVs, sorted.
#[utoipa::path(get, path = "/api/v1/pvs/labels", tag = "Standalone PVs",
    responses((status = 200, body = Vec<String>)))]
pub(crate) async fn list_standalone_pv_labels(State(registry): Shared) -> Json<BTreeSet<String>> {
    Json(registry.look(|index| {
        let all = index.standalone_pvs().values();
        all.flat_map(|pv| pv.spec.labels.iter().cloned()).collect()
    }))
}
