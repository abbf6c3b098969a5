//! Objects as manifests that can be applied again anywhere: what a user said about them, and
//! nothing of a server, of a tool that keeps them, or of the namespace that they were in.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::api::ObjectMeta;

use crate::device::ACTIVE_ANNOTATION;
use crate::{Device, DeviceClass, ProcessVariable, managed, yaml};

/// Annotation with which kubectl remembers what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Label that names the tool which keeps an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What the registry notes on what it makes: that it did, and when.
const REGISTRY_NOTES: [&str; 2] = ["beamline.dev/created-by", "beamline.dev/updated-at"];

/// Manifests, by kind and name: classes before the devices that need them.
#[derive(Debug, Default)]
pub struct Manifests {
    by_name: BTreeMap<(Kind, String), String>,
}

/// The order of the kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    DeviceClass,
    Device,
    ProcessVariable,
}

impl Manifests {
    /// Adds a class.
    ///
    /// # Errors
    /// When it cannot be written, which would be a defect of ours.
    pub fn add_class(&mut self, class: &DeviceClass) -> Result<(), yaml::Error> {
        let mut bare = DeviceClass::new("", class.spec.clone());
        bare.metadata = bare_metadata(&class.metadata);
        self.add(Kind::DeviceClass, class, yaml::to_yaml("a device class", &bare)?);
        Ok(())
    }

    /// Adds a device. What was switched at run time goes with it, in its own field.
    ///
    /// # Errors
    /// As [`Manifests::add_class`].
    pub fn add_device(&mut self, device: &Device) -> Result<(), yaml::Error> {
        let mut bare = Device::new("", device.spec.clone());
        bare.spec.active = device.is_active();
        bare.metadata = bare_metadata(&device.metadata);
        self.add(Kind::Device, device, yaml::to_yaml(&device.spec.name, &bare)?);
        Ok(())
    }

    /// Adds a PV.
    ///
    /// # Errors
    /// As [`Manifests::add_class`].
    pub fn add_pv(&mut self, pv: &ProcessVariable) -> Result<(), yaml::Error> {
        let mut bare = ProcessVariable::new("", pv.spec.clone());
        bare.metadata = bare_metadata(&pv.metadata);
        self.add(Kind::ProcessVariable, pv, yaml::to_yaml(&pv.spec.pv_name, &bare)?);
        Ok(())
    }

    fn add(&mut self, kind: Kind, object: &impl ResourceExt, text: String) {
        self.by_name.insert((kind, object.name_any()), text);
    }

    /// One YAML text, a document each.
    pub fn into_text(self) -> String {
        self.by_name.into_values().collect::<Vec<_>>().join("---\n")
    }
}

/// The name, and what a user said about it.
fn bare_metadata(metadata: &ObjectMeta) -> ObjectMeta {
    let own = |key: &String, value: &str| {
        let noted = REGISTRY_NOTES.contains(&key.as_str()) || managed::is_mark(key);
        let tool =
            key == LAST_APPLIED || key == ACTIVE_ANNOTATION || key.starts_with("meta.helm.sh/");
        !(noted || tool || (key == MANAGED_BY && value == "Helm"))
    };
    let kept = |all: &Option<BTreeMap<String, String>>| {
        let kept = all.iter().flatten().filter(|(key, value)| own(key, value));
        let kept: BTreeMap<_, _> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        (!kept.is_empty()).then_some(kept)
    };
    ObjectMeta {
        name: metadata.name.clone(),
        labels: kept(&metadata.labels),
        annotations: kept(&metadata.annotations),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_a_user_said_is_left() {
        let full: ObjectMeta = serde_json::from_value(json!({
            "name": "m", "namespace": "bl01", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "beamline.dev/created-by": "registry", "team": "optics",
                "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": "lab" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "beamline.dev/active": "false", "meta.helm.sh/release-namespace": "bl01" },
        }))
        .unwrap();
        let left: ObjectMeta =
            serde_json::from_value(json!({ "name": "m", "labels": { "team": "optics" } })).unwrap();
        assert_eq!(bare_metadata(&full), left);
    }
}
