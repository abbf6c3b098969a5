//! Domain errors as HTTP answers: the one place that knows both.

use service::ApiError;

use crate::device::create::NameMismatch;
use crate::device::update::UpdateError;
use crate::locks::Foreign;
use crate::registry::Registry;
use crate::store::StoreError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let Some(message) = error.invalid() {
            return Self::unprocessable(message).caused_by(error);
        }
        let detail = match &error {
            StoreError::Contended(_) => "registry store is changed by others too fast, try again",
            StoreError::Stopped => "service is stopping",
            StoreError::Unseen => "stored, but the registry store is late to tell of it; try again",
            StoreError::Api(_) | StoreError::Timeout | StoreError::Unreadable { .. } => {
                "registry store unreachable"
            }
        };
        Self::unavailable(detail).caused_by(error)
    }
}

impl From<NameMismatch> for ApiError {
    fn from(error: NameMismatch) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<UpdateError> for ApiError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Fields(problems) => problems.into(),
            error @ (UpdateError::MetadataName { .. } | UpdateError::SpecName { .. }) => {
                Self::bad_request(error.to_string())
            }
            error @ (UpdateError::Metadata(_) | UpdateError::Spec(_)) => {
                Self::unprocessable(error.to_string())
            }
        }
    }
}

impl From<Foreign> for ApiError {
    fn from(error: Foreign) -> Self {
        Self::forbidden(error.to_string())
    }
}

/// 404 for a device.
pub(super) fn device_not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("Device not found: {name}"))
}

/// 404 for a PV.
pub(super) fn pv_not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("PV not found: {name}"))
}

/// 422 unless the class lies under an allowed import path.
pub(super) fn check_class(registry: &Registry, class: &str) -> Result<(), ApiError> {
    if crate::device::class_is_allowed(class, &registry.settings.device_class_allowlist.0) {
        return Ok(());
    }
    Err(ApiError::unprocessable(format!(
        "device_class '{class}' is not in the configured allowlist of importable module prefixes"
    )))
}

/// 501 when this registry must not be changed over the API.
pub(super) fn check_writable(registry: &Registry, what: &str) -> Result<(), ApiError> {
    if registry.settings.writable {
        return Ok(());
    }
    Err(ApiError::new(
        axum::http::StatusCode::NOT_IMPLEMENTED,
        format!("{what} not enabled. Set CONFIG_DEVICE_CHANGE_HISTORY_ENABLED=true."),
    ))
}

/// What is not possible without persistence, for devices and locks.
pub(super) const DEVICE_PERSISTENCE: &str = "Device registry persistence";
/// What is not possible without persistence, for standalone PVs.
pub(super) const PV_REGISTRATION: &str = "Standalone PV registration";
