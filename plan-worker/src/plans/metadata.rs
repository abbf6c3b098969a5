//! What plans say of themselves in the start document, key for key as bluesky's plans do.

use serde_json::{Map, Value, json};

use crate::devices::{DeviceRef, Hints};

/// Value of `plan_pattern_module`: clients look the pattern up there.
pub(super) const PATTERN_MODULE: &str = "bluesky.plan_patterns";

pub(super) fn names(devices: &[DeviceRef]) -> Value {
    devices.iter().map(|device| device.name()).collect()
}

pub(super) fn representations(devices: &[DeviceRef]) -> Value {
    devices.iter().map(|device| device.representation()).collect()
}

/// One dimension that all motors share; none when no motor names a field.
pub(super) fn shared_dimension(motors: &[DeviceRef]) -> Option<Value> {
    let fields: Vec<String> =
        motors.iter().flat_map(|motor| motor.hints().fields().to_vec()).collect();
    (!fields.is_empty()).then(|| json!([[fields, "primary"]]))
}

/// A dimension for each motor; none when a motor has no hints.
pub(super) fn own_dimensions(motors: &[DeviceRef]) -> Option<Value> {
    motors
        .iter()
        .map(|motor| match motor.hints() {
            Hints::Fields(fields) => Some(json!([fields, "primary"])),
            Hints::Absent | Hints::Empty => None,
        })
        .collect()
}

/// What every scan says: `own` of the plan, then what the user gave, and hints that the user's replace one by one.
pub(super) fn of_scan(
    own: Value,
    given: &Map<String, Value>,
    hints: Map<String, Value>,
    detectors: &[DeviceRef],
    motors: &[DeviceRef],
    points: usize,
) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("detectors".into(), names(detectors));
    metadata.insert("num_points".into(), json!(points));
    metadata.insert("num_intervals".into(), json!(points as i64 - 1));
    if let Value::Object(own) = own {
        metadata.extend(own);
    }
    metadata.extend(given.clone());
    let mut merged = hints;
    if let Some(Value::Object(hints)) = given.get("hints") {
        merged.extend(hints.clone());
    }
    if let Some(dimensions) = own_dimensions(motors) {
        merged.entry("dimensions").or_insert(dimensions);
    }
    metadata.insert("hints".into(), Value::Object(merged));
    metadata
}

/// What a plan says that moves `motor` as far as the readings tell it, with `limits` among its arguments; then what the user gave.
pub(super) fn of_one_motor(
    name: &str,
    limits: Value,
    given: Map<String, Value>,
    detectors: &[DeviceRef],
    motor: &DeviceRef,
) -> Map<String, Value> {
    let mut plan_args = Map::new();
    plan_args.insert("detectors".into(), representations(detectors));
    plan_args.insert("motor".into(), json!(motor.representation()));
    if let Value::Object(limits) = limits {
        plan_args.extend(limits);
    }
    let mut metadata = Map::new();
    metadata.insert("detectors".into(), names(detectors));
    metadata.insert("motors".into(), json!([motor.name()]));
    metadata.insert("plan_args".into(), Value::Object(plan_args));
    metadata.insert("plan_name".into(), json!(name));
    metadata.insert("hints".into(), json!({}));
    metadata.extend(given);
    if let Some(Value::Object(hints)) = metadata.get_mut("hints")
        && let Some(dimensions) = own_dimensions(std::slice::from_ref(motor))
    {
        hints.entry("dimensions").or_insert(dimensions);
    }
    metadata
}
