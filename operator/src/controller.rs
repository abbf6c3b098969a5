//! What all controllers share: the queue of objects, backoff, metrics, and that one bad object
//! never stops the others.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::Lookup;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::mirror::watch_config;
use crate::report;

/// Objects of one kind that are reconciled at the same time: each waits for one or two calls, the
/// API takes some hundred a second.
const CONCURRENCY: u16 = 8;
/// Every object is looked at again after this time, should an event ever be lost.
const RESYNC: Duration = Duration::from_secs(600);

/// A controller: how one object is brought to its declared state.
#[async_trait]
pub(crate) trait Reconcile: Send + Sync + 'static {
    /// The kind that it looks after.
    type Object: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// Name in logs and metrics.
    const NAME: &'static str;

    /// The API, events and backoff of this controller.
    fn context(&self) -> &Context;

    /// The steps. Safe to repeat; writes nothing when nothing changed.
    async fn reconcile(&self, object: &Self::Object) -> Result<(), Error>;
}

/// Runs a controller until `shutdown`; `again` makes it look at all its objects.
pub(crate) async fn run<R: Reconcile>(
    reconciler: R,
    again: impl Stream<Item = ()> + Send + 'static,
    shutdown: CancellationToken,
) where
    DeserializeGuard<R::Object>: Lookup<DynamicType = ()>,
    <R::Object as Resource>::DynamicType: Eq + Hash + Unpin,
{
    let context = reconciler.context();
    let api: Api<DeserializeGuard<R::Object>> =
        Api::namespaced(context.client.clone(), &context.namespace);
    Controller::new(api, watch_config())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_all_on(again)
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(one::<R>, retry::<R>, Arc::new(reconciler))
        .for_each(|outcome| async move {
            if let Err(kube::runtime::controller::Error::QueueError(error)) = outcome {
                log_watch_error(R::NAME, &error);
            }
        })
        .await;
}

fn log_watch_error(controller: &'static str, error: &watcher::Error) {
    tracing::warn!(controller, %error, "a watch is interrupted");
}

async fn one<R: Reconcile>(
    object: Arc<DeserializeGuard<R::Object>>,
    reconciler: Arc<R>,
) -> Result<Action, Error> {
    let started = Instant::now();
    let outcome = match &object.0 {
        Ok(valid) => reconciler.reconcile(valid).await,
        Err(invalid) => Err(Error::InvalidObject(Box::new(invalid.clone()))),
    };
    metrics::counter!("operator_reconciles_total", "controller" => R::NAME).increment(1);
    metrics::histogram!("operator_reconcile_duration_seconds", "controller" => R::NAME)
        .record(started.elapsed().as_secs_f64());
    match outcome {
        Ok(()) => {
            reconciler.context().backoff.succeeded(&uid(object.as_ref()));
            Ok(Action::requeue(RESYNC))
        }
        Err(error) => {
            let reason = error.reason();
            metrics::counter!(
                "operator_reconcile_failures_total", "controller" => R::NAME, "reason" => reason
            )
            .increment(1);
            let note = with_causes(&error);
            tracing::warn!(controller = R::NAME, object = %object.name_any(), error = %note, "failed");
            report::publish(reconciler.context(), object.as_ref(), reason, &note, true).await;
            Err(error)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube asks for")]
fn retry<R: Reconcile>(
    object: Arc<DeserializeGuard<R::Object>>,
    error: &Error,
    reconciler: Arc<R>,
) -> Action {
    if error.waits_for_an_edit() {
        return Action::await_change();
    }
    Action::requeue(reconciler.context().backoff.failed(&uid(object.as_ref())))
}

fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}

/// The error and what caused it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
