//! The example manifests: what a newcomer applies must be what we mean.

use std::collections::BTreeSet;

use crds::catalogue::shipped_catalogue;
use crds::resolve::resolve;
use crds::{Beamline, Device, Queue};

use crate::golden::repository;

fn devices(file: &str) -> Vec<Device> {
    let text = std::fs::read_to_string(repository("examples").join(file)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

#[test]
fn the_manifests_of_the_mini_beamline_are_the_import_of_its_database() {
    let folder = repository("examples/mini-beamline");
    let database = std::fs::read_to_string(folder.join("happi_db.json")).unwrap();
    let wanted = crds::happi::read(&database).unwrap().manifests().unwrap();
    let file = folder.join("devices.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert!(checked_in == wanted, "devices.yaml is stale: run the test with UPDATE_GOLDEN=1");
}

#[test]
fn the_mini_beamline_has_26_devices_with_23_pvs() {
    let devices = devices("mini-beamline/devices.yaml");
    assert_eq!(devices.len(), 26);
    let catalogue = shipped_catalogue().unwrap();
    let mut pvs = BTreeSet::new();
    for device in &devices {
        device.validate_cel().unwrap();
        let resolved = resolve(&device.spec, &catalogue);
        assert!(resolved.class_known, "{}", device.spec.device_class);
        pvs.extend(resolved.signals.into_iter().map(|signal| signal.pv));
    }
    assert_eq!(pvs.len(), 23, "{pvs:?}");
}

#[test]
fn the_other_simulated_devices_do_not_repeat_a_name_and_have_known_classes() {
    let mut names: BTreeSet<_> =
        devices("mini-beamline/devices.yaml").into_iter().map(|device| device.spec.name).collect();
    let catalogue = shipped_catalogue().unwrap();
    for file in ["sim-devices/motors.yaml", "sim-devices/detectors.yaml"] {
        for device in devices(file) {
            let name = crds::names::object_name(&device.spec.name);
            assert_eq!(device.metadata.name.as_deref(), Some(name.as_str()));
            let resolved = resolve(&device.spec, &catalogue);
            assert!(resolved.class_known && !resolved.signals.is_empty(), "{name}");
            assert!(names.insert(device.spec.name), "{name} is there twice");
        }
    }
}

#[test]
fn the_settings_of_the_mini_beamline_are_understood() {
    let read =
        |file: &str| std::fs::read_to_string(repository("examples/mini-beamline").join(file));
    let beamline: Beamline = serde_saphyr::from_str(&read("beamline.yaml").unwrap()).unwrap();
    assert!(beamline.spec.sim_ioc.enabled && !beamline.spec.control.read_only);
    let queue: Queue = serde_saphyr::from_str(&read("queue.yaml").unwrap()).unwrap();
    assert_eq!(queue.metadata.name.as_deref(), Some(crds::queue::DEFAULT_NAME));
}
