//! Who owns a real name, when several objects claim it: a schema cannot make `spec.name` unique in
//! a namespace.
//!
//! The older object keeps the name. Creation times have whole seconds, so within one second the
//! object that was already accepted keeps it, and among new ones the first in the alphabet gets it.
//! The rule is the same wherever it is asked.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;

use crate::conditions::{is_true, types};
use crate::{Device, ProcessVariable};

/// An object that claims a real name. Claims of the same object are equal, whatever its state.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `metadata.name` of the object.
    pub object: String,
    /// `metadata.uid` of the object.
    pub uid: String,
    created: Option<Time>,
    accepted: bool,
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        (&self.object, &self.uid) == (&other.object, &other.uid)
    }
}

impl Eq for Claim {}

impl Claim {
    /// The claim of a device on its name.
    pub fn of_device(device: &Device) -> Self {
        let conditions = device.status.as_ref().map(|status| status.conditions.as_slice());
        Self::new(device, conditions)
    }

    /// The claim of a standalone PV on its name.
    pub fn of_pv(pv: &ProcessVariable) -> Self {
        let conditions = pv.status.as_ref().map(|status| status.conditions.as_slice());
        Self::new(pv, conditions)
    }

    fn new(object: &impl ResourceExt, conditions: Option<&[Condition]>) -> Self {
        Self {
            object: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            created: object.creation_timestamp(),
            accepted: conditions.is_some_and(|conditions| is_true(conditions, types::READY)),
        }
    }

    /// Sorts the rightful owner first.
    fn rank(&self) -> (Option<&Time>, bool, &str) {
        (self.created.as_ref(), !self.accepted, &self.object)
    }
}

/// Real name to the object that owns it.
pub type Owners = HashMap<String, Claim>;

/// Who owns each device name.
pub fn device_owners<'a>(devices: impl IntoIterator<Item = &'a Device>) -> Owners {
    owners(devices.into_iter().map(|device| (device.spec.name.as_str(), Claim::of_device(device))))
}

/// Who owns each name of a standalone PV.
pub fn pv_owners<'a>(pvs: impl IntoIterator<Item = &'a ProcessVariable>) -> Owners {
    owners(pvs.into_iter().map(|pv| (pv.spec.pv_name.as_str(), Claim::of_pv(pv))))
}

/// Which of several claims on one name owns it.
pub fn owner(claims: &[Claim]) -> Option<&Claim> {
    claims.iter().min_by(|one, other| one.rank().cmp(&other.rank()))
}

fn owners<'a>(claims: impl Iterator<Item = (&'a str, Claim)>) -> Owners {
    let mut owners = Owners::new();
    for (name, claim) in claims {
        match owners.get_mut(name) {
            Some(owner) if owner.rank() <= claim.rank() => {}
            Some(owner) => *owner = claim,
            None => {
                owners.insert(name.to_owned(), claim);
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn device(object: &str, created: &str, ready: Option<&str>) -> Device {
        let conditions: Vec<_> = ready
            .map(|status| {
                json!({
                    "type": "Ready", "status": status, "reason": "R", "message": "",
                    "lastTransitionTime": created,
                })
            })
            .into_iter()
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "beamline.dev/v1alpha1",
            "kind": "Device",
            "metadata": {"name": object, "uid": object, "creationTimestamp": created},
            "spec": {"name": "m", "deviceClass": "a.B"},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn owner(devices: &[Device]) -> String {
        let forwards = device_owners(devices)["m"].object.clone();
        let backwards = device_owners(devices.iter().rev())["m"].object.clone();
        assert_eq!(forwards, backwards, "the order of the objects must not matter");
        forwards
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-01T00:00:01Z";

    #[test]
    fn the_older_object_owns_the_name_whatever_its_state() {
        assert_eq!(
            owner(&[device("z", EARLY, Some("False")), device("a", LATE, Some("True"))]),
            "z"
        );
    }

    #[test]
    fn within_a_second_the_accepted_object_stays_and_else_the_alphabet_decides() {
        assert_eq!(owner(&[device("a", EARLY, None), device("z", EARLY, Some("True"))]), "z");
        assert_eq!(owner(&[device("a", EARLY, None), device("z", EARLY, None)]), "a");
    }
}
