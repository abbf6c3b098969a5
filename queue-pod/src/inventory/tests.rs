use crds::DeviceLocksSpec;
use crds::device_class::DeviceClassSpec;
use crds::locking::{self, Claimant};
use jiff::Timestamp;
use serde_json::json;

use super::*;

fn recipe(name: &str, pv: &str) -> DeviceRecipe {
    DeviceRecipe {
        name: name.to_owned(),
        device_class: "ophyd.epics_motor.EpicsMotor".to_owned(),
        args: vec![json!(pv)],
        kwargs: [("name".to_owned(), json!(name))].into_iter().collect(),
        pvs: [("readback".to_owned(), format!("{pv}.RBV"))].into(),
    }
}

fn device(name: &str, more: &Value) -> Device {
    let mut spec = json!({"name": name, "deviceClass": "ophyd.EpicsMotor"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Device::new(name, serde_json::from_value(spec).unwrap())
}

fn catalogue() -> Catalogue {
    let class: DeviceClassSpec = serde_json::from_value(json!({
        "classPath": "ophyd.epics_motor.EpicsMotor",
        "aliases": ["ophyd.EpicsMotor"],
        "framework": "ophyd-sync",
        "deviceLabel": "motor",
        "behaviour": "EpicsMotor",
    }))
    .unwrap();
    Catalogue::new([class])
}

fn profile() -> ProfileDevices {
    ProfileDevices {
        known: vec![
            recipe("new", "new:"),
            recipe("same", "same:"),
            recipe("moved", "there:"),
            recipe("off", "off:"),
        ],
        left_out: [("simulated".to_owned(), "it has no PVs".to_owned())].into(),
        beside_registry: false,
    }
}

fn registry() -> Vec<Device> {
    vec![
        device("same", &json!({"prefix": "same:"})),
        device(
            "moved",
            &json!({"prefix": "here:", "pvs": {"readback": "here:.RBV"}, "documentation": "of the hutch"}),
        ),
        device("off", &json!({"prefix": "off:", "active": false})),
        device("simulated", &json!({})),
        device("gone", &json!({"prefix": "gone:"})),
    ]
}

fn named_changes(strategy: &Strategy) -> Vec<(&'static str, String)> {
    let (profile, devices, catalogue) = (profile(), registry(), catalogue());
    let changes = Inventory::new(&profile, &devices, &catalogue).changes(strategy);
    let named = |change: &Change| {
        let word = match change {
            Change::Create(_) => "create",
            Change::Replace(_) => "replace",
            Change::Enable(_) => "enable",
            Change::Delete(_) => "delete",
        };
        (word, change.device().spec.name.clone())
    };
    changes.iter().map(named).collect()
}

#[test]
fn profile_and_registry_differ_in_what_they_make_not_in_how_it_is_written() {
    let (profile, devices, catalogue) = (profile(), registry(), catalogue());
    let difference = Inventory::new(&profile, &devices, &catalogue).difference();
    assert_eq!(
        json!(difference),
        json!({
            "added": ["new"],
            "removed": ["gone"],
            "modified": [{
                "name": "moved",
                "before": {"name": "moved", "device_class": "ophyd.EpicsMotor", "args": ["here:"],
                           "kwargs": {}, "active": true, "framework": null},
                "after": {"name": "moved", "device_class": "ophyd.EpicsMotor", "args": ["there:"],
                          "kwargs": {}, "active": true, "framework": null},
                "fields_changed": ["args"],
            }],
            "disabled": ["off"],
        })
    );
}

#[test]
fn each_strategy_writes_what_it_says_and_only_one_deletes() {
    let named = |list: &[(&'static str, &str)]| -> Vec<_> {
        list.iter().map(|(word, name)| (*word, (*name).to_owned())).collect()
    };
    let all = [("create", "new"), ("replace", "moved"), ("delete", "gone")];
    assert_eq!(named_changes(&Strategy::All), named(&all));
    assert_eq!(named_changes(&Strategy::AdditionsOnly), named(&[("create", "new")]));
    let chosen = ["moved", "off", "gone", "same", "never heard of"].map(str::to_owned);
    let chosen = Strategy::Selected(chosen.into());
    assert_eq!(named_changes(&chosen), named(&[("replace", "moved"), ("enable", "off")]));
}

#[test]
fn a_registry_that_supplies_devices_loses_only_those_that_came_from_a_profile() {
    let (mut profile, mut devices, catalogue) = (profile(), registry(), catalogue());
    profile.beside_registry = true;
    let removed =
        |devices: &[Device]| Inventory::new(&profile, devices, &catalogue).difference().removed;
    assert!(removed(&devices).is_empty());
    devices[4].labels_mut().insert(CREATED_BY.0.to_owned(), CREATED_BY.1.to_owned());
    assert_eq!(removed(&devices), ["gone"]);
}

#[test]
fn a_device_that_is_changed_keeps_what_the_profile_does_not_know_and_loses_the_pvs_that_it_had() {
    let (profile, devices, catalogue) = (profile(), registry(), catalogue());
    let inventory = Inventory::new(&profile, &devices, &catalogue);
    let changes =
        inventory.changes(&Strategy::Selected(["moved".to_owned(), "off".to_owned()].into()));
    let [moved, off] = changes.as_slice() else { panic!("{changes:?}") };
    let spec = &moved.device().spec;
    assert_eq!((spec.prefix.as_deref(), spec.args.as_slice()), (Some("there:"), [].as_slice()));
    assert_eq!(spec.documentation.as_deref(), Some("of the hutch"));
    assert!(spec.pvs.is_empty(), "the class knows them");
    assert_eq!(spec.device_class, "ophyd.EpicsMotor");
    assert!(off.device().is_active() && !off.device().spec.active);
}

#[test]
fn what_git_owns_or_a_plan_holds_is_not_touched() {
    let (profile, mut devices, catalogue) = (profile(), registry(), catalogue());
    let label = ("kustomize.toolkit.fluxcd.io/name".to_owned(), "lab".to_owned());
    devices[4].metadata.labels = Some([label].into());
    let word = |word: &str| word.to_owned();
    let claimant = Claimant { item_id: word("1"), plan_name: word("scan"), service: word("s") };
    let now = Timestamp::now();
    let free = DeviceLocksSpec::default();
    let table = locking::take(&free, &[word("moved")], &claimant, "l", now, None);
    let changes = Inventory::new(&profile, &devices, &catalogue).changes(&Strategy::All);
    let refusals: Vec<_> =
        changes.iter().filter_map(|change| change.refusal(Some(&table), now)).collect();
    assert_eq!(
        refusals,
        [
            "Device 'moved' is locked and cannot be updated; unlock it (or wait for the plan to finish) first",
            "Device 'gone' is synced from git by Flux kustomization 'lab'; change it there",
        ]
    );
}
