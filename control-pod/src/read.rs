//! Reading one PV: once from the IOC, or from its shared monitor (contract §2.5).

use std::sync::Arc;
use std::time::Duration;

use channels::{PvError, PvValue, Sample, Want};
use thiserror::Error;

use crate::gate::Refusal;
use crate::gateway::Gateway;
use crate::put::CONNECT_TIMEOUT;
use crate::values::{array, text};

/// DBR type 0: the value as text.
const DBR_STRING: i64 = 0;

/// How to read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadOptions {
    /// The value as text.
    pub(crate) as_string: bool,
    /// Most elements of an array.
    pub(crate) count: Option<usize>,
    /// Answer from the shared monitor.
    pub(crate) use_monitor: bool,
    /// How long the read may take.
    pub(crate) timeout: Duration,
    /// How long the connection may take.
    pub(crate) connection_timeout: Duration,
    /// Forced DBR type.
    pub(crate) ftype: Option<i64>,
}

/// Why a PV was not read.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum ReadError {
    /// The registry does not know it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody answers.
    #[error("PV {0}: caget returned no value (connection or timeout)")]
    NoValue(String),
    /// Nobody answers, on the path with a forced type.
    #[error("PV {pv}: not connected (timeout {:?}s)", .timeout.as_secs_f64())]
    NotConnected {
        /// EPICS name.
        pv: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The monitor saw no connection.
    #[error("PV {pv} subscription failed: {pv} could not connect within {:?}-second timeout.", .timeout.as_secs_f64())]
    NoSubscription {
        /// EPICS name.
        pv: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// Anything else.
    #[error("read failed for {pv}: {reason}")]
    Failed {
        /// EPICS name.
        pv: String,
        /// The protocol's words.
        reason: String,
    },
}

/// Reads the PV now.
///
/// # Errors
/// [`ReadError::Refused`], [`ReadError::NoValue`], [`ReadError::NotConnected`],
/// [`ReadError::Failed`].
pub(crate) async fn once(
    gateway: &Gateway,
    pv: &str,
    options: &ReadOptions,
) -> Result<PvValue, ReadError> {
    gateway.known_pv(pv)?;
    let sample = if options.use_monitor {
        let monitor = gateway.monitors.of(pv);
        monitor
            .connected(options.connection_timeout)
            .await
            .map_err(|error| silent(pv, options, error))?
    } else {
        let channel = gateway.pvs.channel(pv);
        let connected = channel.connected(options.connection_timeout).await;
        connected.map_err(|error| silent(pv, options, error))?;
        let as_text = options.as_string || options.ftype == Some(DBR_STRING);
        let want = if as_text { Want::Control } else { Want::Time };
        let sample = channel.get(want, options.timeout).await;
        Arc::new(sample.map_err(|error| silent(pv, options, error))?)
    };
    Ok(shown(&sample, options))
}

fn silent(pv: &str, options: &ReadOptions, error: PvError) -> ReadError {
    match error {
        PvError::NotFound { .. } if options.ftype.is_some() => {
            ReadError::NotConnected { pv: pv.to_owned(), timeout: options.connection_timeout }
        }
        PvError::NotFound { .. } | PvError::Disconnected { .. } | PvError::Timeout { .. } => {
            ReadError::NoValue(pv.to_owned())
        }
        other => ReadError::Failed { pv: pv.to_owned(), reason: other.to_string() },
    }
}

/// The value in the form that was asked for.
fn shown(sample: &Sample, options: &ReadOptions) -> PvValue {
    if options.as_string {
        let metadata = sample.metadata.as_deref();
        return PvValue::String(text::display(&sample.value, metadata));
    }
    if options.ftype == Some(DBR_STRING) && sample.value.as_f64().is_some() {
        return PvValue::String(forced_text(sample));
    }
    match options.count {
        Some(count) => array::truncated(sample.value.clone(), count),
        None => sample.value.clone(),
    }
}

/// DBR_STRING of a number shows it in full, `0.0` and not `0`; of an enum its label.
fn forced_text(sample: &Sample) -> String {
    match sample.value {
        PvValue::Double(number) => format!("{number:?}"),
        PvValue::Float(number) => format!("{number:?}"),
        _ => text::display(&sample.value, sample.metadata.as_deref()),
    }
}

/// The latest sample of the PV's shared monitor, which is started if there is none. Of a PV whose
/// IOC is gone this is the last value, marked as disconnected.
///
/// # Errors
/// [`ReadError::Refused`], [`ReadError::NoSubscription`].
pub(crate) async fn monitored(gateway: &Gateway, pv: &str) -> Result<Arc<Sample>, ReadError> {
    gateway.known_pv(pv)?;
    let monitor = gateway.monitors.of(pv);
    if let Some(sample) = monitor.latest() {
        return Ok(sample);
    }
    monitor
        .connected(CONNECT_TIMEOUT)
        .await
        .map_err(|_| ReadError::NoSubscription { pv: pv.to_owned(), timeout: CONNECT_TIMEOUT })
}
