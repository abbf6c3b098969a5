//! From a device and its class to signals: the one place that knows which PVs a device has.
//!
//! The operator, the registry, direct control and the native engine all ask here, so they cannot
//! disagree.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use crate::by_name;
use crate::device::{Capabilities, DeviceLabel, DeviceSpec};
use crate::device_class::{Behaviour, Component, DeviceClassSpec, Kind};

/// The known classes, by every import path that names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    by_path: HashMap<String, Arc<DeviceClassSpec>>,
}

impl Catalogue {
    /// A catalogue of `classes`. An alias never hides a class of that very path.
    pub fn new(classes: impl IntoIterator<Item = DeviceClassSpec>) -> Self {
        let classes: Vec<_> = classes.into_iter().map(Arc::new).collect();
        let mut by_path = HashMap::new();
        for class in &classes {
            for alias in &class.aliases {
                by_path.insert(alias.clone(), Arc::clone(class));
            }
        }
        for class in classes {
            by_path.insert(class.class_path.clone(), class);
        }
        Self { by_path }
    }

    /// Whether there is not one class.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// The import paths and aliases that mean something else in `other`, or nothing in one of the two.
    pub fn differing(&self, other: &Self) -> HashSet<String> {
        let paths = self.by_path.keys().chain(other.by_path.keys());
        paths.filter(|path| self.by_path.get(*path) != other.by_path.get(*path)).cloned().collect()
    }

    /// The class of that import path or alias.
    pub fn get(&self, path: &str) -> Option<&Arc<DeviceClassSpec>> {
        self.by_path.get(path)
    }
}

/// Name under which the Python services keep the prefix of a device among its PVs.
const PREFIX: &str = "prefix";

/// A device with everything that its class says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedDevice {
    /// Ophyd name.
    pub name: String,
    /// Short class name.
    pub ophyd_class: String,
    /// Python module of the class, if the class path has one.
    pub module: Option<String>,
    /// Coarse kind.
    pub label: DeviceLabel,
    /// How it is operated; `Composite` for a class that the catalogue does not know.
    pub behaviour: Behaviour,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its signals, in the order of the class.
    pub signals: Vec<Signal>,
    /// Whether the catalogue knows the class.
    pub class_known: bool,
}

/// One signal: a component with a PV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Dotted component name.
    pub name: String,
    /// PV that is written; the one PV of the signal where it has no readback of its own.
    pub pv: String,
    /// PV that is read.
    pub readback_pv: String,
    /// Whether it is read, configuration, or neither.
    pub kind: Kind,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Whether the value is shown as text.
    pub string: bool,
}

impl ResolvedDevice {
    /// The signal of that dotted name.
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.name == name)
    }
}

/// Resolves `device` with the class that `catalogue` has for it.
///
/// PVs given in the spec win over those derived from the class. A PV given for a component that the
/// class does not have becomes a signal of its own. What the catalogue does not know is judged by
/// its name. Components whose suffix only an instance can fill are left out.
pub fn resolve(device: &DeviceSpec, catalogue: &Catalogue) -> ResolvedDevice {
    let class = catalogue.get(&device.device_class);
    let (module, short) = match device.device_class.rsplit_once('.') {
        Some((module, short)) => (Some(module.to_owned()), short.to_owned()),
        None => (None, device.device_class.clone()),
    };
    ResolvedDevice {
        name: device.name.clone(),
        ophyd_class: device.ophyd_class.clone().unwrap_or_else(|| short.clone()),
        module: device.module.clone().or(module),
        label: device.device_label.unwrap_or_else(|| match class {
            Some(class) => class.device_label,
            None => by_name::device_label(&short, device.functional_group.as_deref()),
        }),
        behaviour: class.map_or(Behaviour::Composite, |class| class.behaviour),
        capabilities: device.capabilities.unwrap_or_else(|| match class {
            Some(class) => class.capabilities,
            None => by_name::capabilities(&short),
        }),
        signals: signals(device, class.map(AsRef::as_ref)),
        class_known: class.is_some(),
    }
}

fn signals(device: &DeviceSpec, class: Option<&DeviceClassSpec>) -> Vec<Signal> {
    let base = base(device);
    let mut signals = Vec::new();
    let components = class.map(|class| class.components.as_slice()).unwrap_or_default();
    for component in components {
        if let Some(signal) = class_signal(component, device, base.as_deref()) {
            signals.push(signal);
        }
    }
    if class.is_some_and(|class| class.behaviour == Behaviour::Signal) {
        write_elsewhere(device, &mut signals);
    }
    for (name, pv) in device.pvs.iter().filter(|_| gives_pvs(device)) {
        if !components.iter().any(|component| component.name == *name) {
            signals.push(Signal {
                name: name.clone(),
                pv: pv.clone(),
                readback_pv: pv.clone(),
                kind: Kind::Normal,
                read_only: false,
                string: false,
            });
        }
    }
    // There are as many lists as devices, and they stay.
    signals.shrink_to_fit();
    signals
}

/// Whether the spec itself says which PVs the device has. An entry `prefix` alone does not: it is
/// what the Python services keep of a device whose components they do not know.
pub fn gives_pvs(device: &DeviceSpec) -> bool {
    device.pvs.keys().any(|name| name != PREFIX)
}

