//! The simulated devices of the queue server's simulated profile (contract queue-server §9.2).
//!
//! Names, components, parameters and arithmetic are those of `ophyd.sim`, so that a scan gives the same numbers here and there.
//! Images, pseudo positioners and bundles of that profile are not part of it.

mod axis;
mod cell;
mod flyer;
mod peak;
mod profile;
mod signal;

pub use profile::profile;

use std::sync::Arc;

use super::{DataKeys, DeviceRef, Hints, PythonClass, Readings};
use crds::device_class::Kind;
use signal::SoftSignal;

/// Module of the simulated classes.
const SIM: &str = "ophyd.sim";

/// What all simulated devices that have components share.
#[derive(Debug)]
struct Parts {
    name: String,
    class: &'static str,
    parts: Vec<Part>,
}

/// One component.
#[derive(Debug)]
struct Part {
    attribute: &'static str,
    kind: Kind,
    signal: Arc<SoftSignal>,
}

impl Parts {
    fn class(&self) -> PythonClass {
        PythonClass { name: self.class.into(), module: SIM.into() }
    }

    fn of_kind(&self, kinds: &'static [Kind]) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| kinds.contains(&part.kind))
    }

    fn representation(&self) -> String {
        let list = |kinds| {
            let names: Vec<_> =
                self.of_kind(kinds).map(|part| format!("'{}'", part.attribute)).collect();
            names.join(", ")
        };
        format!(
            "{}(prefix='', name='{}', read_attrs=[{}], configuration_attrs=[{}])",
            self.class,
            self.name,
            list(READ),
            list(CONFIG)
        )
    }

    fn hints(&self) -> Hints {
        Hints::Fields(
            self.of_kind(&[Kind::Hinted]).map(|part| part.signal.field().to_owned()).collect(),
        )
    }

    fn components(&self) -> Vec<(String, DeviceRef)> {
        let named =
            |part: &Part| (part.attribute.to_owned(), Arc::clone(&part.signal) as DeviceRef);
        self.parts.iter().map(named).collect()
    }

    fn readings(&self, kinds: &'static [Kind]) -> Readings {
        self.of_kind(kinds).map(|part| part.signal.field_reading()).collect()
    }

    fn data_keys(&self, kinds: &'static [Kind]) -> DataKeys {
        self.of_kind(kinds).map(|part| part.signal.field_key()).collect()
    }
}

const READ: &[Kind] = &[Kind::Hinted, Kind::Normal];
const CONFIG: &[Kind] = &[Kind::Config];
