//! The objects that a valid beamline consists of. Deterministic, no client: a file a kind.

mod access;
mod config;
mod deployment;
pub(crate) mod names;
mod network;
mod pod;
mod service;
pub(crate) mod worker;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::children::Children;
use super::dereference::Found;
use super::validate::Valid;
use names::Component;

/// Annotation with the digest of a Deployment's pod template.
const TEMPLATE_DIGEST: &str = "beamline.dev/template-digest";

/// What should be there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// The objects.
    pub(super) children: Children,
    /// Name of the ConfigMap and Deployment that stay as they are, because a plan runs.
    pub(super) held: Option<String>,
}

/// Builds everything. The queue pod is held back while a plan runs and its pods would be replaced.
pub(super) fn build(valid: &Valid, found: &Found) -> Wanted {
    let mut children = Children::default();
    for part in &valid.parts {
        let config_map = config::config_map(valid, part);
        children.deployments.push(deployment::deployment(valid, part, &config_map));
        children.config_maps.push(config_map);
        children.services.push(service::service(valid, part));
        children.service_accounts.push(access::service_account(
            valid,
            part.component,
            &part.part.service_account.annotations,
        ));
        children.disruption_budgets.extend(network::disruption_budget(valid, part.component));
    }
    let has_queue = valid.parts.iter().any(|part| part.component == Component::Queue);
    let components = valid.parts.iter().map(|part| part.component);
    for component in components.chain(has_queue.then_some(Component::Worker)) {
        children.roles.extend(access::role(valid, component));
        children.role_bindings.extend(access::role_binding(valid, component));
        children.network_policies.extend(network::policy(valid, component));
    }
    if has_queue {
        let none = std::collections::BTreeMap::new();
        children.service_accounts.push(access::service_account(valid, Component::Worker, &none));
    }
    let held = held_back(valid, found, &children.deployments);
    if let Some(name) = &held {
        children.deployments.retain(|one| one.name_any() != *name);
        children.config_maps.retain(|one| one.name_any() != *name);
    }
    Wanted { children, held }
}

fn held_back(valid: &Valid, found: &Found, wanted: &[Deployment]) -> Option<String> {
    let name = Component::Queue.object_name(&valid.name);
    let of = |all: &[Deployment]| {
        let queue = all.iter().find(|one| one.name_any() == name)?;
        queue.annotations().get(TEMPLATE_DIGEST).cloned()
    };
    let (live, wanted) = (of(&found.live.deployments)?, of(wanted)?);
    (found.busy && !valid.forced && live != wanted).then_some(name)
}

/// Metadata of an object of that part.
fn metadata(valid: &Valid, component: Component) -> ObjectMeta {
    ObjectMeta {
        name: Some(component.object_name(&valid.name)),
        namespace: Some(valid.namespace.clone()),
        labels: Some(component.labels(&valid.name)),
        owner_references: Some(vec![valid.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// A short digest of anything that serialises the same each time.
pub(super) fn digest(value: &impl Serialize) -> String {
    // Our own objects always serialise; nothing would equal the empty digest of one that did not.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..12])
}
