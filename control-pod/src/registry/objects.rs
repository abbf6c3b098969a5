//! What the objects' status says, as it was last seen, for what is written to it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use parking_lot::RwLock;

use crate::registry::subject::{Carrier, Subject};

/// The conditions of the devices and standalone PVs of one namespace. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects(Arc<RwLock<Conditions>>);

#[derive(Debug, Default)]
struct Conditions {
    /// By `metadata.name`.
    devices: HashMap<String, Seen>,
    standalone: HashMap<String, Seen>,
}

/// One object.
#[derive(Debug)]
struct Seen {
    uid: String,
    conditions: Vec<Condition>,
}

impl Conditions {
    fn of(&self, carrier: Carrier) -> &HashMap<String, Seen> {
        match carrier {
            Carrier::Device => &self.devices,
            Carrier::ProcessVariable => &self.standalone,
        }
    }

    fn of_mut(&mut self, carrier: Carrier) -> &mut HashMap<String, Seen> {
        match carrier {
            Carrier::Device => &mut self.devices,
            Carrier::ProcessVariable => &mut self.standalone,
        }
    }
}

impl Objects {
    /// The condition of that type that the object behind `subject` had when it was last seen: that very object, and not a
    /// successor of the same name.
    pub(crate) fn condition(&self, subject: &Subject, type_: &str) -> Option<Condition> {
        let conditions = self.0.read();
        let seen = conditions.of(subject.carrier).get(&subject.object)?;
        let is_it = seen.uid == subject.uid;
        is_it.then(|| seen.conditions.iter().find(|condition| condition.type_ == type_).cloned())?
    }

    /// `object` was seen with these conditions.
    pub(super) fn seen(
        &self,
        carrier: Carrier,
        object: &impl ResourceExt,
        conditions: Option<Vec<Condition>>,
    ) {
        let seen = Seen {
            uid: object.uid().unwrap_or_default(),
            conditions: conditions.unwrap_or_default(),
        };
        self.0.write().of_mut(carrier).insert(object.name_any(), seen);
    }

    /// There is no object of that `metadata.name` any more.
    pub(super) fn gone(&self, carrier: Carrier, object: &str) {
        self.0.write().of_mut(carrier).remove(object);
    }

    /// There are no objects but the `listed` ones.
    pub(super) fn retain(&self, carrier: Carrier, listed: &HashSet<String>) {
        self.0.write().of_mut(carrier).retain(|object, _| listed.contains(object));
    }
}
