//! What a dotted path such as `sample_x` or `slits.left` names: a device, a part of it, or one
//! signal. Pure.

use std::collections::HashMap;

use crds::device::Framework;
use crds::device_class::{Behaviour, Kind};
use crds::resolve::Signal;

use crate::device::DeviceError;
use crate::registry::KnownDevice;

/// Something that can be read, and perhaps set, triggered or stopped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Root device.
    pub(crate) device: String,
    /// The path as it was asked for.
    pub(crate) path: String,
    /// Ophyd name; the key of its main value in a reading.
    pub(crate) name: String,
    /// Short class name.
    pub(crate) class: String,
    /// How it is operated.
    pub(crate) behaviour: Behaviour,
    /// Framework whose conventions its results follow.
    pub(crate) framework: Framework,
    /// Its signals in the order of the class.
    pub(crate) parts: Vec<Part>,
    /// Numbers that the class sets and no PV serves, such as a tolerance.
    pub(crate) constants: Vec<(String, f64)>,
}

/// One signal of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Dotted name below the target; empty where the target is this one signal.
    pub(crate) attr: String,
    /// Its key in a reading.
    pub(crate) key: String,
    /// PV that is read.
    pub(crate) read_pv: String,
    /// PV that is written.
    pub(crate) write_pv: String,
    /// Which of the target's readings it belongs to.
    pub(crate) role: Role,
    /// Whether it can only be read.
    pub(crate) read_only: bool,
    /// Whether the value is shown as text.
    pub(crate) string: bool,
    /// Whether it stands for the whole (ophyd's hint).
    pub(crate) hinted: bool,
}

/// Which reading a signal belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `read()`.
    Reading,
    /// `read_configuration()`.
    Configuration,
    /// Neither.
    Omitted,
}

impl Target {
    /// What `path` names within `device`: the device itself for its bare name, else a component.
    ///
    /// # Errors
    /// [`DeviceError::UnknownClass`], [`DeviceError::NoModule`], [`DeviceError::NoComponent`].
    pub(crate) fn find(device: &KnownDevice, path: &str) -> Result<Self, DeviceError> {
        if device.class.is_none() {
            return Err(if device.class_path.contains('.') {
                DeviceError::UnknownClass(device.class_path.clone())
            } else {
                DeviceError::NoModule(device.class_path.clone())
            });
        }
        let tree = Tree::of(device);
        match path.split_once('.') {
            None => Ok(tree.root(path)),
            Some((_, component)) => tree.component(path, component),
        }
    }

    /// The signal of that name.
    pub(crate) fn part(&self, attr: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.attr == attr)
    }

    /// A number that the class sets.
    pub(crate) fn constant(&self, attr: &str) -> Option<f64> {
        self.constants.iter().find(|(name, _)| name == attr).map(|(_, value)| *value)
    }

    /// The one signal that the target is.
    pub(crate) fn only(&self) -> Option<&Part> {
        self.parts.first().filter(|_| self.behaviour == Behaviour::Signal)
    }

    /// The framework's name on the wire.
    pub(crate) fn framework_name(&self) -> &'static str {
        match self.framework {
            Framework::OphydSync => "ophyd-sync",
            Framework::OphydAsync => "ophyd-async",
        }
    }
}

/// A device with what its class says of every component, sub-devices included.
struct Tree<'a> {
    device: &'a KnownDevice,
    kinds: HashMap<&'a str, Kind>,
    classes: HashMap<&'a str, &'a str>,
}

impl<'a> Tree<'a> {
    fn of(device: &'a KnownDevice) -> Self {
        let components = device.class.iter().flat_map(|class| &class.components);
        let mut tree = Self { device, kinds: HashMap::new(), classes: HashMap::new() };
        for component in components {
            tree.kinds.insert(&component.name, component.kind);
            if let Some(class) = &component.class {
                tree.classes.insert(&component.name, class);
            }
        }
        tree
    }

