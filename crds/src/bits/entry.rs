//! One device of a BITS list.

use serde_json::Value;

use crate::DeviceSpec;
use crate::device::DeviceLabel;
use crate::schema::FreeForm;

/// Classes whose first argument is called `read_pv`, not `prefix`.
pub(super) fn takes_read_pv(callable: &str) -> bool {
    let class = callable.rsplit('.').next().unwrap_or_default();
    matches!(class, "EpicsSignal" | "EpicsSignalRO" | "EpicsSignalNoValidation")
}

/// What the labels of a device say about its kind.
fn device_label(labels: &[String]) -> Option<DeviceLabel> {
    labels.iter().find_map(|label| match label.as_str() {
        "motors" | "positioners" => Some(DeviceLabel::Motor),
        "detectors" | "area_detectors" => Some(DeviceLabel::Detector),
        "flyers" => Some(DeviceLabel::Flyer),
        "signals" => Some(DeviceLabel::Signal),
        _ => None,
    })
}

/// The device that `callable` makes of these arguments.
pub(super) fn spec(
    callable: &str,
    device: Value,
    beamline: Option<&str>,
) -> Result<DeviceSpec, String> {
    let Value::Object(mut arguments) = device else {
        return Err("is not a mapping of arguments".to_owned());
    };
    if callable.is_empty() {
        return Err("no class is named for it".to_owned());
    }
    let name = text(&mut arguments, "name")?.ok_or("missing required 'name' field")?;
    let labels = labels(&arguments)?;
    let mut prefix = text(&mut arguments, "prefix")?;
    if prefix.is_none() && takes_read_pv(callable) {
        prefix = text(&mut arguments, "read_pv")?;
    }
    let mut kwargs = FreeForm::new();
    kwargs.insert("name".to_owned(), Value::String("{{name}}".to_owned()));
    kwargs.extend(arguments);
    Ok(DeviceSpec {
        name,
        device_class: callable.to_owned(),
        prefix,
        kwargs,
        active: true,
        device_label: device_label(&labels),
        labels,
        beamline: beamline.map(str::to_owned),
        ..DeviceSpec::default()
    })
}

fn text(arguments: &mut FreeForm, field: &str) -> Result<Option<String>, String> {
    match arguments.shift_remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("'{field}' must be text")),
    }
}

fn labels(arguments: &FreeForm) -> Result<Vec<String>, String> {
    let wrong = || "'labels' must be a list of text".to_owned();
    match arguments.get("labels") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) => {
            all.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}
