//! Deletion: preconditions, finalizers, owners and namespaces.

use std::time::Duration;

use crds::{Device, QueueItem};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::server::{Server, conformance, device, refusal};

const PATIENCE: Duration = Duration::from_secs(30);

async fn gone<K>(api: &Api<K>, object: &K)
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default,
{
    let (uid, name) = (object.uid().unwrap(), object.name_any());
    let waiting = await_condition(api.clone(), &name, conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, waiting).await.expect("deleted in time").unwrap();
}

fn owned(name: &str, owners: &[&Device]) -> ConfigMap {
    let references: Vec<_> = owners
        .iter()
        .map(|owner| {
            let mut reference = owner.owner_ref(&()).unwrap();
            reference.block_owner_deletion = Some(true);
            reference
        })
        .collect();
    let mut map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    map.metadata.owner_references = Some(references);
    map
}

async fn make(server: &Server, name: &str) -> Device {
    server.api::<Device>().create(&PostParams::default(), &device(name)).await.unwrap()
}

fn propagation(policy: PropagationPolicy) -> DeleteParams {
    DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() }
}

conformance! {
    async fn a_deletion_tells_what_was_deleted(server: &Server) {
        let made = make(server, "m1").await;
        let api = server.api::<Device>();
        let status = api.delete("m1", &DeleteParams::default()).await.unwrap().right().unwrap();
        let details = status.details.unwrap();
        assert_eq!((details.name.as_str(), details.uid), ("m1", made.uid().unwrap()));
        assert_eq!(refusal(api.get("m1").await).code, 404);
        assert_eq!(refusal(api.delete("m1", &DeleteParams::default()).await).code, 404);
    }

    async fn preconditions_are_kept(server: &Server) {
        let made = make(server, "m1").await;
        let api = server.api::<Device>();
        let when = |uid: Option<String>, version: Option<String>| DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: version }),
            ..DeleteParams::default()
        };
        let other = Some("00000000-0000-0000-0000-000000000000".to_owned());
        assert_eq!(refusal(api.delete("m1", &when(other, None)).await).code, 409);
        assert_eq!(refusal(api.delete("m1", &when(None, Some("1".into()))).await).code, 409);
        api.get("m1").await.unwrap();
        api.delete("m1", &when(made.uid(), made.resource_version())).await.unwrap();
    }

    async fn finalizers_hold_an_object_back(server: &Server) {
        let api = server.api::<Device>();
        let mut held = device("m1");
        held.metadata.finalizers = Some(vec!["beamline.dev/test".into()]);
        let made = api.create(&PostParams::default(), &held).await.unwrap();
        let waiting = api.delete("m1", &DeleteParams::default()).await.unwrap().left().unwrap();
        assert!(waiting.metadata.deletion_timestamp.is_some());
        assert_eq!(waiting.metadata.generation, Some(2));
        let again = api.delete("m1", &DeleteParams::default()).await.unwrap().left().unwrap();
        assert_eq!(again.resource_version(), waiting.resource_version());
        let params = PatchParams::default();
        let more = Patch::Merge(json!({"metadata": {"finalizers": ["beamline.dev/test", "beamline.dev/more"]}}));
        let refused = refusal(api.patch("m1", &params, &more).await);
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains("no new finalizers can be added if the object is being deleted"), "{}", refused.message);
        let edit = Patch::Merge(json!({"spec": {"documentation": "still editable"}}));
        api.patch("m1", &params, &edit).await.unwrap();
        let done = Patch::Merge(json!({"metadata": {"finalizers": []}}));
        api.patch("m1", &params, &done).await.unwrap();
        assert_eq!(refusal(api.get("m1").await).code, 404);
        assert_ne!(make(server, "m1").await.uid(), made.uid());
    }

    async fn dependents_go_with_the_last_of_their_owners(server: &Server) {
        let (one, two) = (make(server, "one").await, make(server, "two").await);
        let maps = server.api::<ConfigMap>();
        let params = PostParams::default();
        let of_one = maps.create(&params, &owned("of-one", &[&one])).await.unwrap();
        let of_both = maps.create(&params, &owned("of-both", &[&one, &two])).await.unwrap();
        let api = server.api::<Device>();
        api.delete("one", &propagation(PropagationPolicy::Background)).await.unwrap();
        gone(&maps, &of_one).await;
        let one_owner = |map: Option<&ConfigMap>| map.is_some_and(|m| m.owner_references().len() == 1);
        let waiting = await_condition(maps.clone(), "of-both", one_owner);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
        api.delete("two", &propagation(PropagationPolicy::Background)).await.unwrap();
        gone(&maps, &of_both).await;
    }

    async fn a_foreground_deletion_waits_for_dependents(server: &Server) {
        let one = make(server, "one").await;
        let maps = server.api::<ConfigMap>();
        let mut held = owned("held", &[&one]);
        held.metadata.finalizers = Some(vec!["beamline.dev/test".into()]);
        maps.create(&PostParams::default(), &held).await.unwrap();
        let api = server.api::<Device>();
        let waiting = api.delete("one", &propagation(PropagationPolicy::Foreground)).await.unwrap().left().unwrap();
        assert_eq!(waiting.finalizers(), ["foregroundDeletion"]);
        let deleting = |map: Option<&ConfigMap>| map.is_some_and(|m| m.metadata.deletion_timestamp.is_some());
        let marked = await_condition(maps.clone(), "held", deleting);
        tokio::time::timeout(PATIENCE, marked).await.unwrap().unwrap();
        api.get("one").await.unwrap();
        let done = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        maps.patch("held", &PatchParams::default(), &done).await.unwrap();
        gone(&api, &one).await;
    }

    async fn orphans_are_set_free(server: &Server) {
        let one = make(server, "one").await;
        let maps = server.api::<ConfigMap>();
        maps.create(&PostParams::default(), &owned("child", &[&one])).await.unwrap();
        let api = server.api::<Device>();
        api.delete("one", &propagation(PropagationPolicy::Orphan)).await.unwrap();
        gone(&api, &one).await;
        assert!(maps.get("child").await.unwrap().owner_references().is_empty());
    }

    async fn a_selection_is_deleted_together(server: &Server) {
        let api = server.api::<QueueItem>();
        for number in 0..6 {
            let item: QueueItem = serde_json::from_value(json!({
                "apiVersion": "beamline.dev/v1alpha1", "kind": "QueueItem",
                "metadata": {"name": format!("i{number}"), "labels": {"odd": (number % 2).to_string()}},
                "spec": {"name": "count"},
            })).unwrap();
            api.create(&PostParams::default(), &item).await.unwrap();
        }
        let params = DeleteParams::default();
        api.delete_collection(&params, &ListParams::default().labels("odd=1")).await.unwrap();
        let left = api.list(&ListParams::default()).await.unwrap().items;
        assert_eq!(left.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["i0", "i2", "i4"]);
        api.delete_collection(&params, &ListParams::default()).await.unwrap();
        assert!(api.list(&ListParams::default()).await.unwrap().items.is_empty());
    }

    async fn a_namespace_goes_with_everything_in_it(server: &Server) {
        let namespaces: Api<Namespace> = Api::all(server.client.clone());
        let name = format!("{}-more", server.namespace);
        let wanted: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let made = namespaces.create(&PostParams::default(), &wanted).await.unwrap();
        assert_eq!(made.status.as_ref().unwrap().phase.as_deref(), Some("Active"));
        let inside: Api<Device> = Api::namespaced(server.client.clone(), &name);
        let mut held = device("held");
        held.metadata.finalizers = Some(vec!["beamline.dev/test".into()]);
        inside.create(&PostParams::default(), &held).await.unwrap();
        inside.create(&PostParams::default(), &device("free")).await.unwrap();
        namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
        let refused = refusal(inside.create(&PostParams::default(), &device("late")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (403, "Forbidden"));
        let done = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        inside.patch("held", &PatchParams::default(), &done).await.unwrap();
        gone(&namespaces, &made).await;
        assert!(inside.list(&ListParams::default()).await.unwrap().items.is_empty());
    }
}
