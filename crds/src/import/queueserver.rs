//! `existing_plans_and_devices.yaml` of bluesky-queueserver: what a worker found in its namespace.
//!
//! It says which class a device is of and what it can do, not how it was constructed: the devices
//! have neither prefix nor arguments. Components of a device are parts of it, not devices.

use serde_json::Value;

use super::{Error, Format, Imported};
use crate::device::Capabilities;
use crate::{DeviceSpec, by_name};

const WHAT: &str = "list of existing plans and devices";

pub(super) fn read(text: &str) -> Result<Imported, Error> {
    let file: Value = serde_saphyr::from_str(text).map_err(|error| Error::Syntax {
        what: WHAT,
        reason: error.without_snippet().to_string(),
    })?;
    let Some(Value::Object(devices)) = file.get("existing_devices") else {
        return Err(Error::Shape { what: WHAT, expected: "it has no mapping 'existing_devices'" });
    };
    let mut imported = Imported::new(Format::Queueserver);
    for (name, entry) in devices {
        imported.device(name, spec(name, entry));
    }
    Ok(imported)
}

fn spec(name: &str, entry: &Value) -> Result<DeviceSpec, String> {
    let text = |field: &str| match entry.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(format!("'{field}' must be text")),
    };
    let flag = |field: &str| match entry.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("'{field}' must be true or false")),
    };
    let class = text("classname")?.ok_or("missing required 'classname' field")?;
    let usual = by_name::capabilities(class);
    let found = Capabilities {
        movable: flag("is_movable")?,
        flyable: flag("is_flyable")?,
        readable: flag("is_readable")?,
        ..usual
    };
    Ok(DeviceSpec {
        name: name.to_owned(),
        device_class: match text("module")? {
            Some(module) => format!("{module}.{class}"),
            None => class.to_owned(),
        },
        active: true,
        // What follows from the class need not be said, and may be known better.
        capabilities: (found != usual).then_some(found),
        ..DeviceSpec::default()
    })
}
