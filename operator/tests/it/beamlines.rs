//! A beamline on one machine: there are no pods to make, and it says so.

use crds::{Beamline as Kind, Device};

use crate::beamline::{Beamline, ready};

const BEAMLINE: &str = "
apiVersion: beamline.dev/v1alpha1
kind: Beamline
metadata: {name: mini}
spec: {simIoc: {enabled: true}}
";
const DEVICE: &str = "
apiVersion: beamline.dev/v1alpha1
kind: Device
metadata: {name: d}
spec: {name: d, deviceClass: x.Y, pvs: {v: 'P:v'}}
";

#[tokio::test]
async fn a_beamline_is_ready_and_counts_its_devices() {
    let beamline = Beamline::start("exit 0").await;
    beamline.create::<Kind>(BEAMLINE).await;
    let said = |kind: &Kind, devices: i32| {
        let status = kind.status.clone().unwrap_or_default();
        ready(&status.conditions) == Some(("True", "Accepted")) && status.devices == Some(devices)
    };
    let first = beamline.wait("mini", |kind| said(kind, 0)).await;
    assert_eq!(first.status.unwrap().observed_generation, first.metadata.generation);
    beamline.create::<Device>(DEVICE).await;
    beamline.wait("mini", |kind| said(kind, 1)).await;
}
