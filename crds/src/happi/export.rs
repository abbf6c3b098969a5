//! Devices as happi entries.

use serde_json::{Value, json};

use crate::device::DeviceSpec;
use crate::schema::FreeForm;

/// The container class with which happi reads an entry that names no other.
pub(super) fn usual_type(has_prefix: bool) -> &'static str {
    // happi refuses an OphydItem without a prefix.
    if has_prefix { "OphydItem" } else { "HappiItem" }
}

/// The entries of `devices` as the registry exports them (contract §1.9): templates filled in, in
/// the order given.
///
/// `type` is a container class, not the device class as in the contract: with that happi itself
/// refuses every entry.
pub fn export<'a>(devices: impl IntoIterator<Item = &'a DeviceSpec>) -> FreeForm {
    devices
        .into_iter()
        .map(|device| {
            let args = device.rendered_args();
            let first = args.first().and_then(Value::as_str).filter(|text| text.contains(':'));
            let prefix = device.prefix.as_deref().or(first).map(str::to_owned);
            let entry = entry(device, args, device.rendered_kwargs(), prefix.as_deref());
            (device.name.clone(), Value::Object(entry))
        })
        .collect()
}

/// The happi database of `devices`, as it was imported: templates kept.
pub fn database<'a>(devices: impl IntoIterator<Item = &'a DeviceSpec>) -> FreeForm {
    devices
        .into_iter()
        .map(|device| {
            let (args, kwargs) = (device.args.clone(), device.kwargs.clone());
            let entry = entry(device, args, kwargs, device.prefix.as_deref());
            (device.name.clone(), Value::Object(entry))
        })
        .collect()
}

fn entry(
    device: &DeviceSpec,
    args: Vec<Value>,
    kwargs: FreeForm,
    prefix: Option<&str>,
) -> FreeForm {
    let mut extra = device.extra.clone();
    let type_ = extra.shift_remove("type");
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
    put("type", type_.unwrap_or_else(|| json!(usual_type(prefix.is_some()))));
    put("active", json!(device.active));
    put("prefix", json!(prefix));
    put("beamline", json!(device.beamline));
    put("functional_group", json!(device.functional_group));
    put("location_group", json!(device.location_group));
    put("documentation", json!(device.documentation));
    put("framework", json!(device.framework));
    for (key, value) in extra {
        entry.entry(key).or_insert(value);
    }
    entry
}
