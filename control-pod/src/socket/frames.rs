//! The text frames of direct control's own sockets, exactly as contract §2.8 to §2.10 has them.

use std::sync::Arc;

use axum::extract::ws::Message;
use channels::{Alarm, Metadata, Sample, Severity};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock;
use crate::socket::session::Malformed;
use crate::values::json::Json;

/// EPICS severity as a number.
pub(crate) fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::None => 0,
        Severity::Minor => 1,
        Severity::Major => 2,
        Severity::Invalid => 3,
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::None => "NO_ALARM",
        Severity::Minor => "MINOR",
        Severity::Major => "MAJOR",
        Severity::Invalid => "INVALID",
    }
}

/// What a frame calls the thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Words {
    /// pv-socket: the PV itself.
    Pv,
    /// device-socket: a signal of a device.
    Device {
        /// Ophyd name.
        device: String,
        /// Component of the device.
        signal: String,
    },
}

#[derive(Serialize)]
struct PvUpdate<'a> {
    event_type: &'static str,
    pv: &'a str,
    value: Json<'a>,
    timestamp: f64,
    status: u16,
    severity: u8,
    connected: bool,
    read_access: bool,
    write_access: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_ctrl_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_ctrl_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_disp_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_disp_limit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm_status: Option<&'static str>,
    alarm_severity: u8,
    alarm_severity_name: &'static str,
}

#[derive(Serialize)]
struct DeviceUpdate<'a> {
    event_type: &'static str,
    device: &'a str,
    signal: &'a str,
    value: Json<'a>,
    timestamp: f64,
    connected: bool,
    read_access: bool,
    write_access: bool,
}

#[derive(Serialize)]
struct Meta<'a> {
    sub_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pv: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    connected: bool,
    read_access: bool,
    write_access: bool,
    timestamp: f64,
    status: u16,
    severity: u8,
    precision: Option<i16>,
    units: &'a str,
    lower_ctrl_limit: Option<f64>,
    upper_ctrl_limit: Option<f64>,
    enum_strs: Option<&'a [String]>,
}

/// The update that tells of `sample`; an error in its place when it would be longer than `limit`
/// bytes.
pub(crate) fn update(words: &Words, pv: &str, sample: &Sample, limit: usize) -> Message {
    let timestamp = clock::epoch_seconds(sample.time);
    let text = match words {
        Words::Pv => {
            let meta = sample.metadata.as_deref();
            let control = meta.and_then(|meta| meta.control_limits);
            let display = meta.and_then(|meta| meta.display_limits);
            compact(&PvUpdate {
                event_type: "pv_update",
                pv,
                value: Json(&sample.value),
                timestamp,
                status: sample.alarm.status,
                severity: severity_number(sample.alarm.severity),
                connected: sample.connected,
                read_access: sample.read_access,
                write_access: sample.write_access,
                units: meta.and_then(|meta| meta.units.as_deref()),
                precision: meta.and_then(|meta| meta.precision),
                lower_ctrl_limit: control.map(|(low, _)| low),
                upper_ctrl_limit: control.map(|(_, high)| high),
                lower_disp_limit: display.map(|(low, _)| low),
                upper_disp_limit: display.map(|(_, high)| high),
                alarm_status: Alarm::STATUS_NAMES.get(usize::from(sample.alarm.status)).copied(),
                alarm_severity: severity_number(sample.alarm.severity),
                alarm_severity_name: severity_name(sample.alarm.severity),
            })
        }
        Words::Device { device, signal } => compact(&DeviceUpdate {
            event_type: "device_update",
            device,
            signal,
            value: Json(&sample.value),
            timestamp,
            connected: sample.connected,
            read_access: sample.read_access,
            write_access: sample.write_access,
        }),
    };
    if text.len() <= limit {
        return Message::Text(text.into());
    }
    envelope("error", oversize(words, pv))
}

fn oversize(words: &Words, pv: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("error".into(), "payload exceeds size limit; update dropped".into());
    match words {
        Words::Pv => {
            fields.insert("pv".into(), pv.into());
        }
        Words::Device { device, signal } => {
            fields.insert("device".into(), device.as_str().into());
            fields.insert("signal".into(), signal.as_str().into());
        }
    }
    fields
}

/// Units, limits, labels and access of a PV.
pub(crate) fn meta(words: &Words, pv: &str, sample: &Sample) -> Message {
    let meta = sample.metadata.as_deref();
    let control = meta.and_then(|meta| meta.control_limits);
    let (pv, device, signal) = match words {
        Words::Pv => (Some(pv), None, None),
        Words::Device { device, signal } => (None, Some(device.as_str()), Some(signal.as_str())),
    };
    Message::Text(
        compact(&Meta {
            sub_type: "meta",
            pv,
            device,
            signal,
            connected: sample.connected,
            read_access: sample.read_access,
            write_access: sample.write_access,
            timestamp: clock::epoch_seconds(sample.time),
            status: sample.alarm.status,
            severity: severity_number(sample.alarm.severity),
            precision: meta.and_then(|meta| meta.precision),
            units: meta.and_then(|meta| meta.units.as_deref()).unwrap_or_default(),
            lower_ctrl_limit: control.map(|(low, _)| low),
            upper_ctrl_limit: control.map(|(_, high)| high),
            enum_strs: meta.and_then(|meta| meta.enum_labels.as_deref()),
        })
        .into(),
    )
}

/// Metadata is told again when it changed and when a PV comes back.
pub(crate) fn meta_due(before: Option<&Sample>, now: &Sample) -> bool {
    let Some(before) = before else { return true };
    now.connected && (!before.connected || !same_metadata(before, now))
}

/// Whether both have the same units, limits and labels.
pub(crate) fn same_metadata(a: &Sample, b: &Sample) -> bool {
    let same = |a: &Arc<Metadata>, b: &Arc<Metadata>| Arc::ptr_eq(a, b) || a == b;
    match (&a.metadata, &b.metadata) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// `{"type": kind, "timestamp": now, …fields}`.
pub(crate) fn envelope(kind: &str, fields: Map<String, Value>) -> Message {
    let mut frame = Map::new();
    frame.insert("type".into(), kind.into());
    frame.insert("timestamp".into(), clock::now().into());
    frame.extend(fields);
    Message::Text(Value::Object(frame).to_string().into())
}

/// The error envelope, with `context` after the text.
pub(crate) fn error(text: impl Into<String>, context: Map<String, Value>) -> Message {
    let mut fields = Map::new();
    fields.insert("error".into(), Value::String(text.into()));
    fields.extend(context);
    envelope("error", fields)
}

/// The answer to what is no command.
pub(crate) fn malformed(malformed: Malformed) -> Message {
    let text = match malformed {
        Malformed::NoObject(_) => "a command must be a JSON object".to_owned(),
        Malformed::NoJson(reason) => format!("invalid JSON: {reason}"),
    };
    error(text, Map::new())
}

/// The device was stopped.
pub(crate) fn stop_complete(device: &str, message: &str) -> Message {
    let mut fields = Map::new();
    fields.insert("device".into(), device.into());
    fields.insert("success".into(), true.into());
    fields.insert("message".into(), message.into());
    envelope("stop_complete", fields)
}

/// Serialising these plain structs cannot fail; an empty object would show if it ever did.
pub(crate) fn compact(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
