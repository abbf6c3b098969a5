//! The objects as they were last seen, for what is written to them.

use crds::{Device, ProcessVariable};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::registry::subject::{Carrier, Subject};

/// Devices and standalone PVs of one namespace, by name.
#[derive(Clone)]
pub(crate) struct Objects {
    pub(super) namespace: String,
    pub(super) devices: Store<DeserializeGuard<Device>>,
    pub(super) standalone: Store<DeserializeGuard<ProcessVariable>>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Objects {
    /// The condition of that type that the object behind `subject` had when it was last seen.
    pub(crate) fn condition(&self, subject: &Subject, type_: &str) -> Option<Condition> {
        let conditions = match subject.carrier {
            Carrier::Device => {
                let key = ObjectRef::new(&subject.object).within(&self.namespace);
                let found = self.devices.get(&key)?;
                let device = found.0.as_ref().ok()?;
                is_of(device, subject).then(|| device.status.clone())??.conditions
            }
            Carrier::ProcessVariable => {
                let key = ObjectRef::new(&subject.object).within(&self.namespace);
                let found = self.standalone.get(&key)?;
                let pv = found.0.as_ref().ok()?;
                is_of(pv, subject).then(|| pv.status.clone())??.conditions
            }
        };
        conditions.into_iter().find(|condition| condition.type_ == type_)
    }
}

/// Whether that is the very object, and not a successor of the same name.
fn is_of(object: &impl ResourceExt, subject: &Subject) -> bool {
    object.uid().as_ref() == Some(&subject.uid)
}
