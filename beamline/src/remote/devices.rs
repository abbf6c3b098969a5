//! `beamline devices`: the devices of a beamline, with their names in ophyd first.

use clap::Args;
use crds::Device;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::output::{Output, plain, table};
use super::place::Place;

/// Which devices.
#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Only those whose name contains this.
    name: Option<String>,
    /// Only those of this kind: motor, detector, signal, flyer, readable, device.
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    let objects = args.place.objects().await?;
    let mut devices: Vec<Value> = objects.all::<Device>("devices").await?.iter().map(row).collect();
    devices.retain(|device| fits(device, args.name.as_deref(), args.label.as_deref()));
    devices.sort_by(|a, b| a["device"].as_str().cmp(&b["device"].as_str()));
    args.output.show(&Value::Array(devices), |devices| {
        let rows: Vec<[String; 8]> = devices.as_array().into_iter().flatten().map(cells).collect();
        if rows.is_empty() {
            return "no devices".to_owned();
        }
        table(
            ["DEVICE", "LABEL", "CLASS", "PREFIX", "ACTIVE", "READY", "CONNECTED", "LOCKED-BY"],
            &rows,
        )
    })
}

fn row(device: &Device) -> Value {
    let conditions = device.status.as_ref().map(|status| status.conditions.as_slice());
    let condition = |kind: &str| -> Option<&Condition> {
        conditions.unwrap_or_default().iter().find(|condition| condition.type_ == kind)
    };
    let status = device.status.as_ref();
    let ready = condition("Ready");
    json!({
        "device": device.spec.name,
        "label": status.and_then(|status| status.device_label),
        "class": device.spec.device_class,
        "prefix": device.spec.prefix,
        "active": device.is_active(),
        "ready": ready.map(|ready| ready.status.as_str()),
        "reason": ready.map(|ready| ready.reason.as_str()),
        "connected": condition("Connected").map(|connected| connected.status.as_str()),
        "lockedBy": status.and_then(|status| status.locked_by.as_deref()),
    })
}

fn fits(device: &Value, name: Option<&str>, label: Option<&str>) -> bool {
    let text = |key: &str| device[key].as_str().unwrap_or_default();
    name.is_none_or(|name| text("device").contains(name))
        && label.is_none_or(|label| text("label") == label)
}

fn cells(device: &Value) -> [String; 8] {
    let ready = match (device["ready"].as_str(), device["reason"].as_str()) {
        (Some("True"), _) => "yes".to_owned(),
        (Some(_), Some(reason)) => format!("no: {reason}"),
        _ => "-".to_owned(),
    };
    let yes_or_no = |value: &Value| match value {
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text == "True" => "yes".to_owned(),
        Value::String(text) if text == "False" => "no".to_owned(),
        _ => "-".to_owned(),
    };
    [
        plain(&device["device"]),
        plain(&device["label"]),
        plain(&device["class"]),
        plain(&device["prefix"]),
        yes_or_no(&device["active"]),
        ready,
        yes_or_no(&device["connected"]),
        plain(&device["lockedBy"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        serde_json::from_value(json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": { "name": "m-1" },
            "spec": { "name": "m_1", "deviceClass": "ophyd.EpicsMotor", "prefix": "X:" },
            "status": { "deviceLabel": "motor", "conditions": [{ "type": "Ready", "status": "False",
                "reason": "Conflict", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_device_is_a_row_that_says_why_it_is_not_ready() {
        assert_eq!(
            cells(&row(&device())),
            ["m_1", "motor", "ophyd.EpicsMotor", "X:", "yes", "no: Conflict", "-", "-"]
        );
    }

    #[test]
    fn devices_are_chosen_by_name_and_label() {
        let row = row(&device());
        assert!(fits(&row, None, None) && fits(&row, Some("_1"), Some("motor")));
        assert!(!fits(&row, Some("x"), None) && !fits(&row, None, Some("detector")));
    }
}
