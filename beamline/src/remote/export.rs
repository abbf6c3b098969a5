//! `beamline export`: what was made at run time, as manifests that can be applied again anywhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use crds::device::ACTIVE_ANNOTATION;
use crds::{Device, DeviceClass, DeviceClassSpec, ProcessVariable, managed, yaml};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::place::Place;
use crate::files;
use crate::up;

/// Annotation with which kubectl remembers what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation of everything in a Helm release.
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
/// Label that names the tool which keeps an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// What the registry notes on what it makes: that it did, and when.
const REGISTRY_NOTES: [&str; 2] = ["beamline.dev/created-by", "beamline.dev/updated-at"];

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// File to write the manifests into; standard output without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Also what is kept elsewhere: in git, in a Helm release, in the manifests of `beamline up`.
    #[arg(long)]
    git_managed: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let objects = args.place.objects().await?;
    let shipped = crds::catalogue::shipped()?;
    let shipped: BTreeMap<String, DeviceClassSpec> =
        shipped.into_iter().map(|class| (class.name_any(), class.spec)).collect();

    let classes = objects.all::<DeviceClass>("device classes").await?;
    let own =
        classes.into_iter().filter(|class| shipped.get(&class.name_any()) != Some(&class.spec));
    let mut documents = Documents { everything: args.git_managed, by_name: BTreeMap::new() };
    for class in own {
        documents.add("DeviceClass", &class.metadata, |metadata| {
            let mut bare = DeviceClass::new("", class.spec.clone());
            bare.metadata = metadata;
            yaml::to_yaml("a device class", &bare)
        })?;
    }
    for device in objects.all::<Device>("devices").await? {
        documents.add("Device", &device.metadata, |metadata| {
            let mut bare = Device::new("", device.spec.clone());
            // What was switched at run time goes with the device, in its own field.
            bare.spec.active = device.is_active();
            bare.metadata = metadata;
            yaml::to_yaml(&device.spec.name, &bare)
        })?;
    }
    for pv in objects.all::<ProcessVariable>("process variables").await? {
        documents.add("ProcessVariable", &pv.metadata, |metadata| {
            let mut bare = ProcessVariable::new("", pv.spec.clone());
            bare.metadata = metadata;
            yaml::to_yaml(&pv.spec.pv_name, &bare)
        })?;
    }
    let documents: Vec<String> = documents.by_name.into_values().collect();
    files::put(args.output.as_deref(), &documents.join("---\n"))
}

/// The manifests so far, by kind and name: classes before the devices that need them.
struct Documents {
    everything: bool,
    by_name: BTreeMap<(usize, String), String>,
}

/// The order of the kinds.
const KINDS: [&str; 3] = ["DeviceClass", "Device", "ProcessVariable"];

impl Documents {
    fn add(
        &mut self,
        kind: &str,
        metadata: &ObjectMeta,
        write: impl FnOnce(ObjectMeta) -> Result<String, yaml::Error>,
    ) -> anyhow::Result<()> {
        if self.everything || !is_kept(metadata) {
            let name = metadata.name.clone().unwrap_or_default();
            let order = KINDS.iter().position(|one| *one == kind).unwrap_or(KINDS.len());
            self.by_name.insert((order, name), write(bare(metadata))?);
        }
        Ok(())
    }
}

/// Whether something else has the object: git, a Helm release, another object, a manifest of `up`.
fn is_kept(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    managed::by_git(metadata).is_some()
        || annotations.is_some_and(|all| all.contains_key(HELM_RELEASE))
        || metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty())
        || metadata
            .managed_fields
            .iter()
            .flatten()
            .any(|entry| entry.manager.as_deref() == Some(up::MANAGER))
}

/// The name, and what a user said about it: nothing of a server, of a tool that keeps the object, or
/// of the namespace that it was in.
fn bare(metadata: &ObjectMeta) -> ObjectMeta {
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

    fn metadata(value: &serde_json::Value) -> ObjectMeta {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn what_somebody_else_keeps_is_told_from_what_was_made_at_run_time() {
        for kept in [
            json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "lab" } }),
            json!({ "annotations": { "meta.helm.sh/release-name": "bl01" } }),
            json!({ "managedFields": [{ "manager": "beamline-up" }] }),
            json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "K", "name": "n", "uid": "u" }] }),
        ] {
            assert!(is_kept(&metadata(&kept)), "{kept}");
        }
        let own = json!({ "labels": { "beamline.dev/created-by": "registry" },
            "managedFields": [{ "manager": "kubectl-client-side-apply" }] });
        assert!(!is_kept(&metadata(&own)));
    }

    #[test]
    fn only_what_a_user_said_is_left() {
        let full = metadata(&json!({
            "name": "m", "namespace": "bl01", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": { "beamline.dev/created-by": "registry", "team": "optics",
                "app.kubernetes.io/managed-by": "Helm", "kustomize.toolkit.fluxcd.io/name": "lab" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "beamline.dev/active": "false", "meta.helm.sh/release-namespace": "bl01" },
        }));
        let left = metadata(&json!({ "name": "m", "labels": { "team": "optics" } }));
        assert_eq!(bare(&full), left);
    }
}
