//! What all controllers share: the queue of objects, backoff, metrics, and that one bad object
//! never stops the others. An object is looked at when it changed or when something woke that very
//! object: what a change costs does not depend on how many objects there are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, select_all};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::{self, Lookup, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use service::error::with_sources;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::{Error, Retry};
use crate::mirror::watch_config;
use crate::progress::Board;
use crate::report;
use crate::scope::Namespaced;

/// Objects of one kind that are reconciled at the same time: each waits for a few calls, the API
/// takes some hundred a second.
const CONCURRENCY: u16 = 8;
/// Every object is looked at again after this time, should an event ever be lost.
const RESYNC: Duration = Duration::from_secs(600);
/// Pause before another look at something that takes its time and is no failure.
const SOON: Duration = Duration::from_secs(5);

/// A reference to an object that is to be looked at.
pub(crate) type Reference<K> = ObjectRef<DeserializeGuard<K>>;

type Wakes<K> = BoxStream<'static, Result<Reference<K>, watcher::Error>>;

/// What wakes the objects of one kind: their own changes, and what a caller adds.
pub(crate) struct Queue<K: Resource<DynamicType = ()> + Clone + 'static>
where
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
{
    store: Store<DeserializeGuard<K>>,
    wakes: Vec<Wakes<K>>,
}

impl<K> Queue<K>
where
    K: Namespaced,
    DeserializeGuard<K>: Lookup<DynamicType = ()>,
{
    /// The objects as they were last seen.
    pub(crate) fn store(&self) -> Store<DeserializeGuard<K>> {
        self.store.clone()
    }

    /// Looks at those that `wakes` names.
    pub(crate) fn woken_by(
        mut self,
        wakes: impl Stream<Item = Reference<K>> + Send + 'static,
    ) -> Self {
        self.wakes.push(wakes.map(Ok).boxed());
        self
    }

    /// Looks at an object when a `C` of `api` that it owns has changed.
    pub(crate) fn owns<C>(mut self, api: Api<PartialObjectMeta<C>>, config: watcher::Config) -> Self
    where
        C: Namespaced,
    {
        let changes = watcher(api, config).backoff(service::watch::backoff()).touched_objects();
        let owners = changes.map_ok(|child| {
            let namespace = child.metadata.namespace.clone().unwrap_or_default();
            let owner = child.owner_references().iter().find(|owner| {
                owner.kind == K::kind(&()) && owner.api_version == K::api_version(&())
            });
            let name = owner.map(|owner| owner.name.clone());
            stream::iter(name.map(|name| Ok(ObjectRef::new(&name).within(&namespace))))
        });
        self.wakes.push(owners.try_flatten().boxed());
        self
    }
}

/// A controller: how one object is brought to its declared state.
#[async_trait]
pub(crate) trait Reconcile: Send + Sync + 'static {
    /// The kind that it looks after.
    type Object: Namespaced;

    /// Name in logs and metrics.
    const NAME: &'static str;

    /// The API, events and backoff of this controller.
    fn context(&self) -> &Context;

    /// The steps. Safe to repeat; writes nothing when nothing changed.
    async fn reconcile(&self, object: &Self::Object) -> Result<(), Error>;
}

struct Running<R> {
    reconciler: R,
    board: Board,
}

/// Runs a controller until `shutdown`; `wake` says what besides its own objects wakes it.
pub(crate) async fn run<R: Reconcile>(
    reconciler: R,
    wake: impl FnOnce(Queue<R::Object>) -> Queue<R::Object> + Send,
    board: Board,
    shutdown: CancellationToken,
) where
    DeserializeGuard<R::Object>: Lookup<DynamicType = ()>,
{
    let context = reconciler.context();
    let api: Api<DeserializeGuard<R::Object>> = context.scope.api(&context.client);
    let (store, writer) = reflector::store();
    let own = watcher(api, watch_config())
        .backoff(service::watch::backoff())
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .applied_objects()
        .map_ok(|object| ObjectRef::from_obj(&object));
    let Queue { store, wakes } = wake(Queue { store, wakes: vec![own.boxed()] });
    applier(
        |object, running| one::<R>(object, running).boxed(),
        retry::<R>,
        Arc::new(Running { reconciler, board }),
        store,
        // What is under way is finished; nothing is begun any more.
        select_all(wakes).take_until(shutdown.cancelled_owned()),
        Config::default().concurrency(CONCURRENCY),
    )
    .for_each(|outcome| async move {
        if let Err(kube::runtime::controller::Error::QueueError(error)) = outcome {
            tracing::warn!(controller = R::NAME, %error, "a watch is interrupted");
        }
    })
    .await;
}

async fn one<R: Reconcile>(
    object: Arc<DeserializeGuard<R::Object>>,
    running: Arc<Running<R>>,
) -> Result<Action, Error> {
    let context = running.reconciler.context();
    let started = Instant::now();
    metrics::gauge!("operator_reconciles_running", "controller" => R::NAME).increment(1.0);
    let outcome = match &object.0 {
        Ok(valid) => running.reconciler.reconcile(valid).await,
        Err(invalid) => Err(Error::InvalidObject(Box::new(invalid.clone()))),
    };
    metrics::gauge!("operator_reconciles_running", "controller" => R::NAME).decrement(1.0);
    metrics::counter!("operator_reconciles_total", "controller" => R::NAME).increment(1);
    metrics::histogram!("operator_reconcile_duration_seconds", "controller" => R::NAME)
        .record(started.elapsed().as_secs_f64());
    let meta = object.meta();
    let name = [&meta.namespace, &meta.name].map(|one| one.clone().unwrap_or_default()).join("/");
    let error = match outcome {
        Ok(()) => {
            context.backoff.succeeded(&uid(object.as_ref()));
            running.board.reconciled(R::NAME, name, None);
            return Ok(Action::requeue(RESYNC));
        }
        Err(error) if matches!(error.retry(), Retry::Soon) => {
            running.board.reconciled(R::NAME, name, None);
            return Ok(Action::requeue(SOON));
        }
        Err(error) => error,
    };
    let reason = error.reason();
    metrics::counter!(
        "operator_reconcile_failures_total", "controller" => R::NAME, "reason" => reason
    )
    .increment(1);
    let note = with_sources(&error);
    running.board.reconciled(R::NAME, name.clone(), Some(&note));
    tracing::warn!(controller = R::NAME, object = name, error = note, "failed");
    if matches!(error, Error::InvalidObject(_)) {
        report::write_invalid::<R::Object>(context, object.as_ref(), &note).await;
    }
    report::publish(context, object.as_ref(), reason, &note, true).await;
    Err(error)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that kube asks for")]
fn retry<R: Reconcile>(
    object: Arc<DeserializeGuard<R::Object>>,
    error: &Error,
    running: Arc<Running<R>>,
) -> Action {
    match error.retry() {
        Retry::OnEdit => Action::await_change(),
        Retry::Soon => Action::requeue(SOON),
        Retry::Later => {
            let backoff = &running.reconciler.context().backoff;
            Action::requeue(backoff.failed(&uid(object.as_ref())))
        }
    }
}

fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}
