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
    index.owner(pv).map(|owner| owner.device)
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
    assert_eq!(index.pv_names(), BTreeSet::from(["S:9".into()]));
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
    assert_eq!(index.device("shared").unwrap().shown.metadata.pvs["x"].as_ref(), "S:1");
    assert!(!index.knows_pv("S:2"));
    assert_eq!(index.delete_device("z"), ["shared"]);
    assert_eq!(index.device("shared").unwrap().shown.metadata.pvs["x"].as_ref(), "S:2");
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
    index.retain_pvs(&HashSet::new());
    assert_eq!(described(&index), None);
}

#[test]
fn a_complete_list_replaces_everything() {
    let mut index = Index::default();
    index.apply_device(device("gone", 1, &[("x", "S:1")]));
    assert_eq!(index.apply_device(device("kept", 1, &[])), ["kept"]);
    assert_eq!(index.retain_devices(&HashSet::from(["kept".to_owned()])), ["gone"]);
    assert_eq!(index.devices().keys().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn a_class_that_arrives_later_completes_its_devices() {
    let mut index = Index::default();
    let mut plain = device("ph", 1, &[]);
    plain.spec.prefix = Some("mini:ph".to_owned());
    index.apply_device(plain);
    assert_eq!(index.device("ph").unwrap().shown.metadata.pvs["prefix"].as_ref(), "mini:ph");
    let class: DeviceClassSpec = serde_json::from_value(json!({
        "classPath": "site.Thing", "deviceLabel": "detector", "behaviour": "Composite",
        "components": [
            { "name": "det", "suffix": ":det", "kind": "hinted" },
            { "name": "exp", "suffix": ":exp", "kind": "config" },
        ],
    }))
    .unwrap();
    index.apply_class("site-thing".to_owned(), class);
    let shown = &index.device("ph").unwrap().shown.metadata;
    let pvs: Vec<&str> = shown.pvs.values().map(AsRef::as_ref).collect();
    assert_eq!(pvs, ["mini:ph:det", "mini:ph:exp"]);
    assert_eq!(
        (&shown.read_attrs[..], &shown.configuration_attrs[..]),
        (&["det".into()][..], &["exp".into()][..],)
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

/// A class with none, one or two components.
fn class(path: &str, components: u8) -> DeviceClassSpec {
    let all = [json!({"name": "a", "suffix": "a"}), json!({"name": "b", "suffix": "b"})];
    serde_json::from_value(json!({
        "classPath": path, "deviceLabel": "device", "behaviour": "Composite",
        "components": &all[..usize::from(components)],
    }))
    .unwrap()
}

/// What an API server does to a namespace.
#[derive(Clone, Debug)]
enum Change {
    /// An object, its name, its class, when it was created, and how many PVs it lists itself.
    Device(u8, u8, u8, i64, u8),
    /// Another status of a device, and another version.
    Status(u8),
    Delete(u8),
    /// A complete list comes in, without this object.
    Retain(u8),
    /// A class and its components.
    Class(u8, u8),
    DeleteClass(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (0..4_u8, 0..3_u8, 0..2_u8, 0..3_i64, 0..4_u8)
            .prop_map(|(object, name, class, created, pvs)| {
                Change::Device(object, name, class, created, pvs)
            }),
        2 => (0..4_u8).prop_map(Change::Status),
        2 => (0..4_u8).prop_map(Change::Delete),
        1 => (0..4_u8).prop_map(Change::Retain),
        2 => (0..2_u8, 0..3_u8).prop_map(|(class, components)| Change::Class(class, components)),
        1 => (0..2_u8).prop_map(Change::DeleteClass),
    ]
}

/// Everything that the index says, to be compared.
fn told(index: &Index) -> Vec<String> {
    let devices = index.devices().values().map(|entry| {
        let (object, shown) = (&entry.object, &entry.shown);
        let version = object.resource_version();
        format!("{} {version:?} {} {:?}", object.name_any(), shown.metadata_json, shown.prefix)
    });
    let pvs = index.pv_names().into_iter().map(|pv| {
        format!("{pv} {:?} {:?}", index.owner(&pv), index.devices_with(&pv).collect::<Vec<_>>())
    });
    devices.chain(pvs).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever came before, the index says what one would say that was built from the objects of now alone; and a device that looks
    /// different is answered.
    #[test]
    fn the_index_depends_only_on_the_objects(
        changes in proptest::collection::vec(change(), 0..50)
    ) {
        let mut index = Index::new(Vec::new());
        let mut live: BTreeMap<String, Device> = BTreeMap::new();
        let mut classes: BTreeMap<String, DeviceClassSpec> = BTreeMap::new();
        for (version, change) in changes.iter().enumerate() {
            let version = Some(version.to_string());
            let looks = |index: &Index| -> BTreeMap<String, String> {
                let all = index.devices().iter();
                all.map(|(name, entry)| (name.clone(), entry.shown.digest.clone())).collect()
            };
            let before = (looks(&index), index.version());
            let touched = match *change {
                Change::Device(object, name, class, created, pvs) => {
                    let object = format!("d{object}");
                    let listed = [("a", "S:1"), ("b", "S:2"), ("c", "S:3")];
                    let mut some = device(&object, created, &listed[..usize::from(pvs.min(3))]);
                    some.spec.name = format!("n{name}");
                    some.spec.device_class = format!("site.C{class}");
                    some.spec.prefix = Some(format!("{object}:"));
                    some.metadata.uid = Some(format!("{object} {created}"));
                    some.metadata.resource_version = version;
                    live.insert(object, some.clone());
                    index.apply_device(some)
                }
                Change::Status(object) => match live.get_mut(&format!("d{object}")) {
                    Some(device) => {
                        device.metadata.resource_version = version;
                        device.status = Some(crds::device::DeviceStatus::default());
                        index.apply_device(device.clone())
                    }
                    None => Vec::new(),
                },
                Change::Delete(object) => {
                    let object = format!("d{object}");
                    live.remove(&object);
                    index.delete_device(&object)
                }
                Change::Retain(without) => {
                    live.remove(&format!("d{without}"));
                    index.retain_devices(&live.keys().cloned().collect())
                }
                Change::Class(which, components) => {
                    let class = class(&format!("site.C{which}"), components);
                    classes.insert(format!("c{which}"), class.clone());
                    index.apply_class(format!("c{which}"), class)
                }
                Change::DeleteClass(which) => {
                    classes.remove(&format!("c{which}"));
                    index.delete_class(&format!("c{which}"))
                }
            };
            let after = (looks(&index), index.version());
            for name in before.0.keys().chain(after.0.keys()) {
                if before.0.get(name) != after.0.get(name) {
                    prop_assert!(touched.contains(name), "{} after {:?}", name, change);
                    prop_assert!(after.1 > before.1);
                }
            }
            let mut fresh = Index::new(Vec::new());
            fresh.replace_classes(classes.clone());
            for device in live.values() {
                fresh.apply_device(device.clone());
            }
            prop_assert_eq!(told(&index), told(&fresh), "after {:?}", change);
        }
    }
}

#[test]
fn a_new_status_changes_nothing_that_is_shown() {
    let mut index = Index::default();
    let mut some = device("m", 1, &[("x", "S:1")]);
    index.apply_device(some.clone());
    let (shown, version) = (Arc::clone(&index.device("m").unwrap().shown), index.version());
    some.metadata.resource_version = Some("2".to_owned());
    assert!(index.apply_device(some).is_empty());
    let entry = index.device("m").unwrap();
    assert!(Arc::ptr_eq(&entry.shown, &shown));
    assert_eq!((entry.object.resource_version().as_deref(), index.version()), (Some("2"), version));
}
