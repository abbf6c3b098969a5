//! kube-runtime as the operator and the pods use it, unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crds::Device;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::server::{Server, conformance, device};

const PATIENCE: Duration = Duration::from_secs(30);

struct Context {
    maps: Api<ConfigMap>,
    devices: Api<Device>,
    runs: AtomicUsize,
}

/// A child per device, and a status: what every controller does.
async fn reconcile(device: Arc<Device>, context: Arc<Context>) -> Result<Action, kube::Error> {
    context.runs.fetch_add(1, Ordering::Relaxed);
    let params = PatchParams::apply("controller").force();
    let name = device.name_any();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": [device.controller_owner_ref(&())]},
        "data": {"prefix": device.spec.prefix},
    });
    context.maps.patch(&name, &params, &Patch::Apply(&map)).await?;
    let status = json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
        "status": {"observedGeneration": device.metadata.generation},
    });
    context.devices.patch_status(&name, &params, &Patch::Apply(&status)).await?;
    Ok(Action::await_change())
}

async fn wait_for<K>(api: &Api<K>, name: &str, condition: impl Fn(&K) -> bool)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + Resource + Send + 'static,
    K::DynamicType: Default,
{
    let met = |object: Option<&K>| object.is_some_and(&condition);
    let waiting = kube::runtime::wait::await_condition(api.clone(), name, met);
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time").unwrap();
}

conformance! {
    async fn a_controller_converges_and_then_rests(server: &Server) {
        let (maps, devices) = (server.api::<ConfigMap>(), server.api::<Device>());
        let context = Arc::new(Context {
            maps: maps.clone(), devices: devices.clone(), runs: AtomicUsize::new(0),
        });
        let config = watcher::Config::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let controller = Controller::new(devices.clone(), config.clone())
            .owns(maps.clone(), config)
            .graceful_shutdown_on(async { drop(stopped.await) })
            .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(100)), context.clone())
            .for_each(|_| async {});
        let running = tokio::spawn(controller);
        devices.create(&PostParams::default(), &device("m1")).await.unwrap();
        let seen = |g: i64| move |d: &Device| d.status.as_ref().and_then(|s| s.observed_generation) == Some(g);
        wait_for(&devices, "m1", seen(1)).await;
        let patch = Patch::Merge(json!({"spec": {"prefix": "new"}}));
        devices.patch("m1", &PatchParams::default(), &patch).await.unwrap();
        wait_for(&devices, "m1", seen(2)).await;
        let has = |m: &ConfigMap| m.data.as_ref().is_some_and(|data| data["prefix"] == "new");
        wait_for(&maps, "m1", has).await;
        maps.delete("m1", &DeleteParams::default()).await.unwrap();
        wait_for(&maps, "m1", has).await;
        let uid = maps.get("m1").await.unwrap().uid().unwrap();
        let deleted = kube::runtime::wait::conditions::is_deleted(&uid);
        stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
        let before = devices.get("m1").await.unwrap().resource_version();
        let current = Arc::new(devices.get("m1").await.unwrap());
        reconcile(current, context).await.unwrap();
        assert_eq!(devices.get("m1").await.unwrap().resource_version(), before, "a second pass writes nothing");
        devices.delete("m1", &DeleteParams::default()).await.unwrap();
        let waiting = kube::runtime::wait::await_condition(maps, "m1", deleted);
        tokio::time::timeout(PATIENCE, waiting).await.expect("collected").unwrap();
    }

    async fn a_reflector_follows(server: &Server) {
        let api = server.api::<Device>();
        for number in 0..25 {
            api.create(&PostParams::default(), &device(&format!("d{number}"))).await.unwrap();
        }
        for config in [
            watcher::Config::default().page_size(10),
            watcher::Config::default().streaming_lists(),
        ] {
            let (store, writer) = reflector::store();
            let stream = reflector(writer, watcher(api.clone(), config)).applied_objects().boxed();
            let following = tokio::spawn(stream.try_for_each(|_| async { Ok(()) }));
            tokio::time::timeout(PATIENCE, store.wait_until_ready()).await.unwrap().unwrap();
            assert_eq!(store.state().len(), 25);
            following.abort();
        }
    }

    async fn events_are_recorded(server: &Server) {
        use kube::runtime::events::{Event, EventType, Recorder, Reporter};
        let made = server.api::<Device>().create(&PostParams::default(), &device("m1")).await.unwrap();
        let reporter = Reporter { controller: "beamline.dev/test".into(), instance: None };
        let recorder = Recorder::new(server.client.clone(), reporter);
        let event = Event {
            type_: EventType::Normal, reason: "Tested".into(), note: Some("hello".into()),
            action: "Test".into(), secondary: None,
        };
        for _ in 0..2 {
            recorder.publish(&event, &made.object_ref(&())).await.unwrap();
        }
        let params = kube::api::ListParams::default().fields("involvedObject.name=m1");
        let found = server.api::<k8s_openapi::api::core::v1::Event>().list(&params).await.unwrap();
        assert_eq!(found.items.len(), 1);
        assert_eq!(found.items[0].message.as_deref(), Some("hello"));
    }
}
