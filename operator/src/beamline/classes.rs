//! The shipped device classes in the namespace of a beamline.
//!
//! Each is applied when it is new, or has changed since it was last applied. What a user changes or
//! deletes stays so until then, and a class that somebody else applied is left alone. What was
//! applied is recorded as a digest for each class, in one ConfigMap that the beamline owns. Where there
//! is not one class left the record is not believed: then the definition was deleted, and all with it.

use std::collections::BTreeMap;

use crds::{Beamline, DeviceClass};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};

use super::build::digest;
use super::build::names::{INSTANCE, MANAGED_BY};
use crate::context::{Context, MANAGER};
use crate::error::{Error, call};

/// ConfigMap that records what was applied.
const RECORD: &str = "beamline-shipped-classes";
/// Applies under way at once.
const CONCURRENCY: usize = 8;

/// The shipped device classes, read once, each with its digest.
#[derive(Debug, Default)]
pub(crate) struct Shipped {
    classes: Vec<DeviceClass>,
    digests: BTreeMap<String, String>,
}

impl Shipped {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// When it is broken, which a test rules out.
    pub(crate) fn read() -> Result<Self, Error> {
        let classes = crds::catalogue::shipped().map_err(Error::Catalogue)?;
        let digests = classes.iter().map(|class| (class.name_any(), digest(class))).collect();
        Ok(Self { classes, digests })
    }
}

/// Brings the classes into the namespace of `beamline`, which has none when it is `bare`. One read when nothing changed.
pub(super) async fn bring(
    context: &Context,
    beamline: &Beamline,
    shipped: &Shipped,
    bare: bool,
) -> Result<(), Error> {
    let records: Api<ConfigMap> = context.beside(beamline);
    let record = call(records.get_opt(RECORD)).await;
    let record =
        record.map_err(|source| Error::Read { what: "record of device classes", source })?;
    let before = record.filter(|_| !bare).and_then(|record| record.data).unwrap_or_default();
    if before == shipped.digests {
        return Ok(());
    }
    let api: Api<DeviceClass> = context.beside(beamline);
    let new = shipped.classes.iter().filter(|class| {
        let name = class.name_any();
        before.get(&name) != shipped.digests.get(&name)
    });
    let calls: Vec<BoxFuture<'_, _>> =
        new.map(|class| one(&api, beamline, class).boxed()).collect();
    stream::iter(calls).buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await?;
    let record = ConfigMap {
        metadata: owned(beamline, RECORD),
        data: Some(shipped.digests.clone()),
        ..ConfigMap::default()
    };
    apply(&records, RECORD, &record).await
}

async fn one(
    api: &Api<DeviceClass>,
    beamline: &Beamline,
    class: &DeviceClass,
) -> Result<(), Error> {
    let name = class.name_any();
    let present = call(api.get_metadata_opt(&name)).await;
    let present = present.map_err(|source| Error::Read { what: "device class", source })?;
    let is_foreign = |labels: &BTreeMap<String, String>| {
        labels.get(MANAGED_BY).is_none_or(|manager| manager != MANAGER)
    };
    if present.is_some_and(|present| is_foreign(present.labels())) {
        return Ok(());
    }
    let mut metadata = owned(beamline, &name);
    metadata.annotations = class.metadata.annotations.clone();
    let class = DeviceClass { metadata, spec: class.spec.clone() };
    apply(api, &name, &class).await
}

/// Goes with the beamline, but is none of the objects that its controller counts as its own.
fn owned(beamline: &Beamline, name: &str) -> kube::api::ObjectMeta {
    let labels = [(MANAGED_BY, MANAGER.to_owned()), (INSTANCE, beamline.name_any())];
    kube::api::ObjectMeta {
        name: Some(name.to_owned()),
        namespace: beamline.namespace(),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
        owner_references: beamline.owner_ref(&()).map(|owner| vec![owner]),
        ..Default::default()
    }
}

async fn apply<K>(api: &Api<K>, name: &str, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize,
    K: serde::de::DeserializeOwned,
{
    let params = PatchParams::apply(MANAGER).force();
    let applied = call(api.patch(name, &params, &Patch::Apply(object))).await;
    applied.map(drop).map_err(|source| Error::Apply {
        kind: K::kind(&()).into_owned(),
        name: name.to_owned(),
        source,
    })
}
