//! Readings and descriptions of a target as ophyd gives them. Pure: from parts and samples to JSON.

use channels::{Metadata, PvValue, Sample};
use crds::device::Framework;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::device::target::{Part, Role, Target};
use crate::socket::frames::severity_number;
use crate::values::array::Layout;
use crate::values::{json, text};

/// The parts that `read()` or `read_configuration()` of the target takes. A bare signal gives
/// itself for both.
pub(crate) fn parts_of(target: &Target, role: Role) -> Vec<&Part> {
    match target.only() {
        Some(part) => vec![part],
        None => target.parts.iter().filter(|part| part.role == role).collect(),
    }
}

/// The value of a part: text where the class says so.
pub(crate) fn value(part: &Part, sample: &Sample) -> Value {
    if part.string {
        return Value::String(text::display(&sample.value, sample.metadata.as_deref()));
    }
    json::to_value(&sample.value)
}

/// `{key: {"value", "timestamp"}}`, with the alarm for ophyd-async.
pub(crate) fn reading(target: &Target, samples: &[(&Part, Sample)]) -> Value {
    let entries = samples.iter().map(|(part, sample)| {
        let mut entry = Map::new();
        entry.insert("value".into(), value(part, sample));
        entry.insert("timestamp".into(), json!(clock::epoch_seconds(sample.time)));
        if target.framework == Framework::OphydAsync {
            let severity = severity_number(sample.alarm.severity);
            entry.insert("alarm_severity".into(), severity.into());
        }
        (part.key.clone(), Value::Object(entry))
    });
    Value::Object(entries.collect())
}

/// `{key: {"source", "dtype", "shape", …}}`.
pub(crate) fn description(target: &Target, samples: &[(&Part, Sample)]) -> Value {
    let entries = samples.iter().map(|(part, sample)| {
        let entry = match target.framework {
            Framework::OphydSync => describe_sync(part, sample),
            Framework::OphydAsync => describe_async(part, sample),
        };
        (part.key.clone(), Value::Object(entry))
    });
    Value::Object(entries.collect())
}

fn describe_sync(part: &Part, sample: &Sample) -> Map<String, Value> {
    let none = Metadata::default();
    let meta = sample.metadata.as_deref().unwrap_or(&none);
    let mut entry = Map::new();
    entry.insert("source".into(), format!("PV:{}", part.read_pv).into());
    entry.insert("dtype".into(), dtype(part, &sample.value).into());
    entry.insert("shape".into(), json!(Layout::of(&sample.value).shape));
    entry.insert("units".into(), json!(meta.units));
    let (low, high) = meta.control_limits.unzip();
    entry.insert("lower_ctrl_limit".into(), limit(&sample.value, low));
    entry.insert("upper_ctrl_limit".into(), limit(&sample.value, high));
    if let Some(precision) = meta.precision {
        entry.insert("precision".into(), precision.into());
    }
    if let Some(labels) = &meta.enum_labels {
        entry.insert("enum_strs".into(), json!(&labels[..]));
    }
    entry
}

/// Where a value comes from: the PV with its protocol.
fn source(pv: &str) -> String {
    let (protocol, name) = channels::split_scheme(pv);
    format!("{}{name}", protocol.unwrap_or_default().scheme())
}

fn describe_async(part: &Part, sample: &Sample) -> Map<String, Value> {
    let mut entry = Map::new();
    entry.insert("dtype".into(), dtype(part, &sample.value).into());
    entry.insert("shape".into(), json!(Layout::of(&sample.value).shape));
    if let Some(dtype) = dtype_numpy(&sample.value) {
        entry.insert("dtype_numpy".into(), dtype.into());
    }
    entry.insert("source".into(), source(&part.read_pv).into());
    let meta = sample.metadata.as_deref();
    if let Some(units) = meta.and_then(|meta| meta.units.as_ref()) {
        entry.insert("units".into(), units.as_str().into());
    }
    if let Some(precision) = meta.and_then(|meta| meta.precision) {
        entry.insert("precision".into(), precision.into());
    }
    if let Some(labels) = meta.and_then(|meta| meta.enum_labels.as_ref()) {
        entry.insert("choices".into(), json!(&labels[..]));
    }
    entry
}

/// Integer PVs have integer limits.
fn limit(value: &PvValue, limit: Option<f64>) -> Value {
    let whole = matches!(value, PvValue::Short(_) | PvValue::Char(_) | PvValue::Long(_));
    match limit {
        #[expect(clippy::cast_possible_truncation, reason = "limits of 32 bit PVs")]
        Some(limit) if whole => json!(limit as i64),
        Some(limit) => json!(limit),
        None => Value::Null,
    }
}

fn dtype(part: &Part, value: &PvValue) -> &'static str {
    if part.string {
        return "string";
    }
    match value {
        PvValue::String(_) => "string",
        PvValue::Float(_) | PvValue::Double(_) => "number",
        PvValue::Short(_) | PvValue::Enum(_) | PvValue::Char(_) | PvValue::Long(_) => "integer",
        array if Layout::of(array).ndim == 0 => "string",
        _ => "array",
    }
}

fn dtype_numpy(value: &PvValue) -> Option<&'static str> {
    match value {
        PvValue::Float(_) | PvValue::Double(_) => Some("<f8"),
        PvValue::Short(_) | PvValue::Enum(_) | PvValue::Char(_) | PvValue::Long(_) => Some("<i8"),
        other => Layout::of(other).dtype,
    }
}

/// The values of the parts as nested objects, as ophyd's `get()` of a device gives them.
pub(crate) fn tree(samples: &[(&Part, Sample)]) -> Value {
    let mut root = Map::new();
    for (part, sample) in samples {
        let mut pieces = part.attr.split('.').peekable();
        let mut level = &mut root;
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                level.insert(piece.to_owned(), value(part, sample));
                break;
            }
            let below = level.entry(piece.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(map) = below else { break };
            level = map;
        }
    }
    Value::Object(root)
}

#[cfg(test)]
#[path = "reading/tests.rs"]
mod tests;
