//! Merge, JSON and strategic merge patches.

use crds::Device;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::{Server, conformance, device, refusal};

fn json_patch(operations: Value) -> Patch<Value> {
    Patch::Json::<Value>(serde_json::from_value(operations).unwrap())
}

conformance! {
    async fn a_merge_patch_sets_and_removes(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let params = PatchParams::default();
        let patch = Patch::Merge(json!({"spec": {"kwargs": {"a": {"b": 1}, "c": 2}}}));
        api.patch("m1", &params, &patch).await.unwrap();
        let patch = Patch::Merge(json!({"spec": {"prefix": null, "kwargs": {"a": {"b": null, "d": [1]}}}}));
        let after = api.patch("m1", &params, &patch).await.unwrap();
        assert_eq!(after.spec.prefix, None);
        assert_eq!(Value::Object(after.spec.kwargs), json!({"a": {"d": [1]}, "c": 2}));
        assert_eq!(after.metadata.generation, Some(3));
    }

    async fn a_json_patch_does_all_or_nothing(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let params = PatchParams::default();
        let good = json_patch(json!([
            {"op": "test", "path": "/spec/prefix", "value": "sim:mtr1"},
            {"op": "replace", "path": "/spec/prefix", "value": "x"},
            {"op": "add", "path": "/spec/labels", "value": ["motors"]},
        ]));
        let after = api.patch("m1", &params, &good).await.unwrap();
        assert_eq!((after.spec.prefix.as_deref(), after.spec.labels.len()), (Some("x"), 1));
        let bad = json_patch(json!([
            {"op": "replace", "path": "/spec/prefix", "value": "y"},
            {"op": "test", "path": "/spec/name", "value": "other"},
        ]));
        assert_eq!(refusal(api.patch("m1", &params, &bad).await).code, 422);
        assert_eq!(api.get("m1").await.unwrap().spec.prefix.as_deref(), Some("x"));
    }

    async fn a_patch_may_insist_on_a_version(server: &Server) {
        let api = server.api::<Device>();
        let made = api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patch = |version: &str, prefix: &str| {
            Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": {"prefix": prefix}}))
        };
        let version = made.resource_version().unwrap();
        let params = PatchParams::default();
        api.patch("m1", &params, &patch(&version, "a")).await.unwrap();
        let refused = refusal(api.patch("m1", &params, &patch(&version, "b")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    }

    async fn patches_of_many_writers_all_take_effect(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patches = (0..12).map(|number| {
            let api = api.clone();
            async move {
                let patch = json!({"spec": {"kwargs": {format!("k{number}"): number}}});
                api.patch("m1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            }
        });
        futures::future::join_all(patches).await;
        assert_eq!(api.get("m1").await.unwrap().spec.kwargs.len(), 12);
    }

    async fn strategic_patches_are_for_built_in_kinds(server: &Server) {
        let maps = server.api::<ConfigMap>();
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "c", "finalizers": ["a.example/x"]}, "data": {"a": "b", "c": "d"},
        })).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        let params = PatchParams::default();
        let patch = Patch::Strategic(json!({
            "metadata": {"finalizers": ["a.example/y"]}, "data": {"a": null, "e": "f"},
        }));
        let after = maps.patch("c", &params, &patch).await.unwrap();
        assert_eq!(after.finalizers().len(), 2);
        assert_eq!(after.data.unwrap().into_keys().collect::<Vec<_>>(), ["c", "e"]);
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        maps.patch("c", &params, &patch).await.unwrap();
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patch = Patch::Strategic(json!({"spec": {"prefix": "x"}}));
        let refused = refusal(api.patch("m1", &params, &patch).await);
        assert_eq!((refused.code, refused.reason.as_str()), (415, "UnsupportedMediaType"));
    }

    async fn a_patch_is_validated_like_a_replace(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let params = PatchParams::default();
        let patch = Patch::Merge(json!({"spec": {"active": "maybe"}}));
        assert_eq!(refusal(api.patch("m1", &params, &patch).await).code, 422);
        let patch = Patch::Merge(json!({"spec": {"name": "other"}}));
        let refused = refusal(api.patch("m1", &params, &patch).await);
        assert!(refused.message.contains("cannot change"), "{}", refused.message);
        let patch = Patch::Merge(json!({"metadata": {"name": "other"}}));
        assert_eq!(refusal(api.patch("m1", &params, &patch).await).code, 400);
        assert_eq!(api.get("m1").await.unwrap().metadata.generation, Some(1));
    }
}
