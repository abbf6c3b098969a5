use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: [&str; 3] = ["n0", "n1", "n2"];
const PVS: [&str; 8] = ["P0:a", "P0:b", "P1:a", "P1:b", "P2:a", "P2:b", "S0", "S1"];

/// What an API server does to a namespace.
#[derive(Clone, Debug)]
enum Change {
    /// An object, its name, its class, its prefix, and whether it is switched on.
    Device(u8, u8, u8, u8, bool),
    /// The status of a device.
    Status(u8),
    DeleteDevice(u8),
    /// A complete list comes in, without these objects.
    RetainDevices(u8),
    Pv(u8, u8, bool),
    DeletePv(u8),
    RetainPvs(u8),
    /// An object, its class, and which components that has.
    Class(u8, u8, u8),
    DeleteClass(u8),
    RetainClasses(u8),
    Lock(u8),
    /// Somebody reads.
    Look,
}

fn change() -> impl Strategy<Value = Change> {
    let few = 0..4_u8;
    prop_oneof![
        6 => (0..4_u8, 0..3_u8, 0..3_u8, 0..3_u8, any::<bool>())
            .prop_map(|(object, name, class, prefix, on)| Change::Device(object, name, class, prefix, on)),
        2 => few.clone().prop_map(Change::Status),
        2 => few.clone().prop_map(Change::DeleteDevice),
        1 => few.clone().prop_map(Change::RetainDevices),
        3 => (0..3_u8, 0..2_u8, any::<bool>()).prop_map(|(object, pv, ca)| Change::Pv(object, pv, ca)),
        1 => few.clone().prop_map(Change::DeletePv),
        1 => few.clone().prop_map(Change::RetainPvs),
        3 => (0..2_u8, 0..2_u8, 0..3_u8).prop_map(|(object, class, parts)| Change::Class(object, class, parts)),
        1 => few.clone().prop_map(Change::DeleteClass),
        1 => few.clone().prop_map(Change::RetainClasses),
        1 => few.prop_map(Change::Lock),
        2 => Just(Change::Look),
    ]
}

/// The objects as an API server keeps them.
#[derive(Debug, Default)]
struct Objects {
    written: i64,
    devices: BTreeMap<String, Device>,
    pvs: BTreeMap<String, ProcessVariable>,
    classes: BTreeMap<String, DeviceClassSpec>,
    locks: DeviceLocksSpec,
}

impl Objects {
    /// Carries `change` out, and tells `state` of it as a watch would.
    fn carry_out(&mut self, change: &Change, state: &mut State) {
        self.written += 1;
        match *change {
            Change::Device(object, name, class, prefix, on) => {
                let object = format!("d{object}");
                let device = device(&object, name, class, prefix, on, self.written);
                self.devices.insert(object, device.clone());
                state.apply_device(device);
            }
            Change::Status(object) => {
                if let Some(device) = self.devices.get_mut(&format!("d{object}")) {
                    device.status = Some(accepted());
                    state.apply_device(device.clone());
                }
            }
            Change::DeleteDevice(object) => {
                let object = format!("d{object}");
                self.devices.remove(&object);
                state.delete_device(&object);
            }
            Change::RetainDevices(without) => {
                self.devices.remove(&format!("d{without}"));
                state.retain_devices(&self.devices.keys().cloned().collect());
            }
            Change::Pv(object, pv, ca) => {
                let object = format!("v{object}");
                let pv = standalone(&object, pv, ca, self.written);
                self.pvs.insert(object, pv.clone());
                state.apply_pv(pv);
            }
            Change::DeletePv(object) => {
                let object = format!("v{object}");
                self.pvs.remove(&object);
                state.delete_pv(&object);
            }
            Change::RetainPvs(without) => {
                self.pvs.remove(&format!("v{without}"));
                state.retain_pvs(&self.pvs.keys().cloned().collect());
            }
            Change::Class(object, path, parts) => {
                let (object, class) = (format!("c{object}"), class(path, parts));
                self.classes.insert(object.clone(), class.clone());
                state.apply_class(object, class);
            }
            Change::DeleteClass(object) => {
                let object = format!("c{object}");
                self.classes.remove(&object);
                state.delete_class(&object);
            }
            Change::RetainClasses(without) => {
                self.classes.remove(&format!("c{without}"));
                state.retain_classes(&self.classes.keys().cloned().collect());
            }
            Change::Lock(version) => {
                self.locks = DeviceLocksSpec { version: version.into(), ..Default::default() };
                state.set_locks(self.locks.clone());
            }
            Change::Look => drop(state.snapshot()),
        }
    }