    fn signals(&self) -> &'a [Signal] {
        &self.device.operable.signals
    }

    fn root(&self, path: &str) -> Target {
        let behaviour = self.device.operable.behaviour;
        let parts = match behaviour {
            Behaviour::Signal => self.single().into_iter().collect(),
            _ => self.parts_below(""),
        };
        self.target(
            path,
            self.device.name.clone(),
            &self.device.operable.ophyd_class,
            behaviour,
            (parts, self.constants_below("")),
        )
    }

    fn component(&self, path: &str, component: &str) -> Result<Target, DeviceError> {
        let whole = self.device.operable.behaviour == Behaviour::Signal;
        if let Some(signal) =
            self.signals().iter().find(|signal| signal.name == component && !whole)
        {
            let part = Part { attr: String::new(), ..self.part(signal, "") };
            let class = self.classes.get(component).copied().unwrap_or(if signal.read_only {
                "EpicsSignalRO"
            } else {
                "EpicsSignal"
            });
            return Ok(self.target(
                path,
                part.key.clone(),
                class,
                Behaviour::Signal,
                (vec![part], Vec::new()),
            ));
        }
        let prefix = format!("{component}.");
        if whole || !self.signals().iter().any(|signal| signal.name.starts_with(&prefix)) {
            return Err(DeviceError::NoComponent {
                device: self.device.name.clone(),
                path: component.to_owned(),
                missing: self.missing(component).to_owned(),
            });
        }
        let class = self.classes.get(component).copied().unwrap_or("Device");
        let name = self.key(component);
        Ok(self.target(
            path,
            name,
            class,
            behaviour_of(class),
            (self.parts_below(&prefix), self.constants_below(&prefix)),
        ))
    }

    fn target(
        &self,
        path: &str,
        name: String,
        class: &str,
        behaviour: Behaviour,
        (parts, constants): (Vec<Part>, Vec<(String, f64)>),
    ) -> Target {
        Target {
            device: self.device.name.clone(),
            path: path.to_owned(),
            name,
            class: class.to_owned(),
            behaviour,
            framework: self.device.framework,
            parts,
            constants,
        }
    }

    fn constants_below(&self, prefix: &str) -> Vec<(String, f64)> {
        let components = self.device.class.iter().flat_map(|class| &class.components);
        let below = components.filter_map(|component| {
            let attr = component.name.strip_prefix(prefix)?;
            let value = component.value.as_ref()?.as_f64()?;
            Some((attr.to_owned(), value))
        });
        below.collect()
    }

    /// A device that is one signal: `readback` is read, `setpoint` is written where there is one.
    fn single(&self) -> Option<Part> {
        let named = |name: &str| self.signals().iter().find(|signal| signal.name == name);
        let readback = named("readback").or_else(|| self.signals().first())?;
        let setpoint = named("setpoint").unwrap_or(readback);
        Some(Part {
            attr: String::new(),
            key: self.device.name.clone(),
            read_pv: readback.readback_pv.clone(),
            write_pv: setpoint.pv.clone(),
            role: Role::Reading,
            read_only: setpoint.read_only,
            string: readback.string,
            hinted: true,
        })
    }

    fn parts_below(&self, prefix: &str) -> Vec<Part> {
        let below = self.signals().iter().filter(|signal| signal.name.starts_with(prefix));
        below.map(|signal| self.part(signal, prefix)).collect()
    }

    fn part(&self, signal: &Signal, prefix: &str) -> Part {
        Part {
            attr: signal.name.strip_prefix(prefix).unwrap_or(&signal.name).to_owned(),
            key: self.key(&signal.name),
            read_pv: signal.readback_pv.clone(),
            write_pv: signal.pv.clone(),
            role: self.role(signal, prefix),
            read_only: signal.read_only,
            string: signal.string,
            hinted: signal.kind == Kind::Hinted,
        }
    }

    /// A part of a part is read when all of them are; a sub-device that is read also gives its
    /// configuration (ophyd's rule).
    fn role(&self, signal: &Signal, prefix: &str) -> Role {
        let parents: Vec<Kind> = signal
            .name
            .match_indices('.')
            .map(|(at, _)| &signal.name[..at])
            .filter(|parent| parent.len() >= prefix.len())
            .filter_map(|parent| self.kinds.get(parent).copied())
            .collect();
        let read = |kind: &Kind| matches!(kind, Kind::Normal | Kind::Hinted);
        match signal.kind {
            Kind::Normal | Kind::Hinted if parents.iter().all(read) => Role::Reading,
            Kind::Config if parents.iter().all(|kind| *kind != Kind::Omitted) => {
                Role::Configuration
            }
            _ => Role::Omitted,
        }
    }

    /// `<device>_<component>` with dots as underscores (ophyd) or dashes (ophyd-async). The
    /// readback of a motor or positioner has the name of the whole.
    fn key(&self, component: &str) -> String {
        let separator = match self.device.framework {
            Framework::OphydSync => "_",
            Framework::OphydAsync => "-",
        };
        let (parent, leaf) = component.rsplit_once('.').unwrap_or(("", component));
        let behaviour = match self.classes.get(parent) {
            _ if parent.is_empty() => self.device.operable.behaviour,
            Some(class) => behaviour_of(class),
            None => Behaviour::Composite,
        };
        let is_main = matches!(
            (behaviour, leaf),
            (Behaviour::EpicsMotor, "user_readback") | (Behaviour::Positioner, "readback")
        );
        let shown = if is_main { parent } else { component };
        let mut key = self.device.name.clone();
        for piece in shown.split('.').filter(|piece| !piece.is_empty()) {
            key.push_str(separator);
            key.push_str(piece);
        }
        key
    }

    /// The first piece of the path that the class does not have, as Python's `AttributeError` would
    /// name it.
    fn missing<'p>(&self, component: &'p str) -> &'p str {
        let mut end = 0;
        for piece in component.split('.') {
            let upto = &component[..end + piece.len()];
            let known = self
                .signals()
                .iter()
                .any(|signal| signal.name == upto || signal.name.starts_with(&format!("{upto}.")));
            if !known {
                return piece;
            }
            end = upto.len() + 1;
        }
        component
    }
}

/// How a component of that class is operated. Classes are known by their short names here.
fn behaviour_of(class: &str) -> Behaviour {
    match class {
        "EpicsMotor" | "Motor" => Behaviour::EpicsMotor,
        "EpicsScaler" | "EpicsMCA" | "EpicsMCARecord" => Behaviour::Counter,
        name if name.starts_with("PVPositioner") => Behaviour::Positioner,
        _ => Behaviour::Composite,
    }
}

#[cfg(test)]
#[path = "target/tests.rs"]
mod tests;
