//! How controllers speak: the `Ready` condition, `Stalled` beside it, and an event whenever `Ready` changes.

use crds::conditions::{self, Verdict, reasons, types};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;

use crate::context::{Context, MANAGER};
use crate::error::{Call, Error, call};
use crate::scope::Namespaced;

/// Longest note of an event that the API takes.
const LONGEST_NOTE: usize = 1024;

/// Our conditions of an object: those of `verdicts`, and nothing of what others own.
pub(crate) fn own_conditions(
    present: &[Condition],
    verdicts: &[Verdict],
    generation: Option<i64>,
) -> Vec<Condition> {
    let is_ours = |one: &&Condition| verdicts.iter().any(|verdict| one.type_ == verdict.type_);
    let mut ours: Vec<_> = present.iter().filter(is_ours).cloned().collect();
    let now = Time(jiff::Timestamp::now());
    for verdict in verdicts {
        conditions::set(&mut ours, verdict, generation, &now);
    }
    ours
}

/// As [`own_conditions`] for a kind of which we say whether it is ready, and whether only an edit can help.
pub(crate) fn readiness(
    present: &[Condition],
    verdict: &Verdict,
    generation: Option<i64>,
) -> Vec<Condition> {
    let stalled = Verdict { type_: types::STALLED, status: Some(true), ..verdict.clone() };
    let stalled = Some(stalled).filter(|_| is_stuck(verdict));
    let verdicts: Vec<_> = std::iter::once(verdict.clone()).chain(stalled).collect();
    own_conditions(present, &verdicts, generation)
}

/// Whether a condition is one of [`readiness`].
pub(crate) fn is_readiness(condition: &Condition) -> bool {
    [types::READY, types::STALLED].contains(&condition.type_.as_str())
}

fn is_stuck(verdict: &Verdict) -> bool {
    use crds::conditions::reasons::{CONFLICT, FAILED, INVALID_SPEC, UNKNOWN_CLASS};
    const STUCK: [&str; 4] = [CONFLICT, FAILED, INVALID_SPEC, UNKNOWN_CLASS];
    verdict.status == Some(false) && STUCK.contains(&verdict.reason)
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
    K: Namespaced,
{
    let api: Api<K> = context.beside(object);
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
    use crds::conditions::reasons::{
        APPLY_FAILED, CONFIG_MISSING, CONFLICT, CRASHING, DEVICE_DISCONNECTED, FAILED,
        IMAGE_PULL_FAILED, INVALID_SPEC, UNKNOWN_CLASS, UNSCHEDULABLE,
    };
    const BAD: [&str; 10] = [
        APPLY_FAILED,
        CONFIG_MISSING,
        CONFLICT,
        CRASHING,
        DEVICE_DISCONNECTED,
        FAILED,
        IMAGE_PULL_FAILED,
        INVALID_SPEC,
        UNKNOWN_CLASS,
        UNSCHEDULABLE,
    ];
    verdict.status == Some(false) && BAD.contains(&verdict.reason)
}

/// Says on an object that cannot be read as its kind why that is so, once for each generation. That
/// it could not be said is logged; the event tells it as well.
pub(crate) async fn write_invalid<K>(context: &Context, object: &DeserializeGuard<K>, why: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let resource = ApiResource::erase::<K>(&());
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let outcome = async {
        let Some(live) = call(api.get_opt(&object.name_any())).await? else {
            return Ok(());
        };
        let generation = live.metadata.generation;
        let present = live.data.pointer("/status/conditions").cloned().unwrap_or_default();
        let present: Vec<Condition> = serde_json::from_value(present).unwrap_or_default();
        let said = |one: &Condition| {
            one.type_ == types::READY && one.message == why && one.observed_generation == generation
        };
        if present.iter().any(said) {
            return Ok(());
        }
        let reason = reasons::INVALID_SPEC;
        let verdict =
            Verdict { type_: types::READY, status: Some(false), reason, message: why.to_owned() };
        let intent = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()),
            "metadata": {"name": object.name_any(), "uid": object.uid()},
            "status": {"conditions": readiness(&present, &verdict, generation)},
        });
        let params = PatchParams::apply(MANAGER).force();
        call(api.patch_status(&object.name_any(), &params, &Patch::Apply(intent))).await.map(drop)
    };
    if let Err(error) = outcome.await {
        let object = object.name_any();
        tracing::debug!(%error, object, "failed to say that an object cannot be read");
    }
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
