//! The text frames of this API, with the keys and their order of contract §4.2 and §5.2.
//!
//! Everything here is valid JSON: what is no number is `null`.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ws::Message;
use channels::{Alarm, PvValue, Sample};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::limits::is_whole;
use crate::monitors::heard::{Heard, Setpoint};
use crate::socket::frames::{compact, same_metadata, severity_number};
use crate::values::json::Json;
use crate::values::text;

/// Most decimals that a browser can be asked to show.
const MOST_DECIMALS: i16 = 100;
/// Longest array of NULs that is an empty text; a longer one is an image.
const MAX_TEXT: usize = 4096;

/// What a frame calls the thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Words {
    /// A PV by its own name.
    Pv {
        /// Whether the client wants to write it.
        read_only: bool,
    },
    /// The value of a device, or of one of its signals.
    Signal(SignalWords),
    /// Where a device is to go.
    Setpoint {
        /// As the client calls it.
        device: String,
    },
    /// Whether a device is on its way: its flag says 0 while it is.
    Moving {
        /// As the client calls it.
        device: String,
    },
}

/// A signal of a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SignalWords {
    /// The device as the client calls it.
    pub(crate) device: String,
    /// Its ophyd name.
    pub(crate) signal: String,
    /// Whether access rights are told with the value: ophyd has none of a whole device.
    pub(crate) access: bool,
    /// Whether the value is shown as text.
    pub(crate) string: bool,
    /// Whether the client wants to write it.
    pub(crate) read_only: bool,
}

/// A value as this API shows it: as everywhere, but no bytes at all are a text without letters.
struct Shown<'a>(&'a PvValue);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            PvValue::CharArray(bytes)
                if bytes.len() <= MAX_TEXT && bytes.iter().all(|byte| *byte == 0) =>
            {
                out.serialize_str("")
            }
            other => Json(other).serialize(out),
        }
    }
}

#[derive(Serialize)]
struct PvValueFrame<'a> {
    pv: &'a str,
    value: Shown<'a>,
    timestamp: f64,
    connected: bool,
    read_access: bool,
    write_access: bool,
}

#[derive(Serialize)]
struct SignalValueFrame<'a, V: Serialize> {
    device: &'a str,
    value: V,
    timestamp: f64,
    connected: bool,
    read_access: Option<bool>,
    write_access: Option<bool>,
    signal: &'a str,
}

#[derive(Serialize)]
struct SetpointFrame<'a> {
    setpoint: Shown<'a>,
    sub_type: &'static str,
    device: &'a str,
}

#[derive(Serialize)]
struct MovingFrame<'a> {
    moving: bool,
    sub_type: &'static str,
    device: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    connected: bool,
    read_access: bool,
    write_access: bool,
    timestamp: f64,
    status: u16,
    severity: u8,
    precision: Option<i16>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    setpoint: Option<SetpointMeta>,
    lower_ctrl_limit: Value,
    upper_ctrl_limit: Value,
    units: Option<&'a str>,
    enum_strs: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    setpoint_precision: Option<Option<i16>>,
    sub_type: &'static str,
    obj: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pv: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
}

/// Only of what can be written.
#[derive(Serialize)]
struct SetpointMeta {
    setpoint_timestamp: Option<f64>,
    setpoint_status: Option<u16>,
    setpoint_severity: Option<u8>,
}

impl SetpointMeta {
    fn of(sample: Option<&Arc<Sample>>) -> Self {
        let alarm = sample.map(|sample| sample.alarm);
        Self {
            setpoint_timestamp: sample.map(|sample| clock::epoch_seconds(sample.time)),
            setpoint_status: alarm.map(|alarm| alarm.status),
            setpoint_severity: alarm.map(|alarm| severity_number(alarm.severity)),
        }
    }
}

/// The value; nothing while the PV is disconnected, which the metadata says.
pub(crate) fn update(words: &Words, pv: &str, heard: &Heard, limit: usize) -> Option<Message> {
    let sample = &heard.sample;
    if !sample.connected {
        return None;
    }
    let timestamp = clock::epoch_seconds(sample.time);
    let (connected, value) = (heard.connected(), Shown(&sample.value));
    let text = match words {
        Words::Pv { read_only } => compact(&PvValueFrame {
            pv,
            value,
            timestamp,
            connected,
            read_access: sample.read_access,
            write_access: sample.write_access && !read_only,
        }),
        Words::Signal(words) if words.string => {
            let label = text::display(&sample.value, sample.metadata.as_deref());
            signal_value(words, label, timestamp, heard)
        }
        Words::Signal(words) => signal_value(words, value, timestamp, heard),
        Words::Setpoint { device } => {
            compact(&SetpointFrame { setpoint: value, sub_type: "meta", device })
        }
        Words::Moving { device } => {
            let moving = sample.value.as_f64() == Some(0.0);
            compact(&MovingFrame { moving, sub_type: "meta", device })
        }
    };
    if text.len() <= limit {
        return Some(Message::Text(text.into()));
    }
    Some(error(format!("An update of {pv} exceeds the size limit and was dropped")))
}

fn signal_value(
    words: &SignalWords,
    value: impl Serialize,
    timestamp: f64,
    heard: &Heard,
) -> String {
    let access = |access: bool| words.access.then_some(access);
    compact(&SignalValueFrame {
        device: &words.device,
        value,
        timestamp,
        connected: heard.connected(),
        read_access: access(heard.sample.read_access),
        write_access: access(is_writable(heard) && !words.read_only),
        signal: &words.signal,
    })
}

fn is_writable(heard: &Heard) -> bool {
    heard.written().is_some_and(|sample| sample.write_access)
}

