//! Which status a domain error has: the one place where direct control knows HTTP codes.

use axum::http::StatusCode;
use service::ApiError;

use crate::device::DeviceError;
use crate::gate::Refusal;
use crate::put::PutError;
use crate::read::ReadError;

impl Refusal {
    /// Status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ReadOnlyMode => StatusCode::FORBIDDEN,
            Self::UnknownPv(_) | Self::UnknownDevice(_) => StatusCode::NOT_FOUND,
            Self::Disabled(_) => StatusCode::CONFLICT,
            Self::Locked { .. } => StatusCode::LOCKED,
            Self::RegistryUnavailable | Self::Unknowable(_) | Self::TooManyUnknown(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Name of the Python exception in a batch row.
    fn kind(&self) -> &'static str {
        match self {
            Self::ReadOnlyMode => "ReadOnlyModeError",
            Self::UnknownPv(_) | Self::UnknownDevice(_) => "RegistryValidationError",
            Self::RegistryUnavailable | Self::TooManyUnknown(_) => "RuntimeError",
            Self::Disabled(_) => "DeviceDisabledError",
            Self::Locked { .. } => "DeviceLockedError",
            Self::Unknowable(_) => "CoordinationCheckError",
        }
    }
}

impl PutError {
    /// Status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Limits(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unwritable(_)
            | Self::NotConnected(_)
            | Self::Incomplete { .. }
            | Self::AccessDenied
            | Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Name of the Python exception in a batch row (contract §2.4).
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Limits(_) => "ValueLimitError",
            Self::Unwritable(_) => "TypeError",
            Self::NotConnected(_) | Self::Incomplete { .. } => "ControlError",
            Self::AccessDenied => "CASeverityException",
            Self::Failed(_) => "ValueError",
        }
    }

    /// Whether the gate was passed, whatever came after it.
    pub(crate) fn coordination_checked(&self) -> bool {
        !matches!(
            self,
            Self::Refused(
                Refusal::ReadOnlyMode | Refusal::UnknownPv(_) | Refusal::RegistryUnavailable
            )
        )
    }
}

impl DeviceError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::MethodNotAllowed(_) | Self::NotSupported { .. } => StatusCode::BAD_REQUEST,
            Self::NoComponent { .. } => StatusCode::NOT_FOUND,
            Self::Inactive(_) | Self::Limits(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnknownClass(_)
            | Self::NoModule(_)
            | Self::NoValue { .. }
            | Self::BadArguments(_)
            | Self::Unwritable(_)
            | Self::SoftLimits { .. }
            | Self::ReadOnly { .. }
            | Self::NotConnected { .. }
            | Self::Incomplete { .. }
            | Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl ReadError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::NoValue(_) | Self::NotConnected { .. } | Self::NoSubscription { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::Failed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(error: Refusal) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<PutError> for ApiError {
    fn from(error: PutError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}
