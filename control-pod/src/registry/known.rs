//! One device as this process needs it: what the registry says of its PVs, and what its class makes
//! of it.

use std::sync::Arc;

use crds::device::Framework;
use crds::device_class::DeviceClassSpec;
use crds::resolve::{Catalogue, ResolvedDevice, gives_pvs, resolve};
use crds::{Device, DeviceSpec};

use crate::registry::subject::Subject;

/// A registered device.
#[derive(Clone, Debug)]
pub(crate) struct KnownDevice {
    /// Ophyd name.
    pub(crate) name: String,
    /// Import path of the class.
    pub(crate) class_path: String,
    /// What its PVs begin with.
    pub(crate) prefix: Option<String>,
    /// Whether it may be used.
    pub(crate) enabled: bool,
    /// What the registry lists: the PVs by which clients may address it.
    pub(crate) listed: Arc<ResolvedDevice>,
    /// What the class is made of, for operating it. The same as `listed` unless the spec names only
    /// some of the PVs.
    pub(crate) operable: Arc<ResolvedDevice>,
    /// The class, if the catalogue knows it.
    pub(crate) class: Option<Arc<DeviceClassSpec>>,
    /// Framework whose conventions its results follow.
    pub(crate) framework: Framework,
    /// What tells whether it is connected.
    pub(crate) subject: Arc<Subject>,
}

impl KnownDevice {
    /// Resolves `device` with the classes of `catalogue`.
    pub(crate) fn new(device: &Device, catalogue: &Catalogue) -> Self {
        let spec = &device.spec;
        let listed = Arc::new(resolve(spec, catalogue));
        let class = catalogue.get(&spec.device_class).cloned();
        let operable = if class.is_some() && gives_pvs(spec) {
            operable(spec, catalogue, &listed)
        } else {
            Arc::clone(&listed)
        };
        let framework = spec
            .framework
            .or(class.as_ref().map(|class| class.framework))
            .unwrap_or(Framework::OphydSync);
        Self {
            name: spec.name.clone(),
            class_path: spec.device_class.clone(),
            prefix: spec.prefix.clone(),
            enabled: device.is_active(),
            subject: Arc::new(Subject::of_device(device, &listed)),
            listed,
            operable,
            class,
            framework,
        }
    }

    /// Every PV by which the registry knows the device, without repetition of a signal's readback.
    pub(crate) fn pvs(&self) -> impl Iterator<Item = &str> {
        self.listed.signals.iter().flat_map(|signal| {
            let readback = (signal.readback_pv != signal.pv).then_some(signal.readback_pv.as_str());
            std::iter::once(signal.pv.as_str()).chain(readback)
        })
    }
}

/// A spec that lists some PVs still makes an object with every component of its class; the listed
/// ones keep their PVs.
fn operable(
    spec: &DeviceSpec,
    catalogue: &Catalogue,
    listed: &Arc<ResolvedDevice>,
) -> Arc<ResolvedDevice> {
    let mut bare = spec.clone();
    bare.pvs.retain(|name, _| !listed.signals.iter().any(|signal| signal.name == *name));
    let mut whole = resolve(&bare, catalogue);
    for signal in &listed.signals {
        let known = whole.signals.iter_mut().find(|known| known.name == signal.name);
        let Some(known) = known.filter(|_| spec.pvs.contains_key(&signal.name)) else { continue };
        // A listed PV replaces the one that is read only where the class has no readback of its
        // own.
        if known.readback_pv == known.pv {
            known.readback_pv.clone_from(&signal.pv);
        }
        known.pv.clone_from(&signal.pv);
    }
    // Mostly the spec lists all of them.
    if whole.signals.is_empty() || whole == **listed { Arc::clone(listed) } else { Arc::new(whole) }
}
