//! Writing one PV: gate, limits, put (contract §2.4). The same for REST, batches and sockets.

use std::time::Duration;

use channels::{PutMode, PvChannel, PvError, Want};
use serde_json::Value;
use thiserror::Error;

use crate::audit::Attempt;
use crate::gate::Refusal;
use crate::gateway::Gateway;
use crate::limits::{self, OutOfLimits};
use crate::values::write::{Unwritable, from_json};

/// How long a PV may take to connect when the request does not say.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PutRequest {
    /// EPICS name.
    pub(crate) pv: String,
    /// What to write.
    pub(crate) value: Value,
    /// Whether to wait until the IOC has done everything that the write causes.
    pub(crate) wait: bool,
    /// Whether to write with a callback although the client does not ask to wait.
    pub(crate) use_complete: bool,
    /// How long the completion may take.
    pub(crate) timeout: Option<Duration>,
    /// How long the connection may take.
    pub(crate) connection_timeout: Option<Duration>,
    /// Whether to check the PV's control limits.
    pub(crate) check_limits: Option<bool>,
}

/// How a write was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Handed to the IOC.
    Issued,
    /// The IOC reported completion.
    Confirmed,
}

impl Done {
    /// The word on the wire.
    pub(crate) fn mode(self) -> &'static str {
        match self {
            Self::Issued => "fire-and-forget",
            Self::Confirmed => "put-completion",
        }
    }

    /// The sentence on the wire.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Issued => "Write issued (fire-and-forget). Monitor PV readback for confirmation.",
            Self::Confirmed => "PV set confirmed (put-completion)",
        }
    }
}

/// Why a PV was not written.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum PutError {
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The value lies outside the limits.
    #[error(transparent)]
    Limits(#[from] OutOfLimits),
    /// No PV can hold the value.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// Nobody answers for the PV.
    #[error("Failed to set PV {0}")]
    NotConnected(String),
    /// The IOC did not report completion in time.
    #[error("PV {pv} put-callback did not complete within {:?}s", .timeout.as_secs_f64())]
    Incomplete {
        /// EPICS name.
        pv: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The PV may not be written.
    #[error(" put returned 'Write access denied'")]
    AccessDenied,
    /// The IOC or the protocol refused the value.
    #[error("{0}")]
    Failed(String),
}

/// Checks and writes. Read-only mode comes first, then the registry, the gate, the limits, and the
/// put itself.
///
/// # Errors
/// [`PutError`], in that order.
pub(crate) async fn put(
    gateway: &Gateway,
    attempt: Attempt,
    request: &PutRequest,
) -> Result<Done, PutError> {
    let result = attempt.watched(write(gateway, &attempt, request)).await;
    attempt.end(&result);
    result
}

async fn write(
    gateway: &Gateway,
    attempt: &Attempt,
    request: &PutRequest,
) -> Result<Done, PutError> {
    admit(gateway, &request.pv)?;
    let channel = gateway.pvs.channel(&request.pv);
    check_limits(gateway, request, &*channel).await?;
    let value = from_json(&request.value)?;
    let connecting = request.connection_timeout.unwrap_or(CONNECT_TIMEOUT);
    if channel.connected(connecting).await.is_err() {
        return Err(PutError::NotConnected(request.pv.clone()));
    }
    let mode =
        if request.wait || request.use_complete { PutMode::Completion } else { PutMode::NoWait };
    let timeout = request.timeout.unwrap_or(gateway.settings.command_timeout);
    attempt.writes(&*channel, &value);
    channel.put(value, mode, timeout).await.map_err(|error| failure(&request.pv, &error))?;
    Ok(if request.wait { Done::Confirmed } else { Done::Issued })
}

/// Whether the PV may be written now.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn admit(gateway: &Gateway, pv: &str) -> Result<(), Refusal> {
    gateway.writes()?;
    gateway.known_pv(pv)?;
    gateway.pv_available(pv)
}

/// Limits are taken from memory where the PV is monitored, else read once. What cannot be read is
/// not checked.
async fn check_limits(
    gateway: &Gateway,
    request: &PutRequest,
    channel: &dyn PvChannel,
) -> Result<(), PutError> {
    if !request.check_limits.unwrap_or(gateway.settings.check_ctrl_limits)
        || crate::values::write::checkable_number(&request.value).is_none()
    {
        return Ok(());
    }
    let known = gateway.monitors.existing(&request.pv).and_then(|monitor| monitor.latest());
    if let Some(sample) = known.filter(|sample| sample.connected && sample.metadata.is_some()) {
        return Ok(limits::check(&request.pv, &request.value, &sample)?);
    }
    match channel.get(Want::Control, gateway.settings.ctrl_limit_read_timeout).await {
        Ok(sample) => Ok(limits::check(&request.pv, &request.value, &sample)?),
        Err(error) => {
            tracing::debug!(pv = request.pv, %error, "limits are not checked");
            Ok(())
        }
    }
}

fn failure(pv: &str, error: &PvError) -> PutError {
    match error {
        PvError::NotFound { .. } | PvError::Disconnected { .. } => {
            PutError::NotConnected(pv.to_owned())
        }
        PvError::Timeout { timeout, .. } => {
            PutError::Incomplete { pv: pv.to_owned(), timeout: *timeout }
        }
        PvError::ReadOnly { .. } => PutError::AccessDenied,
        PvError::Rejected { .. }
        | PvError::Refused { .. }
        | PvError::BadValue { .. }
        | PvError::Protocol { .. } => PutError::Failed(error.to_string()),
    }
}
