//! Brings what is there to what should be there, and writes only what differs.
//!
//! Touches nothing that another made: neither an object of the same name nor one with our labels.

use crds::Beamline;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde::Serialize;
use serde_json::Value;

use super::build::{Wanted, digest};
use super::children::Children;
use crate::context::{Context, MANAGER};
use crate::error::{Call, Error, call};
use crate::scope::Namespaced;

/// Annotation with the digest of what was applied: that something is not wanted any more does not
/// show in a comparison with what is there.
const APPLIED: &str = "beamline.dev/applied-digest";

/// What is there after everything was applied. Only a status made of this is true.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// The Deployments with their status.
    pub(super) deployments: Vec<Deployment>,
}

/// Applies and removes, settings and accounts before the pods that need them.
pub(super) async fn apply(
    context: &Context,
    beamline: &Beamline,
    wanted: Wanted,
    live: Children,
) -> Result<Applied, Error> {
    let Wanted { children, held } = wanted;
    let Children {
        config_maps,
        service_accounts,
        roles,
        role_bindings,
        network_policies,
        disruption_budgets,
        services,
        deployments,
    } = children;
    let to = Target { context, beamline, held: held.as_deref() };
    to.bring(config_maps, live.config_maps).await?;
    to.bring(service_accounts, live.service_accounts).await?;
    to.bring(roles, live.roles).await?;
    to.bring(role_bindings, live.role_bindings).await?;
    to.bring(network_policies, live.network_policies).await?;
    to.bring(disruption_budgets, live.disruption_budgets).await?;
    to.bring(services, live.services).await?;
    Ok(Applied { deployments: to.bring(deployments, live.deployments).await? })
}

struct Target<'a> {
    context: &'a Context,
    beamline: &'a Beamline,
    /// Name of objects that stay as they are, of the kinds that are held back.
    held: Option<&'a str>,
}

impl Target<'_> {
    /// Brings one kind to `wanted`, and answers how it is then, held objects included.
    async fn bring<K>(&self, wanted: Vec<K>, live: Vec<K>) -> Result<Vec<K>, Error>
    where
        K: Namespaced + Serialize,
    {
        let api: Api<K> = self.context.beside(self.beamline);
        let mut is = Vec::with_capacity(wanted.len());
        let (ours, foreign): (Vec<_>, Vec<_>) = live.into_iter().partition(|one| self.owns(one));
        let mut left = ours;
        for one in wanted {
            let name = one.name_any();
            let at = left.iter().position(|live| live.name_any() == name);
            let present = at.map(|at| left.swap_remove(at));
            let taken = foreign.iter().any(|live| live.name_any() == name);
            if taken || (present.is_none() && self.is_taken(&api, &name).await?) {
                return Err(Error::Foreign { kind: K::kind(&()).into_owned(), name });
            }
            is.push(self.one(&api, one, present).await?);
        }
        for one in left {
            let is_held = Some(one.name_any().as_str()) == self.held;
            // Only settings and pods are held back, and only of an existing part.
            if is_held && matches!(&*K::kind(&()), "ConfigMap" | "Deployment") {
                is.push(one);
            } else {
                remove(&api, &one).await?;
            }
        }
        Ok(is)
    }

    fn owns(&self, object: &impl ResourceExt) -> bool {
        let uid = self.beamline.uid();
        let owners = object.owner_references();
        owners
            .iter()
            .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == uid.as_ref())
    }

    /// Whether an object of that name exists that is not ours; without our labels no list shows it.
    async fn is_taken<K>(&self, api: &Api<K>, name: &str) -> Result<bool, Error>
    where
        K: Namespaced,
    {
        let found = call(api.get_opt(name)).await;
        let found = found.map_err(|source| Error::Read { what: "object of that name", source })?;
        Ok(found.is_some_and(|found| !self.owns(&found)))
    }

    async fn one<K>(&self, api: &Api<K>, mut wanted: K, present: Option<K>) -> Result<K, Error>
    where
        K: Namespaced + Serialize,
    {
        let (kind, name) = (K::kind(&()).into_owned(), wanted.name_any());
        let digest = digest(&wanted);
        wanted.annotations_mut().insert(APPLIED.to_owned(), digest);
        if let Some(present) = present
            && is_said(&json(&wanted), &json(&present))
        {
            return Ok(present);
        }
        let params = PatchParams::apply(MANAGER).force();
        let applied = call(api.patch(&name, &params, &Patch::Apply(&wanted))).await;
        let applied =
            applied.map_err(|source| Error::Apply { kind: kind.clone(), name, source })?;
        metrics::counter!("operator_children_applied_total", "kind" => kind).increment(1);
        Ok(applied)
    }
}

async fn remove<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Namespaced,
{
    let (kind, name) = (K::kind(&()).into_owned(), object.name_any());
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: object.uid(), resource_version: None }),
        ..DeleteParams::background()
    };
    match call(api.delete(&name, &params)).await {
        Ok(_) => tracing::info!(kind, name, "removed what is not wanted any more"),
        Err(Call::Api(error)) if is_gone(&error) => {}
        Err(source) => return Err(Error::Remove { kind, name, source }),
    }
    Ok(())
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 || status.code == 409)
}

fn json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// Whether `present` says all that `wanted` says; the API adds defaults of its own.
fn is_said(wanted: &Value, present: &Value) -> bool {
    match (wanted, present) {
        (Value::Object(wanted), Value::Object(present)) => {
            wanted.iter().all(|(key, wanted)| match present.get(key) {
                Some(present) => is_said(wanted, present),
                // The API leaves empty lists and maps out.
                None => is_empty(wanted),
            })
        }
        (Value::Array(wanted), Value::Array(present)) => {
            wanted.len() == present.len()
                && wanted.iter().zip(present).all(|(wanted, present)| is_said(wanted, present))
        }
        (wanted, present) => wanted == present,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_that_the_api_adds_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}], "selector": {"a": "b"}, "none": {}}});
        let present = json!({
            "spec": {"ports": [{"port": 1, "protocol": "TCP"}], "selector": {"a": "b"}},
            "status": {},
        });
        assert!(is_said(&wanted, &present));
    }

    #[test]
    fn another_value_a_missing_one_and_an_element_too_many_are_differences() {
        let wanted = json!({"list": [{"port": 1}], "word": "a"});
        for present in [
            json!({"list": [{"port": 2}], "word": "a"}),
            json!({"list": [{"port": 1}]}),
            json!({"list": [{"port": 1}, {"port": 2}], "word": "a"}),
        ] {
            assert!(!is_said(&wanted, &present), "{present}");
        }
    }
}