fn class_signal(component: &Component, device: &DeviceSpec, base: Option<&str>) -> Option<Signal> {
    let given = device.pvs.get(&component.name);
    let derived = match (&component.suffix, base) {
        (Some(suffix), Some(base)) if !gives_pvs(device) && !component.needs_instance => {
            Some(format!("{base}{suffix}"))
        }
        _ => None,
    };
    let pv = given.cloned().or(derived)?;
    let readback_pv = match (&component.readback_suffix, given, base) {
        (Some(suffix), None, Some(base)) => format!("{base}{suffix}"),
        _ => pv.clone(),
    };
    Some(Signal {
        name: component.name.clone(),
        pv,
        readback_pv,
        kind: component.kind,
        read_only: component.read_only,
        string: component.string,
    })
}

/// An `EpicsSignal` may be told to read one PV and write another (`read_pv`, `write_pv`).
fn write_elsewhere(device: &DeviceSpec, signals: &mut [Signal]) {
    let kwargs = device.rendered_kwargs();
    let named = |key: &str| kwargs.get(key).and_then(Value::as_str).map(str::to_owned);
    for signal in signals {
        if let Some(pv) = named("write_pv") {
            signal.pv = pv;
        }
        if let Some(pv) = named("read_pv") {
            signal.readback_pv = pv;
        }
    }
}

/// What a class puts before its suffixes: its prefix or its first argument, colon or not, or the PV
/// that a signal reads.
fn base(device: &DeviceSpec) -> Option<String> {
    let kwargs = device.rendered_kwargs();
    let first = device.rendered_args().into_iter().next();
    let named = ["prefix", "read_pv"].iter().find_map(|key| kwargs.get(*key)).cloned();
    match first.or(named) {
        Some(Value::String(text)) => Some(text),
        _ => device.prefix.as_ref().or(device.pvs.get(PREFIX)).cloned(),
    }
}

/// The PV prefix of a device: as written, or its PV `prefix`, or the first argument when that is a
/// string with a colon.
pub fn prefix(device: &DeviceSpec) -> Option<String> {
    if let Some(prefix) = device.prefix.as_ref().or(device.pvs.get(PREFIX)) {
        return Some(prefix.clone());
    }
    match device.rendered_args().first() {
        Some(Value::String(text)) if text.contains(':') => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let component = |name: &str, suffix: &str, readback: Option<&str>, kind| Component {
            name: name.into(),
            suffix: Some(suffix.into()),
            readback_suffix: readback.map(Into::into),
            kind,
            read_only: false,
            string: false,
            needs_instance: false,
            class: None,
            value: None,
        };
        Catalogue::new([DeviceClassSpec {
            class_path: "lab.Det".into(),
            aliases: vec!["lab.det.Det".into()],
            framework: crate::device::Framework::OphydSync,
            device_label: DeviceLabel::Detector,
            behaviour: Behaviour::Composite,
            capabilities: Capabilities { readable: true, ..Capabilities::default() },
            components: vec![
                component("det", ":det", None, Kind::Hinted),
                component("acquire", ":Acquire", Some(":Acquire_RBV"), Kind::Config),
            ],
            documentation: None,
        }])
    }

    fn device(yaml: serde_json::Value) -> DeviceSpec {
        serde_json::from_value(yaml).unwrap()
    }

    #[test]
    fn prefix_and_class_give_the_signals() {
        let spec = device(
            serde_json::json!({"name": "ph", "deviceClass": "lab.det.Det", "prefix": "mini:ph"}),
        );
        let resolved = resolve(&spec, &catalogue());
        assert_eq!(resolved.signal("det").unwrap().pv, "mini:ph:det");
        let acquire = resolved.signal("acquire").unwrap();
        assert_eq!(
            (acquire.pv.as_str(), acquire.readback_pv.as_str()),
            ("mini:ph:Acquire", "mini:ph:Acquire_RBV")
        );
        assert_eq!(resolved.label, DeviceLabel::Detector);
        assert_eq!(resolved.ophyd_class, "Det");
    }

    #[test]
    fn a_pv_called_prefix_is_the_prefix() {
        let spec = device(serde_json::json!({
            "name": "m", "deviceClass": "lab.Det", "pvs": {"prefix": "P"}
        }));
        let resolved = resolve(&spec, &catalogue());
        let names: Vec<&str> = resolved.signals.iter().map(|signal| signal.pv.as_str()).collect();
        assert_eq!(names, ["P:det", "P:Acquire"]);
        assert_eq!(prefix(&spec).as_deref(), Some("P"));
    }

    #[test]
    fn given_pvs_win_and_an_unknown_class_keeps_them() {
        let spec = device(serde_json::json!({
            "name": "m", "deviceClass": "site.Thing", "pvs": {"a": "X:a", "b": "X:b"}
        }));
        let resolved = resolve(&spec, &catalogue());
        assert!(!resolved.class_known);
        assert_eq!(resolved.signals.len(), 2);
        let spec = device(serde_json::json!({
            "name": "m", "deviceClass": "lab.Det", "prefix": "P", "pvs": {"det": "X:other"}
        }));
        let resolved = resolve(&spec, &catalogue());
        assert_eq!(resolved.signals.len(), 1);
        assert_eq!(resolved.signals[0].pv, "X:other");
    }
}