/// Units, limits, labels, alarm and access.
pub(crate) fn meta(words: &Words, pv: &str, heard: &Heard) -> Option<Message> {
    let (read_only, obj) = match words {
        Words::Pv { read_only } => (*read_only, pv),
        Words::Signal(words) => (words.read_only, words.signal.as_str()),
        Words::Setpoint { .. } | Words::Moving { .. } => return None,
    };
    let signal = match words {
        Words::Signal(words) => Some(words),
        _ => None,
    };
    let sample = &heard.sample;
    let metadata = sample.metadata.as_deref();
    let decimals = |sample: &Arc<Sample>| {
        let precision = sample.metadata.as_ref().and_then(|metadata| metadata.precision);
        precision.filter(|precision| (0..=MOST_DECIMALS).contains(precision))
    };
    let (low, high) = limits(heard);
    Some(Message::Text(
        compact(&Meta {
            connected: heard.connected(),
            read_access: sample.read_access,
            write_access: is_writable(heard) && !read_only,
            timestamp: clock::epoch_seconds(sample.time),
            status: sample.alarm.status,
            severity: severity_number(sample.alarm.severity),
            precision: decimals(sample),
            setpoint: (!read_only).then(|| SetpointMeta::of(heard.other())),
            lower_ctrl_limit: low,
            upper_ctrl_limit: high,
            units: metadata.and_then(|metadata| metadata.units.as_deref()),
            enum_strs: metadata.and_then(|metadata| metadata.enum_labels.as_deref()),
            setpoint_precision: (!read_only).then(|| heard.other().and_then(decimals)),
            sub_type: "meta",
            obj,
            pv: signal.is_none().then_some(pv),
            device: signal.map(|words| words.device.as_str()),
            signal: signal.map(|words| words.signal.as_str()),
        })
        .into(),
    ))
}

/// The control limits of what is written, as numbers of its type; null where it has none.
pub(crate) fn limits(heard: &Heard) -> (Value, Value) {
    let written = heard.written().unwrap_or(&heard.sample);
    let limits = written.metadata.as_ref().and_then(|metadata| metadata.control_limits);
    let (low, high) = limits.unzip();
    let number = |limit: Option<f64>| match limit {
        #[expect(clippy::cast_possible_truncation, reason = "limits of 32 bit PVs")]
        Some(limit) if is_whole(&written.value) => json!(limit as i64),
        limit => json!(limit),
    };
    (number(low), number(high))
}

/// Told again when connection, access, alarm, or metadata have changed.
pub(crate) fn meta_due(before: Option<&Heard>, now: &Heard) -> bool {
    let Some(before) = before else { return true };
    let state = |sample: &Sample| -> (bool, bool, Alarm) {
        (sample.read_access, sample.write_access, sample.alarm)
    };
    let same = |a: &Sample, b: &Sample| state(a) == state(b) && same_metadata(a, b);
    let same_setpoint = match (&before.setpoint, &now.setpoint) {
        (Setpoint::Other(Some(a)), Setpoint::Other(Some(b))) => same(a, b),
        (Setpoint::Other(a), Setpoint::Other(b)) => a.is_none() && b.is_none(),
        _ => true,
    };
    before.connected() != now.connected() || !same(&before.sample, &now.sample) || !same_setpoint
}

/// Nobody answers for a PV. Keys that are not known are left out.
pub(crate) fn silence(words: &Words, pv: &str) -> Option<Message> {
    let mut frame = json!({
        "connected": false,
        "read_access": false,
        "write_access": false,
        "timestamp": clock::epoch_seconds(SystemTime::now()),
        "sub_type": "meta",
    });
    match words {
        Words::Pv { .. } => {
            frame["obj"] = pv.into();
            frame["pv"] = pv.into();
        }
        Words::Signal(words) => {
            frame["obj"] = words.signal.as_str().into();
            frame["device"] = words.device.as_str().into();
            frame["signal"] = words.signal.as_str().into();
        }
        Words::Setpoint { .. } | Words::Moving { .. } => return None,
    }
    Some(Message::Text(frame.to_string().into()))
}

/// `{"error": text}`.
pub(crate) fn error(text: impl Into<String>) -> Message {
    Message::Text(json!({ "error": text.into() }).to_string().into())
}

/// The gate refused; `reason` is a word for programs.
pub(crate) fn refused(text: &str, reason: &str) -> Message {
    Message::Text(json!({ "error": text, "reason": reason }).to_string().into())
}

/// `{"message": text}`.
pub(crate) fn ack(text: impl Into<String>) -> Message {
    Message::Text(json!({ "message": text.into() }).to_string().into())
}

/// What came of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// New ones.
    pub(crate) subscribed: Vec<String>,
    /// Those that were followed before.
    pub(crate) already: Vec<String>,
    /// The others, with the reason.
    pub(crate) failed: Vec<(Value, String)>,
}

impl Summary {
    /// The frame; `what` is `pv` or `device`. The action is the same for every manner.
    pub(crate) fn frame(&self, what: &str) -> Message {
        let failed = self.failed.iter().map(|(name, error)| {
            let mut entry = Map::new();
            entry.insert(what.to_owned(), name.clone());
            entry.insert("error".to_owned(), error.as_str().into());
            Value::Object(entry)
        });
        let frame = json!({
            "action": "subscribe",
            "subscribed": self.subscribed,
            "already_subscribed": self.already,
            "failed": failed.collect::<Vec<_>>(),
        });
        Message::Text(frame.to_string().into())
    }
}

/// What came of an end of subscriptions.
pub(crate) fn unsubscribed(ended: &[String], unknown: &[String]) -> Message {
    let frame = json!({
        "action": "unsubscribe", "unsubscribed": ended, "not_subscribed": unknown,
    });
    Message::Text(frame.to_string().into())
}

#[cfg(test)]
#[path = "frames/tests.rs"]
mod tests;
