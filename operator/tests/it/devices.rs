//! Devices become signals and a verdict.

use crds::conditions::types::CONNECTED;
use crds::{Device, DeviceClass, DeviceLocks};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::beamline::{Beamline, ready, version};

const CLASS: &str = "
apiVersion: beamline.dev/v1alpha1
kind: DeviceClass
metadata: {name: lab.stage}
spec:
  classPath: lab.Stage
  deviceLabel: motor
  behaviour: Composite
  components:
  - {name: x, suffix: ':X'}
  - {name: y, suffix: ':Y', readbackSuffix: ':Y_RBV', readOnly: true}
";

fn device(object: &str, name: &str, rest: &str) -> String {
    format!(
        "{{apiVersion: beamline.dev/v1alpha1, kind: Device, metadata: {{name: {object}}}, \
         spec: {{name: {name}, {rest}}}}}"
    )
}

fn is(device: &Device, status: &str, reason: &str) -> bool {
    let conditions = device.status.as_ref().map(|status| status.conditions.as_slice());
    ready(conditions.unwrap_or_default()) == Some((status, reason))
}

#[tokio::test]
async fn a_device_shows_its_signals_its_label_and_that_it_was_accepted() {
    let beamline = Beamline::start("exit 0").await;
    beamline.create::<DeviceClass>(CLASS).await;
    let text = device("stage", "stage", "deviceClass: lab.Stage, prefix: LAB");
    beamline.create::<Device>(&text).await;
    let device = beamline.wait("stage", |device| is(device, "True", "Accepted")).await;
    let status = device.status.unwrap();
    assert_eq!(status.observed_generation, device.metadata.generation);
    assert_eq!(status.device_label.unwrap().as_str(), "motor");
    assert_eq!(status.signal_count, Some(2));
    assert_eq!(status.signals[1].pv, "LAB:Y_RBV");
    assert!(status.signals[1].read_only);
    assert_eq!(status.locked_by, None);
    let events = beamline.api::<Event>().list(&ListParams::default()).await.unwrap();
    let told = |event: &Event| {
        event.reason.as_deref() == Some("Accepted")
            && event.regarding.as_ref().and_then(|about| about.name.as_deref()) == Some("stage")
    };
    // The event is written after the status.
    if !events.items.iter().any(told) {
        beamline.delete::<Device>("stage").await;
        beamline.wait_gone::<Device>("stage").await;
        let events = beamline.api::<Event>().list(&ListParams::default()).await.unwrap();
        assert!(events.items.iter().any(told), "{:#?}", events.items);
    }
}

#[tokio::test]
async fn the_later_of_two_devices_with_one_name_loses_until_the_older_one_goes() {
    let beamline = Beamline::start("exit 0").await;
    beamline.create::<DeviceClass>(CLASS).await;
    let spec = "deviceClass: lab.Stage, prefix: LAB";
    beamline.create::<Device>(&device("zz-first", "same", spec)).await;
    beamline.wait("zz-first", |device| is(device, "True", "Accepted")).await;
    beamline.create::<Device>(&device("aa-second", "same", spec)).await;
    let loser = beamline.wait("aa-second", |device| is(device, "False", "Conflict")).await;
    let message = &loser.status.unwrap().conditions[0].message;
    assert!(message.contains("'zz-first'"), "{message}");
    let winner = beamline.api::<Device>().get("zz-first").await.unwrap();
    assert!(is(&winner, "True", "Accepted"));
    beamline.delete::<Device>("zz-first").await;
    beamline.wait("aa-second", |device| is(device, "True", "Accepted")).await;
}

#[tokio::test]
async fn a_class_that_is_added_later_reaches_the_devices_that_wait_for_it() {
    let beamline = Beamline::start("exit 0").await;
    let text = device("stage", "stage", "deviceClass: lab.Stage, prefix: LAB");
    beamline.create::<Device>(&text).await;
    beamline.wait("stage", |device| is(device, "False", "UnknownClass")).await;
    beamline.create::<DeviceClass>(CLASS).await;
    beamline.wait("stage", |device| is(device, "True", "Accepted")).await;
    beamline.delete::<DeviceClass>("lab.stage").await;
    beamline.wait("stage", |device| is(device, "False", "UnknownClass")).await;
}

