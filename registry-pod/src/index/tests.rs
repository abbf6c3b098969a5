use crds::DeviceSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn device(object: &str, created: i64, pvs: &[(&str, &str)]) -> Device {
    let pvs: BTreeMap<&str, &str> = pvs.iter().copied().collect();
    let spec: DeviceSpec = serde_json::from_value(json!({
        "name": object, "deviceClass": "site.Thing", "pvs": pvs,
    }))
    .unwrap();
    let mut device = Device::new(object, spec);
    device.metadata.creation_timestamp = Timestamp::from_second(created).ok().map(Time);
    device
}

fn owner_of<'a>(index: &'a Index, pv: &str) -> Option<&'a str> {
    index.owner(pv).map(|owner| owner.device.as_str())
}

#[test]
fn the_last_registered_device_owns_a_shared_pv_until_it_goes() {
    let mut index = Index::default();
    index.apply_device(device("late", 2, &[("x", "S:1")]));
    index.apply_device(device("early", 1, &[("x", "S:1"), ("y", "S:2")]));
    assert_eq!(owner_of(&index, "S:1"), Some("late"));
    index.apply_device(device("late", 2, &[("x", "S:9")]));
    assert_eq!(owner_of(&index, "S:1"), Some("early"));
    index.delete_device("early");
    assert_eq!(owner_of(&index, "S:1"), None);
    assert_eq!(index.pv_names().into_iter().collect::<Vec<_>>(), ["S:9"]);
}

#[test]
fn a_record_and_its_main_field_are_one_pv() {
    let mut index = Index::default();
    index.apply_device(device("m", 1, &[("setpoint", "M:1"), ("readback", "M:1.RBV")]));
    assert_eq!(index.owner("M:1.VAL").unwrap().component, "setpoint");
    assert!(!index.knows_pv("M:1.DESC"));
}

#[test]
fn of_two_objects_with_one_name_the_older_counts() {
    let mut index = Index::default();
    let mut second = device("a", 2, &[("x", "S:2")]);
    second.spec.name = "shared".to_owned();
    let mut first = device("z", 1, &[("x", "S:1")]);
    first.spec.name = "shared".to_owned();
    index.apply_device(second);
    index.apply_device(first);
    assert_eq!(index.device("shared").unwrap().metadata.pvs["x"], "S:1");
    assert!(!index.knows_pv("S:2"));
    assert_eq!(index.delete_device("z"), ["shared"]);
    assert_eq!(index.device("shared").unwrap().metadata.pvs["x"], "S:2");
}

#[test]
fn a_standalone_pv_falls_to_the_other_object_that_names_it() {
    let pv = |object: &str, description: &str| {
        let spec = json!({ "pvName": "S:1", "description": description });
        ProcessVariable::new(object, serde_json::from_value(spec).unwrap())
    };
    let mut index = Index::default();
    index.apply_pv(pv("b", "second"));
    index.apply_pv(pv("a", "first"));
    let described =
        |index: &Index| index.standalone_pv("S:1").map(|pv| pv.spec.description.clone().unwrap());
    assert_eq!(described(&index).as_deref(), Some("first"));
    index.delete_pv("a");
    assert_eq!(described(&index).as_deref(), Some("second"));
    index.replace_pvs(Vec::new());
    assert_eq!(described(&index), None);
}

#[test]
fn a_complete_list_replaces_everything() {
    let mut index = Index::default();
    index.apply_device(device("gone", 1, &[("x", "S:1")]));
    let mut touched = index.replace_devices(vec![device("kept", 1, &[])]);
    touched.sort();
    assert_eq!(touched, ["gone", "kept"]);
    assert_eq!(index.devices().keys().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn a_class_that_arrives_later_completes_its_devices() {
    let mut index = Index::default();
    let mut plain = device("ph", 1, &[]);
    plain.spec.prefix = Some("mini:ph".to_owned());
    index.apply_device(plain);
    assert_eq!(index.device("ph").unwrap().metadata.pvs["prefix"], "mini:ph");
    let class: DeviceClassSpec = serde_json::from_value(json!({
        "classPath": "site.Thing", "deviceLabel": "detector", "behaviour": "Composite",
        "components": [
            { "name": "det", "suffix": ":det", "kind": "hinted" },
            { "name": "exp", "suffix": ":exp", "kind": "config" },
        ],
    }))
    .unwrap();
    index.apply_class("site-thing".to_owned(), class);
    let shown = &index.device("ph").unwrap().metadata;
    assert_eq!(shown.pvs.values().collect::<Vec<_>>(), ["mini:ph:det", "mini:ph:exp"]);
    assert_eq!(
        (&shown.read_attrs[..], &shown.configuration_attrs[..]),
        (&["det".to_owned()][..], &["exp".to_owned()][..],)
    );
    assert_eq!(owner_of(&index, "mini:ph:det"), Some("ph"));
    assert!(!index.knows_pv("mini:ph"));
}

#[test]
fn an_older_lock_table_never_replaces_a_newer_one() {
    let table = |version: &str| {
        let mut locks = DeviceLocks::new("device-locks", crds::DeviceLocksSpec::default());
        locks.metadata.resource_version = Some(version.to_owned());
        locks
    };
    let mut index = Index::default();
    index.set_locks(Some(table("10")));
    index.set_locks(Some(table("9")));
    assert_eq!(index.locks().unwrap().resource_version().as_deref(), Some("10"));
}

proptest! {
    /// Whatever came before, the index equals one built from the final objects alone.
    #[test]
    fn the_index_depends_only_on_the_objects(
        steps in proptest::collection::vec((0..4_usize, 0..3_i64, 0..4_u8, any::<bool>()), 0..40)
    ) {
        let mut index = Index::default();
        let mut live: BTreeMap<usize, Device> = BTreeMap::new();
        for (which, created, pvs, delete) in steps {
            let object = format!("d{which}");
            if delete {
                index.delete_device(&object);
                live.remove(&which);
            } else {
                let listed = [("a", "S:1"), ("b", "S:2"), ("c", "S:3")];
                let some = device(&object, created, &listed[..usize::from(pvs.min(3))]);
                index.apply_device(some.clone());
                live.insert(which, some);
            }
        }
        let mut fresh = Index::default();
        for device in live.into_values() {
            fresh.apply_device(device);
        }
        prop_assert_eq!(index.pv_names(), fresh.pv_names());
        for pv in ["S:1", "S:2", "S:3"] {
            prop_assert_eq!(index.owner(pv), fresh.owner(pv));
        }
        prop_assert!(index.devices().keys().eq(fresh.devices().keys()));
    }
}
