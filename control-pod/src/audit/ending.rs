//! How a command that writes ended: what is told of each result. Pure.

use serde::{Serialize, Serializer};

use crate::device::DeviceError;
use crate::put::{Done, PutError};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Still under way.
    Pending,
    /// Handed to the IOC; nobody waited for what came of it.
    Sent,
    /// Done, as far as the command waited for it.
    Done,
    /// Not allowed, or makes no sense.
    Refused,
    /// Tried in vain.
    Failed,
    /// Not done in time.
    Timeout,
    /// Nobody waited for its end: the client left, a newer command came, or the service stopped.
    Abandoned,
}

impl Outcome {
    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.word())
    }
}

impl utoipa::PartialSchema for Outcome {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for Outcome {}

/// How a command ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// How.
    pub(crate) outcome: Outcome,
    /// Why it did not succeed, for programs.
    pub(crate) reason: Option<&'static str>,
    /// The same for people.
    pub(crate) message: Option<String>,
}

impl Ending {
    /// It ended well, or has not ended.
    pub(crate) fn plain(outcome: Outcome) -> Self {
        Self { outcome, reason: None, message: None }
    }

    /// Refused before anything was tried.
    pub(crate) fn refused(reason: &'static str, message: &impl ToString) -> Self {
        Self::because((Outcome::Refused, reason), message.to_string())
    }

    fn because((outcome, reason): (Outcome, &'static str), message: String) -> Self {
        Self { outcome, reason: Some(reason), message: Some(message) }
    }
}

impl From<&Result<Done, PutError>> for Ending {
    fn from(result: &Result<Done, PutError>) -> Self {
        match result {
            Ok(Done::Issued) => Self::plain(Outcome::Sent),
            Ok(Done::Confirmed) => Self::plain(Outcome::Done),
            Err(error) => Self::because(of_put(error), error.to_string()),
        }
    }
}

impl<T> From<&Result<T, DeviceError>> for Ending {
    fn from(result: &Result<T, DeviceError>) -> Self {
        match result {
            Ok(_) => Self::plain(Outcome::Done),
            Err(error) => Self::because(of_device(error), error.to_string()),
        }
    }
}

fn of_put(error: &PutError) -> (Outcome, &'static str) {
    match error {
        PutError::Refused(refusal) => (Outcome::Refused, refusal.word()),
        PutError::Limits(_) => (Outcome::Refused, "limits"),
        PutError::Unwritable(_) => (Outcome::Refused, "bad_value"),
        PutError::AccessDenied => (Outcome::Refused, "access_denied"),
        PutError::NotConnected(_) => (Outcome::Failed, "not_connected"),
        PutError::Incomplete { .. } => (Outcome::Timeout, "not_done_in_time"),
        PutError::Failed(_) => (Outcome::Failed, "failed"),
    }
}

fn of_device(error: &DeviceError) -> (Outcome, &'static str) {
    match error {
        DeviceError::Refused(refusal) => (Outcome::Refused, refusal.word()),
        DeviceError::Limits(_) | DeviceError::SoftLimits { .. } => (Outcome::Refused, "limits"),
        DeviceError::NoValue { .. } | DeviceError::BadArguments(_) | DeviceError::Unwritable(_) => {
            (Outcome::Refused, "bad_value")
        }
        DeviceError::ReadOnly { .. } => (Outcome::Refused, "access_denied"),
        DeviceError::Inactive(_) => (Outcome::Refused, "inactive"),
        DeviceError::MethodNotAllowed(_)
        | DeviceError::NotSupported { .. }
        | DeviceError::NoComponent { .. }
        | DeviceError::UnknownClass(_)
        | DeviceError::NoModule(_) => (Outcome::Refused, "not_supported"),
        DeviceError::NotConnected { .. } => (Outcome::Failed, "not_connected"),
        DeviceError::Incomplete { .. } => (Outcome::Timeout, "not_done_in_time"),
        DeviceError::Failed(_) => (Outcome::Failed, "failed"),
    }
}
