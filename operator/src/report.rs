//! How controllers speak: the `Ready` condition, and an event whenever it changes.

use crds::conditions::{self, Verdict, types};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::context::{Context, MANAGER};
use crate::error::{Call, Error, call};

/// Longest note of an event that the API takes.
const LONGEST_NOTE: usize = 1024;

/// Our conditions of an object: `Ready` as `verdict` says, and nothing of what others own.
pub(crate) fn ready_condition(
    present: &[Condition],
    verdict: &Verdict,
    generation: Option<i64>,
) -> Vec<Condition> {
    let mut ours: Vec<_> =
        present.iter().filter(|one| one.type_ == types::READY).cloned().collect();
    conditions::set(&mut ours, verdict, generation, &Time(jiff::Timestamp::now()));
    ours
}

/// Applies `wanted` as our part of the status, and publishes an event when `Ready` changed.
///
/// Others' conditions stay: `status.conditions` is merged by type, and we declare ours only.
pub(crate) async fn write<K>(
    context: &Context,
    object: &K,
    before: &[Condition],
    wanted: &impl Serialize,
    verdict: &Verdict,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), &context.namespace);
    let intent = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // Without the uid the status of a successor of the same name would be written.
        "metadata": {"name": object.name_any(), "uid": object.uid()},
        "status": wanted,
    });
    let params = PatchParams::apply(MANAGER).force();
    let written = call(api.patch_status(&object.name_any(), &params, &Patch::Apply(intent))).await;
    match written {
        Ok(_) => {}
        Err(Call::Api(error)) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(Error::Status(error)),
    }
    metrics::counter!("operator_status_writes_total", "kind" => K::kind(&()).into_owned())
        .increment(1);
    let previous = before.iter().find(|one| one.type_ == types::READY);
    let same = |one: &Condition| {
        one.reason == verdict.reason && (one.status == "True") == (verdict.status == Some(true))
    };
    if !previous.is_some_and(same) {
        publish(context, object, verdict.reason, &verdict.message, is_bad(verdict)).await;
    }
    Ok(())
}

fn is_bad(verdict: &Verdict) -> bool {
    use crds::conditions::reasons::{CONFLICT, FAILED, INVALID_SPEC, UNKNOWN_CLASS};
    verdict.status == Some(false)
        && [CONFLICT, FAILED, INVALID_SPEC, UNKNOWN_CLASS].contains(&verdict.reason)
}

/// Whether the object went away, or another took its name, while we were looking at it.
fn is_gone(error: &kube::Error) -> bool {
    let uid_differs = |message: &str| message.contains("uid");
    match error {
        kube::Error::Api(status) => {
            status.code == 404 || (status.code == 409 && uid_differs(&status.message))
        }
        _ => false,
    }
}

/// Publishes an event about `object`. An event is for people; that it could not be written stops
/// nothing.
pub(crate) async fn publish<K: Resource<DynamicType = ()>>(
    context: &Context,
    object: &K,
    reason: &str,
    note: &str,
    bad: bool,
) {
    let event = Event {
        type_: if bad { EventType::Warning } else { EventType::Normal },
        reason: reason.to_owned(),
        note: Some(note.chars().take(LONGEST_NOTE).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    let reference = object.object_ref(&());
    if let Err(error) = call(context.recorder.publish(&event, &reference)).await {
        tracing::debug!(%error, object = %object.name_any(), "failed to publish an event");
    }
}
