//! The registry as a whole: reset, clear, export (contract §1.9).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use crds::managed;
use service::ApiError;
use service::validation::{Fields, Model, Query, kinds};

use super::Shared;
use super::crud::DeviceChanged;
use super::errors::{DEVICE_PERSISTENCE, check_writable};
use crate::export;
use crate::history::ALL_DEVICES;
use crate::registry::Registry;
use crate::reset::Kind;
use crate::seed::{Profile, SeedError};

impl From<SeedError> for ApiError {
    fn from(error: SeedError) -> Self {
        match error {
            SeedError::Store(error) => error.into(),
            SeedError::Profile(_) => {
                Self::internal("the profile cannot be loaded").caused_by(error)
            }
        }
    }
}

/// Back to what the manifests say.
#[utoipa::path(post, path = "/api/v1/registry/reset", tag = "Registry Admin",
    responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn reset_registry(
    State(registry): Shared,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    Profile::read(&registry.settings)?;
    let count = registry.mender.reset(Kind::Reset).await?;
    let message = format!("Registry reset and re-seeded with {count} devices from profile");
    Ok(DeviceChanged::new(ALL_DEVICES, "reset", message))
}

/// Deletes every device.
#[utoipa::path(post, path = "/api/v1/registry/clear", tag = "Registry Admin",
    responses((status = 200, body = DeviceChanged)))]
pub(crate) async fn clear_registry(
    State(registry): Shared,
) -> Result<Json<DeviceChanged>, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    check_none_from_git(&registry)?;
    registry.mender.reset(Kind::Clear).await?;
    let message = "Registry cleared. 0 devices. Use CRUD or EE sync to populate.".to_owned();
    Ok(DeviceChanged::new(ALL_DEVICES, "clear", message))
}

/// 409 when git would put any device back.
fn check_none_from_git(registry: &Registry) -> Result<(), ApiError> {
    if registry.settings.runtime_edits {
        return Ok(());
    }
    let from_git = registry.look(|index| {
        let mut devices = index.devices().values();
        devices.find_map(|entry| managed::by_git(&entry.object.metadata))
    });
    let Some(owner) = from_git else { return Ok(()) };
    let detail = format!("Devices are synced from git by {owner}; remove them there");
    Err(ApiError::conflict(detail))
}

pub(crate) struct Format(String);

impl Model for Format {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.default("format", kinds::string, "happi".to_owned()).map(Self)
    }
}

/// The registry as a happi database, a BITS device list, or manifests.
#[utoipa::path(get, path = "/api/v1/registry/export", tag = "Registry Admin",
    params(("format" = Option<String>, Query)), responses((status = 200), (status = 400)))]
pub(crate) async fn export_registry(
    State(registry): Shared,
    Query(Format(format)): Query<Format>,
) -> Result<Response, ApiError> {
    check_writable(&registry, DEVICE_PERSISTENCE)?;
    let yaml = match format.as_str() {
        "happi" => return Ok(Json(registry.look(export::as_happi)).into_response()),
        "bits" => registry.look(export::as_bits),
        "manifests" => registry.look(export::as_manifests),
        other => {
            return Err(ApiError::bad_request(format!(
                "Unsupported export format: '{other}'. Supported: happi, bits, manifests"
            )));
        }
    };
    let yaml = yaml.map_err(|error| {
        ApiError::internal("cannot write the registry as YAML").caused_by(error.to_string())
    })?;
    Ok(([(header::CONTENT_TYPE, "application/x-yaml")], yaml).into_response())
}
