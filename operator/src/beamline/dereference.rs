//! What else must be known to bring a beamline up: what it made before, whether its queue runs a
//! plan, whether the namespace has an older beamline, and how many devices there are.

use std::sync::Arc;

use crds::{Beamline, Queue};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;

use super::Beamlines;
use super::build::names::{COMPONENT, INSTANCE, MANAGED_BY};
use super::children::Children;
use crate::context::{Context, MANAGER};
use crate::error::{Error, call};
use crate::index::Summary;
use crate::mirror::current;
use crate::mirrors::{Troubles, is_busy};
use crate::scope::Namespaced;

/// Everything outside the beamline that its pods and its status depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// What exists with the labels of this beamline.
    pub(super) live: Children,
    /// Whether its queue runs a plan.
    pub(super) busy: bool,
    /// An older beamline in the namespace.
    pub(super) rival: Option<String>,
    /// The devices.
    pub(super) devices: Summary,
    /// Why pods do not come up, by part.
    pub(super) troubles: Arc<Troubles>,
}

/// Reads all of it from the API, not from a cache: what was made a moment ago must be seen, and a
/// plan that has just begun as well.
pub(super) async fn dereference(
    beamlines: &Beamlines,
    beamline: &Beamline,
) -> Result<Found, Error> {
    let context = &beamlines.context;
    Ok(Found {
        live: live(context, beamline).await?,
        busy: busy(context, beamline).await?,
        rival: rival(context, beamline).await?,
        devices: devices(beamlines, beamline),
        troubles: beamlines.troubles.as_ref().map(|all| current(all, beamline)).unwrap_or_default(),
    })
}

/// The devices in the namespace of the beamline.
pub(super) fn devices(beamlines: &Beamlines, beamline: &Beamline) -> Summary {
    beamlines.devices.summary(&beamline.namespace().unwrap_or_default())
}

async fn live(context: &Context, beamline: &Beamline) -> Result<Children, Error> {
    Ok(Children {
        config_maps: list(context, beamline, "config maps").await?,
        service_accounts: list(context, beamline, "service accounts").await?,
        roles: list(context, beamline, "roles").await?,
        role_bindings: list(context, beamline, "role bindings").await?,
        network_policies: list(context, beamline, "network policies").await?,
        disruption_budgets: list(context, beamline, "pod disruption budgets").await?,
        services: list(context, beamline, "services").await?,
        deployments: list(context, beamline, "deployments").await?,
    })
}

async fn list<K>(
    context: &Context,
    beamline: &Beamline,
    what: &'static str,
) -> Result<Vec<K>, Error>
where
    K: Namespaced,
{
    let name = beamline.name_any();
    let labels = format!("{INSTANCE}={name},{MANAGED_BY}={MANAGER},{COMPONENT}");
    let api: Api<K> = context.beside(beamline);
    let found = call(api.list(&ListParams::default().labels(&labels))).await;
    found.map(|list| list.items).map_err(|source| Error::Read { what, source })
}

async fn busy(context: &Context, beamline: &Beamline) -> Result<bool, Error> {
    let queues: Api<DeserializeGuard<Queue>> = context.beside(beamline);
    let queue = call(queues.get_opt(&beamline.spec.queue.queue_name)).await;
    let queue = queue.map_err(|source| Error::Read { what: "queue", source })?;
    Ok(queue.and_then(|queue| queue.0.ok()).is_some_and(|queue| is_busy(&queue)))
}

/// The oldest other beamline that is older than this one: a namespace is a beamline.
async fn rival(context: &Context, beamline: &Beamline) -> Result<Option<String>, Error> {
    let all: Api<DeserializeGuard<Beamline>> = context.beside(beamline);
    let all = call(all.list(&ListParams::default())).await;
    let all = all.map_err(|source| Error::Read { what: "beamlines", source })?;
    let age = |one: &Beamline| (one.creation_timestamp(), one.name_any());
    let oldest = all.items.into_iter().filter_map(|one| one.0.ok()).min_by_key(age);
    Ok(oldest.filter(|oldest| oldest.uid() != beamline.uid()).map(|oldest| oldest.name_any()))
}
