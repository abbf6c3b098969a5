//! What carries the condition `Connected`, and the PVs that tell it. Plain data.

use channels::split_scheme;
use crds::device_class::Kind;
use crds::process_variable::Protocol;
use crds::resolve::{ResolvedDevice, Signal};
use crds::{Device, ProcessVariable};
use kube::ResourceExt;

/// Most PVs that are watched for one object. An IOC serves all PVs of a device or none, so more would tell nothing new of a
/// scaler with 32 channels or a detector with 400 settings, and cost thousands of connections.
const MOST_PVS: usize = 32;

/// Kind of an object whose `Connected` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A device.
    Device,
    /// A standalone PV.
    ProcessVariable,
}

/// An object whose `Connected` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its kind.
    pub(crate) carrier: Carrier,
    /// `metadata.name`.
    pub(crate) object: String,
    /// `metadata.uid`.
    pub(crate) uid: String,
    /// `metadata.generation` that this is made of.
    pub(crate) generation: Option<i64>,
    /// Whether it may be used; what is switched off is not watched.
    pub(crate) active: bool,
    /// The PVs that must answer, each once, with their protocol where it is not Channel Access.
    pub(crate) pvs: Vec<String>,
}

impl Subject {
    /// `device`, with what `listed` says of its signals.
    pub(crate) fn of_device(device: &Device, listed: &ResolvedDevice) -> Self {
        let active = device.is_active();
        Self {
            carrier: Carrier::Device,
            object: device.name_any(),
            uid: device.uid().unwrap_or_default(),
            generation: device.metadata.generation,
            active,
            pvs: if active { telling(&listed.signals) } else { Vec::new() },
        }
    }

    /// A standalone PV.
    pub(crate) fn of_pv(pv: &ProcessVariable) -> Self {
        Self {
            carrier: Carrier::ProcessVariable,
            object: pv.name_any(),
            uid: pv.uid().unwrap_or_default(),
            generation: pv.metadata.generation,
            active: true,
            pvs: vec![searched_as(pv)],
        }
    }
}

/// The name under which it is searched: over the protocol that its name says, or else its declaration.
fn searched_as(pv: &ProcessVariable) -> String {
    let (name, protocol) = (&pv.spec.pv_name, pv.spec.protocol);
    match split_scheme(name) {
        (None, name) if protocol == Protocol::Pva => {
            format!("{}{name}", channels::Protocol::Pva.scheme())
        }
        _ => name.clone(),
    }
}

/// The PVs that a reading of the device brings; where it brings none, those of its configuration, or else all. Of the rest of a
/// class an IOC may well lack some, and the device works all the same.
fn telling(signals: &[Signal]) -> Vec<String> {
    let of = |wanted: &[Kind]| -> Vec<&Signal> {
        signals.iter().filter(|signal| wanted.contains(&signal.kind)).collect()
    };
    let groups = [of(&[Kind::Hinted, Kind::Normal]), of(&[Kind::Config]), of(&[Kind::Omitted])];
    let group = groups.into_iter().find(|group| !group.is_empty()).unwrap_or_default();
    let mut pvs: Vec<String> = Vec::new();
    for pv in group.into_iter().flat_map(|signal| [&signal.readback_pv, &signal.pv]) {
        if pvs.len() < MOST_PVS && !pvs.contains(pv) {
            pvs.push(pv.clone());
        }
    }
    pvs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &str, kind: Kind) -> Signal {
        Signal {
            name: name.to_owned(),
            pv: format!("P:{name}"),
            readback_pv: format!("P:{name}_RBV"),
            kind,
            read_only: false,
            string: false,
        }
    }

    #[test]
    fn what_a_reading_brings_tells_whether_a_device_is_connected() {
        let motor = [
            signal("readback", Kind::Hinted),
            signal("setpoint", Kind::Normal),
            signal("velocity", Kind::Config),
            signal("home", Kind::Omitted),
        ];
        let told = ["P:readback_RBV", "P:readback", "P:setpoint_RBV", "P:setpoint"];
        assert_eq!(telling(&motor), told);
    }

    #[test]
    fn without_a_reading_the_configuration_tells_and_without_that_everything() {
        let camera = [signal("gain", Kind::Config), signal("port", Kind::Omitted)];
        assert_eq!(telling(&camera), ["P:gain_RBV", "P:gain"]);
        assert_eq!(telling(&camera[1..]), ["P:port_RBV", "P:port"]);
        assert!(telling(&[]).is_empty());
    }

    #[test]
    fn the_number_of_pvs_is_bounded() {
        let scaler: Vec<_> = (0..400).map(|n| signal(&n.to_string(), Kind::Hinted)).collect();
        assert_eq!(telling(&scaler).len(), MOST_PVS);
    }
}
