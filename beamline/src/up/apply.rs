//! Brings manifests into the API: each when it is new, or has changed since it was last applied.
//!
//! What a user changed or deleted at run time stays so across restarts, until the file itself changes. What was applied is
//! recorded as a digest for each object, in one ConfigMap.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::discovery::Discovery;
use kube::{Client, ResourceExt};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::manifests::Manifest;

/// Field manager of everything applied here.
pub(crate) const MANAGER: &str = "beamline-up";
/// ConfigMap that records what was applied.
const RECORD: &str = "beamline-applied-manifests";
/// Applies under way at once; the API commits them together.
const CONCURRENCY: usize = 32;

/// Applies the shipped device classes and `manifests`. Says how many objects there are and how many were new or changed.
pub(super) async fn all(
    client: &Client,
    namespace: &str,
    manifests: &[Manifest],
) -> anyhow::Result<String> {
    let kinds = Discovery::new(client.clone()).run().await.context("the API does not answer")?;
    let before = recorded(client, namespace).await?;
    let shipped = shipped_classes()?;
    let mut record = before.clone();
    let mut changed = Vec::new();
    for manifest in shipped.iter().chain(manifests) {
        let digest = digest(&manifest.object)?;
        let key = key(&manifest.object);
        if before.get(&key) != Some(&digest) {
            changed.push(manifest);
        }
        record.insert(key, digest);
    }
    stream::iter(&changed)
        .map(|manifest| apply(client, &kinds, namespace, manifest))
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    if record != before {
        remember(client, namespace, record).await?;
    }
    let total = shipped.len() + manifests.len();
    Ok(format!("{total} objects, {} of them new or changed", changed.len()))
}

fn shipped_classes() -> anyhow::Result<Vec<Manifest>> {
    crds::catalogue::shipped()?
        .into_iter()
        .map(|class| {
            let object = serde_json::from_value(serde_json::to_value(class)?)?;
            Ok(Manifest { file: None, object })
        })
        .collect()
}

async fn apply(
    client: &Client,
    kinds: &Discovery,
    namespace: &str,
    manifest: &Manifest,
) -> anyhow::Result<()> {
    let object = &manifest.object;
    let place = || match &manifest.file {
        Some(file) => format!("{} in {}", key(object), file.display()),
        None => format!("the shipped {}", key(object)),
    };
    let resource = resource(kinds, object).with_context(place)?;
    let namespace = object.metadata.namespace.as_deref().unwrap_or(namespace);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.patch(&object.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(object))
        .await
        .with_context(|| format!("the API refuses {}", place()))?;
    Ok(())
}

fn resource(kinds: &Discovery, object: &DynamicObject) -> anyhow::Result<ApiResource> {
    let types = object.types.clone().unwrap_or_default();
    let gvk = types.try_into()?;
    kinds
        .resolve_gvk(&gvk)
        .map(|(resource, _)| resource)
        .ok_or_else(|| anyhow!("the API has no kind {} in {}", gvk.kind, gvk.api_version()))
}

/// `Kind.name`, or `Kind.namespace.name`: a legal key of a ConfigMap.
fn key(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("", |types| types.kind.as_str());
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind}.{namespace}.{}", object.name_any()),
        None => format!("{kind}.{}", object.name_any()),
    }
}

fn digest(object: &DynamicObject) -> anyhow::Result<String> {
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(object)?)))
}

async fn recorded(client: &Client, namespace: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let record = api.get_opt(RECORD).await.context("the record of manifests cannot be read")?;
    Ok(record.and_then(|record| record.data).unwrap_or_default())
}

async fn remember(
    client: &Client,
    namespace: &str,
    data: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let record = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": RECORD }, "data": data,
    });
    api.patch(RECORD, &PatchParams::apply(MANAGER).force(), &Patch::Apply(record))
        .await
        .context("the record of manifests cannot be written")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded::{Embedded, Settings};

    fn device(name: &str, documentation: &str) -> Manifest {
        let object = serde_json::from_value(json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
            "metadata": { "name": name },
            "spec": { "name": name, "deviceClass": "ophyd.EpicsSignal", "prefix": "X:1",
                      "documentation": documentation },
        }))
        .unwrap();
        Manifest { file: None, object }
    }

    #[tokio::test]
    async fn what_a_user_deleted_stays_deleted_until_its_manifest_changes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { path: folder.path().join("state.db"), crds: crds::all() };
        let embedded = Embedded::open(settings).await.unwrap();
        let client = embedded.client("default");
        let devices: Api<crds::Device> = Api::namespaced(client.clone(), "default");

        all(&client, "default", &[device("one", "a"), device("two", "a")]).await.unwrap();
        devices.delete("one", &kube::api::DeleteParams::default()).await.unwrap();
        let again =
            all(&client, "default", &[device("one", "a"), device("two", "a")]).await.unwrap();
        assert!(again.ends_with(", 0 of them new or changed"), "{again}");
        assert!(devices.get_opt("one").await.unwrap().is_none());
        assert!(devices.get_opt("two").await.unwrap().is_some());

        all(&client, "default", &[device("one", "b"), device("two", "a")]).await.unwrap();
        let one = devices.get("one").await.unwrap();
        assert_eq!(one.spec.documentation.as_deref(), Some("b"));
        embedded.close().await;
    }

    #[tokio::test]
    async fn a_refused_manifest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { path: folder.path().join("state.db"), crds: crds::all() };
        let embedded = Embedded::open(settings).await.unwrap();
        let client = embedded.client("default");
        let mut bad = device("bad", "");
        bad.file = Some("devices/bad.yaml".into());
        bad.object.data["spec"]["active"] = json!("perhaps");
        let error = format!("{:#}", all(&client, "default", &[bad]).await.unwrap_err());
        assert!(error.contains("devices/bad.yaml") && error.contains("active"), "{error}");
        embedded.close().await;
    }
}
