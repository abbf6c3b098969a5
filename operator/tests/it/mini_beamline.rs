//! What is shipped, all together: the catalogue and the example devices.

use crds::{Device, DeviceClass};
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};

use crate::beamline::{Beamline, ready, version};

fn example(file: &str) -> Vec<Device> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(file);
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn is_accepted(device: &Device) -> bool {
    let conditions = device.status.as_ref().map(|status| status.conditions.as_slice());
    ready(conditions.unwrap_or_default()) == Some(("True", "Accepted"))
}

#[tokio::test]
async fn every_shipped_class_is_valid_and_every_example_device_is_accepted() {
    let mut beamline = Beamline::start("exit 0").await;
    let params = PostParams::default();
    for class in crds::catalogue::shipped().unwrap() {
        beamline.api::<DeviceClass>().create(&params, &class).await.unwrap();
    }
    let files =
        ["mini-beamline/devices.yaml", "sim-devices/motors.yaml", "sim-devices/detectors.yaml"];
    for device in files.into_iter().flat_map(example) {
        beamline.api::<Device>().create(&params, &device).await.unwrap();
    }
    let devices = beamline.api::<Device>();
    for device in devices.list(&ListParams::default()).await.unwrap() {
        beamline.wait(&device.name_any(), is_accepted).await;
    }
    beamline.stop_operator().await;
    // Another operator finds nothing to do.
    let before = devices.list(&ListParams::default()).await.unwrap();
    assert_eq!(before.items.len(), 26 + 6);
    beamline.start_operator("exit 0");
    let late = r"{apiVersion: beamline.dev/v1alpha1, kind: Device, metadata: {name: late},
        spec: {name: late, deviceClass: ophyd.EpicsMotor, prefix: 'X:m'}}";
    beamline.create::<Device>(late).await;
    beamline.wait("late", is_accepted).await;
    beamline.stop_operator().await;
    for device in &before {
        let after = devices.get(&device.name_any()).await.unwrap();
        assert_eq!(version(device), version(&after), "{} was written again", device.name_any());
    }
}
