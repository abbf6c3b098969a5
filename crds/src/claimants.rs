//! The objects of one kind in one namespace, and which of them owns each real name, kept up to date object by object: a change
//! costs what the objects of one name cost, however many names there are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::claims::{Claim, owner};
use crate::conditions::types;
use crate::{Device, ProcessVariable};

/// An object that claims a real name.
pub trait Claimant: ResourceExt {
    /// The name that it claims.
    fn real_name(&self) -> &str;

    /// Its claim.
    fn claim(&self) -> Claim;

    /// The object without what none of its readers asks for, which is most of it: who manages which field, and what its status
    /// says beyond whether it was accepted. A write to the object leaves all that as it is in the API.
    #[must_use]
    fn trimmed(self) -> Self;
}

impl Claimant for Device {
    fn real_name(&self) -> &str {
        &self.spec.name
    }

    fn claim(&self) -> Claim {
        Claim::of_device(self)
    }

    fn trimmed(mut self) -> Self {
        self.metadata.managed_fields = None;
        if let Some(status) = &mut self.status {
            status.signals = Vec::new();
            keep_acceptance(&mut status.conditions);
        }
        // Read one by one, it is half empty.
        self.spec.pvs = std::mem::take(&mut self.spec.pvs).into_iter().collect();
        self
    }
}

impl Claimant for ProcessVariable {
    fn real_name(&self) -> &str {
        &self.spec.pv_name
    }

    fn claim(&self) -> Claim {
        Claim::of_pv(self)
    }

    fn trimmed(mut self) -> Self {
        self.metadata.managed_fields = None;
        if let Some(status) = &mut self.status {
            keep_acceptance(&mut status.conditions);
        }
        self
    }
}

fn keep_acceptance(conditions: &mut Vec<Condition>) {
    conditions.retain(|condition| condition.type_ == types::READY);
    conditions.shrink_to_fit();
}

/// The objects. See the module.
#[derive(Clone, Debug)]
pub struct Claimants<K> {
    /// By `metadata.name`.
    objects: HashMap<String, Arc<K>>,
    /// The objects that claim each real name: hardly ever more than one.
    names: HashMap<String, Vec<String>>,
}

impl<K> Default for Claimants<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), names: HashMap::new() }
    }
}

impl<K: Claimant> Claimants<K> {
    /// Takes a new or changed object, without what [`Claimant::trimmed`] takes away. Answers the real names that may have another
    /// owner now, or another state of it.
    pub fn apply(&mut self, object: K) -> Vec<String> {
        let key = object.name_any();
        let name = object.real_name().to_owned();
        let mut touched = self.delete(&key);
        touched.retain(|before| *before != name);
        self.names.entry(name.clone()).or_default().push(key.clone());
        self.objects.insert(key, Arc::new(object.trimmed()));
        touched.push(name);
        touched
    }

    /// Forgets an object. Answers the real name that may have another owner now.
    pub fn delete(&mut self, object: &str) -> Vec<String> {
        let Some(old) = self.objects.remove(object) else { return Vec::new() };
        let name = old.real_name();
        if let Some(claims) = self.names.get_mut(name) {
            claims.retain(|claim| claim != object);
            if claims.is_empty() {
                self.names.remove(name);
            }
        }
        vec![name.to_owned()]
    }

    /// Forgets all objects but the `listed` ones. Answers the real names that may have another owner now.
    pub fn retain(&mut self, listed: &HashSet<String>) -> Vec<String> {
        let gone = self.objects.keys().filter(|object| !listed.contains(*object));
        let gone: Vec<String> = gone.cloned().collect();
        gone.iter().flat_map(|object| self.delete(object)).collect()
    }

    /// The object of that `metadata.name`, whether or not it owns its real name.
    pub fn object(&self, object: &str) -> Option<&Arc<K>> {
        self.objects.get(object)
    }

    /// The object that owns that real name.
    pub fn owner(&self, name: &str) -> Option<&Arc<K>> {
        let claims = self.names.get(name)?;
        if let [only] = claims.as_slice() {
            return self.objects.get(only);
        }
        let claims: Vec<Claim> =
            claims.iter().filter_map(|claim| self.objects.get(claim)).map(|o| o.claim()).collect();
        self.objects.get(&owner(&claims)?.object)
    }

    /// The real names that are claimed.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::claims::device_owners;

    fn device(object: &str, name: &str, created: i64, ready: bool) -> Device {
        let status = if ready { "True" } else { "False" };
        let mut device: Device = serde_json::from_value(json!({
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": "Device",
            "metadata": {"name": object, "uid": object, "managedFields": [{"manager": "m"}]},
            "spec": {"name": name, "deviceClass": "a.B"},
            "status": {
                "conditions": [
                    {
                        "type": "Ready", "status": status, "reason": "R", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    },
                    {
                        "type": "Connected", "status": "True", "reason": "R", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    },
                ],
                "signals": [{"name": "a", "pv": "P"}],
            },
        }))
        .unwrap();
        device.metadata.creation_timestamp = Timestamp::from_second(created).ok().map(Time);
        device
    }

    #[test]
    fn what_nobody_asks_for_is_not_kept() {
        let mut claimants = Claimants::default();
        assert_eq!(claimants.apply(device("a", "m", 1, true)), ["m"]);
        let kept = claimants.owner("m").unwrap();
        assert_eq!(kept.metadata.managed_fields, None);
        let status = kept.status.as_ref().unwrap();
        assert!(status.signals.is_empty());
        assert_eq!(status.conditions.iter().map(|c| &c.type_).collect::<Vec<_>>(), ["Ready"]);
    }

    #[test]
    fn an_object_that_takes_another_name_touches_both() {
        let mut claimants = Claimants::default();
        claimants.apply(device("a", "m", 1, true));
        assert_eq!(claimants.apply(device("a", "n", 1, true)), ["m", "n"]);
        assert_eq!(claimants.names().collect::<Vec<_>>(), ["n"]);
    }

    proptest! {
        /// After any changes each name has the owner that the rule gives it among the objects that are left, and a name whose
        /// owner changed was answered.
        #[test]
        fn owners_are_those_of_all_objects(
            steps in proptest::collection::vec((0..5_u8, 0..3_u8, 0..2_i64, any::<bool>(), 0..8_u8), 0..40)
        ) {
            let mut claimants = Claimants::default();
            let mut live: BTreeMap<String, Device> = BTreeMap::new();
            for (object, name, created, ready, what) in steps {
                let object = format!("o{object}");
                let owners = |live: &BTreeMap<String, Device>| device_owners(live.values());
                let before = owners(&live);
                let touched = match what {
                    0 => {
                        live.remove(&object);
                        claimants.delete(&object)
                    }
                    1 => {
                        live.retain(|known, _| *known == object);
                        claimants.retain(&HashSet::from([object]))
                    }
                    _ => {
                        let device = device(&object, &format!("n{name}"), created, ready);
                        live.insert(object, device.clone());
                        claimants.apply(device)
                    }
                };
                let after = owners(&live);
                for name in ["n0", "n1", "n2"] {
                    let owner = claimants.owner(name).map(|owner| owner.name_any());
                    prop_assert_eq!(&owner, &after.get(name).map(|claim| claim.object.clone()));
                    if before.get(name) != after.get(name) {
                        prop_assert!(touched.iter().any(|touched| touched == name));
                    }
                }
                prop_assert_eq!(claimants.names().count(), after.len());
            }
        }
    }
}
