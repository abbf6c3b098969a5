//! `beamline export`: the registry as manifests, or as a file that the Python services read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use crds::manifests::Manifests;
use crds::{
    Device, DeviceClass, DeviceClassSpec, DeviceSpec, ProcessVariable, bits, happi, managed,
};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::objects::Objects;
use super::place::Place;
use crate::files;
use crate::up;

/// Annotation of everything in a Helm release.
const HELM_RELEASE: &str = "meta.helm.sh/release-name";

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// How it is written.
    #[arg(long, default_value = "manifests")]
    format: Format,
    /// File to write into; standard output without it.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Also the manifests of what is kept elsewhere: in git, in a Helm release, in the manifests of
    /// `beamline up`. The other formats always have every device.
    #[arg(long)]
    git_managed: bool,
    #[command(flatten)]
    place: Place,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// What was made at run time: devices, PVs and device classes, to apply again anywhere.
    Manifests,
    /// Every device as a happi database.
    Happi,
    /// Every device as a BITS device list.
    Bits,
}

pub(crate) async fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let objects = args.place.objects().await?;
    let text = match args.format {
        Format::Manifests => manifests(&objects, args.git_managed).await?,
        Format::Happi => {
            let database = happi::export(&devices(&objects).await?);
            format!("{}\n", serde_json::to_string_pretty(&database)?)
        }
        Format::Bits => bits::export(&devices(&objects).await?)?,
    };
    files::put(args.output.as_deref(), &text)
}

/// Every device by name, as it is now.
async fn devices(objects: &Objects) -> anyhow::Result<Vec<DeviceSpec>> {
    let devices = objects.all::<Device>("devices").await?;
    let specs = devices.into_iter().map(|device| {
        let active = device.is_active();
        (device.spec.name.clone(), DeviceSpec { active, ..device.spec })
    });
    Ok(specs.collect::<BTreeMap<_, _>>().into_values().collect())
}

async fn manifests(objects: &Objects, everything: bool) -> anyhow::Result<String> {
    let shipped = crds::catalogue::shipped()?;
    let shipped: BTreeMap<String, DeviceClassSpec> =
        shipped.into_iter().map(|class| (class.name_any(), class.spec)).collect();
    let wanted = |metadata: &ObjectMeta| everything || !is_kept(metadata);
    let mut manifests = Manifests::default();
    for class in objects.all::<DeviceClass>("device classes").await? {
        if shipped.get(&class.name_any()) != Some(&class.spec) && wanted(&class.metadata) {
            manifests.add_class(&class)?;
        }
    }
    for device in objects.all::<Device>("devices").await? {
        if wanted(&device.metadata) {
            manifests.add_device(&device)?;
        }
    }
    for pv in objects.all::<ProcessVariable>("process variables").await? {
        if wanted(&pv.metadata) {
            manifests.add_pv(&pv)?;
        }
    }
    Ok(manifests.into_text())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_somebody_else_keeps_is_told_from_what_was_made_at_run_time() {
        let metadata = |value: &serde_json::Value| -> ObjectMeta {
            serde_json::from_value(value.clone()).unwrap()
        };
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
}