#[tokio::test]
async fn a_lock_shows_on_its_device_as_long_as_it_is_held() {
    let beamline = Beamline::start("exit 0").await;
    for name in ["a", "b"] {
        let text = device(name, name, "deviceClass: x.Y, pvs: {v: 'P:v'}");
        beamline.create::<Device>(&text).await;
        beamline.wait(name, |device| is(device, "True", "UnknownClass")).await;
    }
    let lock = json!({
        "lockId": "l", "itemId": "i1", "planName": "scan", "lockedByService": "s", "lockedAt": "t",
    });
    let mut table: DeviceLocks = serde_json::from_value(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "DeviceLocks",
        "metadata": {"name": crds::device_locks::OBJECT_NAME},
        "spec": {"version": 1, "epoch": "e", "locks": {"a": lock}},
    }))
    .unwrap();
    table = beamline.api().create(&PostParams::default(), &table).await.unwrap();
    let held = |device: &Device| device.status.as_ref().and_then(|s| s.locked_by.clone());
    beamline.wait("a", move |device| held(device).as_deref() == Some("scan/i1")).await;
    assert_eq!(held(&beamline.api().get("b").await.unwrap()), None);
    table.spec.version = 2;
    table.spec.locks.clear();
    beamline
        .api()
        .replace(&table.metadata.name.clone().unwrap(), &PostParams::default(), &table)
        .await
        .unwrap();
    beamline.wait("a", move |device| held(device).is_none()).await;
}

#[tokio::test]
async fn the_condition_of_the_control_pod_survives_what_the_operator_writes() {
    let beamline = Beamline::start("exit 0").await;
    beamline.create::<Device>(&device("d", "d", "deviceClass: x.Y, pvs: {v: 'P:v'}")).await;
    beamline.wait("d", |device| is(device, "True", "UnknownClass")).await;
    let connected = json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": "d"},
        "status": {"conditions": [{
            "type": CONNECTED, "status": "False", "reason": "Disconnected", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]},
    });
    let control_pod = PatchParams::apply("control-pod");
    let devices = beamline.api::<Device>();
    devices.patch_status("d", &control_pod, &Patch::Apply(connected)).await.unwrap();
    let off = json!({"metadata": {"annotations": {crds::device::ACTIVE_ANNOTATION: "false"}}});
    devices.patch("d", &PatchParams::default(), &Patch::Merge(off)).await.unwrap();
    let device = beamline.wait("d", |device| is(device, "False", "Inactive")).await;
    let kinds: Vec<_> = device.status.unwrap().conditions.into_iter().map(|c| c.type_).collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert!(kinds.contains(&CONNECTED.to_owned()));
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let mut beamline = Beamline::start("exit 0").await;
    beamline.create::<DeviceClass>(CLASS).await;
    let spec = "deviceClass: lab.Stage, prefix: LAB";
    beamline.create::<Device>(&device("settled", "settled", spec)).await;
    let before = beamline.wait("settled", |device| is(device, "True", "Accepted")).await;
    // A new operator looks at everything again; another class makes it look once more.
    beamline.stop_operator().await;
    beamline.start_operator("exit 0");
    let other = CLASS.replace("lab.stage", "lab.other").replace("lab.Stage", "lab.Other");
    beamline.create::<DeviceClass>(&other).await;
    let spec = "deviceClass: lab.Other, prefix: LAB";
    beamline.create::<Device>(&device("witness", "witness", spec)).await;
    beamline.wait("witness", |device| is(device, "True", "Accepted")).await;
    beamline.stop_operator().await;
    let after = beamline.api::<Device>().get("settled").await.unwrap();
    assert_eq!(version(&before), version(&after));
}
