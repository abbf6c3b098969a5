//! What a client sees of a device: which PVs are followed for it, and what each is called
//! (contract §5.3). Pure.

use crds::device_class::Behaviour;

use crate::device::DeviceError;
use crate::device::target::{Part, Role, Target};
use crate::oas::frames::{SignalWords, Words};
use crate::registry::KnownDevice;

/// One PV that is followed for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What its frames say.
    pub(crate) words: Words,
    /// PV that is read.
    pub(crate) pv: String,
    /// PV that sets it, where that is another one.
    pub(crate) setpoint: Option<String>,
}

/// What is followed for `path`, which the client calls so, within `device`.
///
/// # Errors
/// [`DeviceError::NoComponent`]; [`DeviceError::UnknownClass`] and [`DeviceError::NoModule`] for a
/// device without signals.
pub(crate) fn of(
    device: &KnownDevice,
    path: &str,
    read_only: bool,
) -> Result<Vec<Shown>, DeviceError> {
    let view = View { name: path, read_only };
    match Target::find(device, path) {
        Ok(target) => Ok(view.target(&target)),
        Err(DeviceError::UnknownClass(_) | DeviceError::NoModule(_))
            if path == device.name && !device.listed.signals.is_empty() =>
        {
            Ok(view.listed(device))
        }
        Err(error) => Err(error),
    }
}

/// A client's view of a device.
struct View<'a> {
    name: &'a str,
    read_only: bool,
}

impl View<'_> {
    fn target(&self, target: &Target) -> Vec<Shown> {
        let main = match target.behaviour {
            Behaviour::Signal => target.only().map(|part| (part, None)),
            Behaviour::EpicsMotor => {
                target.part("user_readback").map(|part| (part, target.part("user_setpoint")))
            }
            Behaviour::Positioner | Behaviour::Settling => {
                let setpoint = target.part("setpoint");
                target.part("readback").or(setpoint).map(|part| (part, setpoint))
            }
            Behaviour::Counter | Behaviour::Camera | Behaviour::Composite => None,
        };
        let Some((part, setpoint)) = main else { return self.leaves(target) };
        let whole = target.behaviour != Behaviour::Signal;
        let written = setpoint.map_or(&part.write_pv, |setpoint| &setpoint.write_pv);
        let mut all = vec![self.signal(part, written, !whole)];
        if part.read_pv != *written {
            let words = Words::Setpoint { device: self.name.to_owned() };
            all.push(Shown { words, pv: written.clone(), setpoint: None });
        }
        let done = ["motor_done_move", "done"].iter().find_map(|attr| target.part(attr));
        if let Some(done) = done.filter(|_| whole) {
            let words = Words::Moving { device: self.name.to_owned() };
            all.push(Shown { words, pv: done.read_pv.clone(), setpoint: None });
        }
        all
    }

    /// A device without a position of its own. Its value is that of the one signal that stands for
    /// it, where there is just one; else every signal tells its own.
    fn leaves(&self, target: &Target) -> Vec<Shown> {
        let hinted = |part: &&Part| part.hinted && part.role == Role::Reading;
        let mut standing = target.parts.iter().filter(hinted);
        let parts: Vec<&Part> = match (standing.next(), standing.next()) {
            (Some(only), None) => vec![only],
            _ => target.parts.iter().collect(),
        };
        parts.into_iter().map(|part| self.signal(part, &part.write_pv, false)).collect()
    }

    fn signal(&self, part: &Part, written: &str, access: bool) -> Shown {
        let words = SignalWords {
            device: self.name.to_owned(),
            signal: part.key.clone(),
            access,
            string: part.string,
            read_only: self.read_only || (part.read_only && part.write_pv == written),
        };
        Shown {
            words: Words::Signal(words),
            pv: part.read_pv.clone(),
            setpoint: (part.read_pv != written).then(|| written.to_owned()),
        }
    }

    /// The signals that a device of an unknown class lists.
    fn listed(&self, device: &KnownDevice) -> Vec<Shown> {
        let signals = device.listed.signals.iter().map(|signal| {
            let words = SignalWords {
                device: self.name.to_owned(),
                signal: format!("{}_{}", device.name, signal.name.replace('.', "_")),
                access: false,
                string: signal.string,
                read_only: self.read_only || signal.read_only,
            };
            let other = signal.readback_pv != signal.pv;
            Shown {
                words: Words::Signal(words),
                pv: signal.readback_pv.clone(),
                setpoint: other.then(|| signal.pv.clone()),
            }
        });
        signals.collect()
    }
}

#[cfg(test)]
#[path = "shown/tests.rs"]
mod tests;