    /// A state that has heard of nothing but what is there now.
    fn rebuilt(&self) -> State {
        let mut state = State::new(vec![class(2, 1)]);
        for (object, class) in &self.classes {
            state.apply_class(object.clone(), class.clone());
        }
        state.snapshot();
        self.devices.values().cloned().for_each(|device| state.apply_device(device));
        self.pvs.values().cloned().for_each(|pv| state.apply_pv(pv));
        state.set_locks(self.locks.clone());
        state
    }
}

fn accepted() -> crds::device::DeviceStatus {
    serde_json::from_value(json!({ "conditions": [{
        "type": "Ready", "status": "True", "reason": "Accepted", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }] }))
    .unwrap()
}

fn device(object: &str, name: u8, class: u8, prefix: u8, on: bool, written: i64) -> Device {
    let spec = json!({
        "name": NAMES[usize::from(name)], "deviceClass": format!("site.C{class}"),
        "prefix": format!("P{prefix}:"), "active": on,
    });
    let mut device = Device::new(object, serde_json::from_value(spec).unwrap());
    device.metadata.uid = Some(format!("uid-{object}"));
    device.metadata.generation = Some(written);
    device.metadata.creation_timestamp = Timestamp::from_second(written % 2).ok().map(Time);
    device
}

fn standalone(object: &str, pv: u8, ca: bool, written: i64) -> ProcessVariable {
    let protocol = if ca { "ca" } else { "pva" };
    let spec = json!({ "pvName": format!("S{pv}"), "protocol": protocol });
    let mut pv = ProcessVariable::new(object, serde_json::from_value(spec).unwrap());
    pv.metadata.uid = Some(format!("uid-{object}"));
    pv.metadata.generation = Some(written);
    pv.metadata.creation_timestamp = Timestamp::from_second(written % 2).ok().map(Time);
    pv
}

/// A class with neither, one or both of two components; one that is a signal owns its PV before others do.
fn class(path: u8, parts: u8) -> DeviceClassSpec {
    let components = [json!({"name": "a", "suffix": "a"}), json!({"name": "b", "suffix": "b"})];
    let behaviour = if parts == 1 { "Signal" } else { "Composite" };
    serde_json::from_value(json!({
        "classPath": format!("site.C{path}"), "deviceLabel": "device", "behaviour": behaviour,
        "components": &components[..usize::from(parts)],
    }))
    .unwrap()
}

/// Everything that a snapshot says, to be compared.
fn told(snapshot: &Snapshot) -> Vec<String> {
    let mut told: Vec<String> =
        NAMES.iter().map(|name| format!("{:?}", snapshot.device(name))).collect();
    for pv in PVS {
        let owners = snapshot.devices_of(pv).iter().map(|device| &device.name);
        told.push(format!("{pv}: {:?} {}", owners.collect::<Vec<_>>(), snapshot.knows_pv(pv)));
    }
    let mut subjects: Vec<String> = snapshot.subjects().map(|s| format!("{s:?}")).collect();
    subjects.sort();
    told.extend(subjects);
    told.push(format!("{:?}", snapshot.locks()));
    told
}

proptest! {
    /// Whatever came before, the registry is what one would be that was built of the objects that are there now, and what somebody
    /// holds does not change.
    #[test]
    fn any_sequence_of_changes_gives_what_a_rebuild_gives(
        changes in proptest::collection::vec(change(), 0..60)
    ) {
        let mut objects = Objects::default();
        let mut state = State::new(vec![class(2, 1)]);
        let mut held: Option<(Snapshot, Vec<String>)> = None;
        for change in &changes {
            objects.carry_out(change, &mut state);
            let now = told(state.snapshot());
            prop_assert_eq!(&now, &told(objects.rebuilt().snapshot()), "after {:?}", change);
            if let Some((snapshot, before)) = &held {
                prop_assert_eq!(&told(snapshot), before);
            }
            held = Some((state.snapshot().clone(), now));
        }
    }
}

#[test]
fn a_new_status_changes_nothing() {
    let mut state = State::new(vec![class(2, 1)]);
    let mut device = device("d0", 0, 2, 0, true, 1);
    state.apply_device(device.clone());
    let before = state.snapshot().clone();
    device.status = Some(accepted());
    state.apply_device(device);
    assert!(state.snapshot().is_of_same_objects(&before));
}
