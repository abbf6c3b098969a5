//! Devices as happi entries.

use serde_json::{Value, json};

use crate::device::DeviceSpec;
use crate::schema::FreeForm;

/// The entries of `devices` as the registry exports them (contract §1.9): templates filled in, in
/// the order given.
pub fn export<'a>(devices: impl IntoIterator<Item = &'a DeviceSpec>) -> FreeForm {
    devices
        .into_iter()
        .map(|device| {
            let args = device.rendered_args();
            let prefix = match args.first() {
                Some(Value::String(text)) if text.contains(':') => Some(text.clone()),
                _ => None,
            };
            let type_ = Value::String(device.device_class.clone());
            let entry = entry(device, args, device.rendered_kwargs(), type_, prefix.as_deref());
            (device.name.clone(), Value::Object(entry))
        })
        .collect()
}

/// The happi database of `devices`, as it was imported: templates and extra keys kept.
pub fn database<'a>(devices: impl IntoIterator<Item = &'a DeviceSpec>) -> FreeForm {
    devices
        .into_iter()
        .map(|device| {
            let mut extra = device.extra.clone();
            let type_ = extra.shift_remove("type").unwrap_or_else(|| json!(device.device_class));
            let (args, kwargs) = (device.args.clone(), device.kwargs.clone());
            let mut entry = entry(device, args, kwargs, type_, device.prefix.as_deref());
            entry.extend(extra);
            (device.name.clone(), Value::Object(entry))
        })
        .collect()
}

fn entry(
    device: &DeviceSpec,
    args: Vec<Value>,
    kwargs: FreeForm,
    type_: Value,
    prefix: Option<&str>,
) -> FreeForm {
    let mut entry = FreeForm::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            entry.insert(key.to_owned(), value);
        }
    };
    put("_id", json!(device.name));
    put("name", json!(device.name));
    put("device_class", json!(device.device_class));
    put("args", Value::Array(args));
    put("kwargs", Value::Object(kwargs));
    put("type", type_);
    put("active", json!(device.active));
    put("prefix", json!(prefix));
    put("beamline", json!(device.beamline));
    put("functional_group", json!(device.functional_group));
    put("location_group", json!(device.location_group));
    put("documentation", json!(device.documentation));
    put("framework", json!(device.framework));
    entry
}
