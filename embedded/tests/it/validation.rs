//! Schemas: structure, pruning, defaults, rules, and how refusals read.

use crds::{Device, DeviceLocks, QueueItem};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, discovery::ApiResource};
use serde_json::{Value, json};

use crate::server::{Server, conformance, device, refusal};

fn raw(server: &Server) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<Device>(&());
    Api::namespaced_with(server.client.clone(), &server.namespace, &resource)
}

fn object(spec: Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "m1"}, "spec": spec,
    }))
    .unwrap()
}

conformance! {
    async fn every_violation_is_a_cause_with_its_field(server: &Server) {
        let bad = object(json!({
            "name": "a b", "active": "yes", "framework": "zz", "labels": "x",
            "pvs": {"a": 1},
        }));
        let refused = refusal(raw(server).create(&PostParams::default(), &bad).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.starts_with("Device.beamline.dev \"m1\" is invalid: ["), "{}", refused.message);
        let details = refused.details.unwrap();
        assert_eq!(details.kind, "Device");
        let reason = |field: &str| {
            details.causes.iter().find(|c| c.field == field).map(|c| c.reason.as_str())
        };
        assert_eq!(reason("spec.deviceClass"), Some("FieldValueRequired"));
        assert_eq!(reason("spec.active"), Some("FieldValueTypeInvalid"));
        assert_eq!(reason("spec.framework"), Some("FieldValueNotSupported"));
        assert_eq!(reason("spec.labels"), Some("FieldValueTypeInvalid"));
        assert_eq!(reason("spec.name"), Some("FieldValueInvalid"));
        let message = |field: &str| {
            details.causes.iter().find(|c| c.field == field).map(|c| c.message.as_str()).unwrap()
        };
        assert_eq!(message("spec.active"), "Invalid value: \"string\": spec.active in body must be of type boolean: \"string\"");
        assert_eq!(message("spec.framework"), "Unsupported value: \"zz\": supported values: \"ophyd-sync\", \"ophyd-async\"");
        assert_eq!(refusal(raw(server).get("m1").await).code, 404);
    }

    async fn limits_are_kept(server: &Server) {
        let long = object(json!({"name": "m1", "deviceClass": "c", "prefix": "x".repeat(600)}));
        let refused = refusal(raw(server).create(&PostParams::default(), &long).await);
        assert_eq!(refused.details.unwrap().causes[0].reason, "FieldValueTooLong");
        let many: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let many = object(json!({"name": "m1", "deviceClass": "c", "labels": many}));
        let refused = refusal(raw(server).create(&PostParams::default(), &many).await);
        assert_eq!(refused.details.unwrap().causes[0].reason, "FieldValueTooMany");
        let items = server.api::<QueueItem>();
        let item: QueueItem = serde_json::from_value(json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "QueueItem", "metadata": {"name": "i"},
            "spec": {"name": "count", "priority": 5000},
        })).unwrap();
        assert_eq!(refusal(items.create(&PostParams::default(), &item).await).code, 422);
    }

    async fn unknown_fields_are_pruned_or_refused_as_asked(server: &Server) {
        let spec = json!({"name": "m1", "deviceClass": "c", "unheardOf": 1, "kwargs": {"free": {"form": 1}}});
        let path = format!("/apis/beamline.dev/v1alpha1/namespaces/{}/devices", server.namespace);
        let post = |validation: &str| {
            let body = serde_json::to_vec(&object(spec.clone())).unwrap();
            http::Request::post(format!("{path}?fieldValidation={validation}"))
                .header("content-type", "application/json")
                .body(body)
                .unwrap()
        };
        let refused = refusal(server.client.request::<Value>(post("Strict")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (400, "BadRequest"));
        assert!(refused.message.contains("strict decoding error: unknown field \"spec.unheardOf\""), "{}", refused.message);
        let made: Value = server.client.request(post("Ignore")).await.unwrap();
        assert_eq!(made["spec"]["unheardOf"], Value::Null);
        assert_eq!(made["spec"]["kwargs"], json!({"free": {"form": 1}}));
    }

    async fn rules_see_the_object_and_what_it_was(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patch = Patch::Merge(json!({"spec": {"name": "m2"}}));
        let refused = refusal(api.patch("m1", &PatchParams::default(), &patch).await);
        assert_eq!(refused.code, 422);
        let cause = &refused.details.unwrap().causes[0];
        assert_eq!((cause.field.as_str(), cause.reason.as_str()), ("spec.name", "FieldValueInvalid"));
        assert!(cause.message.ends_with("the name of a device cannot change: delete it and create another"), "{}", cause.message);
        let patch = Patch::Merge(json!({"spec": {"prefix": "other"}}));
        api.patch("m1", &PatchParams::default(), &patch).await.unwrap();
    }

    async fn keyed_lists_have_each_key_once(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let condition = json!({
            "type": "Ready", "status": "True", "reason": "A", "message": "",
            "lastTransitionTime": "2024-01-01T00:00:00Z",
        });
        let patch = Patch::Merge(json!({"status": {"conditions": [condition, condition]}}));
        let refused = refusal(api.patch_status("m1", &PatchParams::default(), &patch).await);
        let cause = &refused.details.unwrap().causes[0];
        assert_eq!((cause.field.as_str(), cause.reason.as_str()), ("status.conditions[1]", "FieldValueDuplicate"));
        let mut odd = condition.clone();
        odd["lastTransitionTime"] = json!("yesterday");
        let patch = Patch::Merge(json!({"status": {"conditions": [odd]}}));
        assert_eq!(refusal(api.patch_status("m1", &PatchParams::default(), &patch).await).code, 422);
    }

    async fn names_and_labels_follow_the_rules(server: &Server) {
        let api = server.api::<Device>();
        let mut bad = device("m1");
        bad.metadata.name = Some("Upper_Case".into());
        let refused = refusal(api.create(&PostParams::default(), &bad).await);
        assert_eq!(refused.code, 422);
        assert!(refused.message.contains("a lowercase RFC 1123 subdomain must consist of"), "{}", refused.message);
        let mut bad = device("m1");
        bad.metadata.labels = Some([("a".into(), "not a label".into())].into());
        let refused = refusal(api.create(&PostParams::default(), &bad).await);
        assert_eq!(refused.details.unwrap().causes[0].field, "metadata.labels");
        let mut bad = device("m1");
        bad.metadata.name = None;
        assert!(api.create(&PostParams::default(), &bad).await.is_err());
        assert!(api.list(&ListParams::default()).await.unwrap().items.is_empty());
    }

    async fn a_body_that_is_too_large_or_unreadable_is_refused(server: &Server) {
        let path = format!("/apis/beamline.dev/v1alpha1/namespaces/{}/devices", server.namespace);
        let post = |body: Vec<u8>| {
            http::Request::post(&path).header("content-type", "application/json").body(body).unwrap()
        };
        let refused = refusal(server.client.request::<Value>(post(b"{\"kind\":".to_vec())).await);
        assert_eq!((refused.code, refused.reason.as_str()), (400, "BadRequest"));
        // So little above the limit that a real API server takes the rest before it closes the connection.
        let documentation = "x".repeat((3 << 20) + (64 << 10));
        let huge = object(json!({"name": "m1", "deviceClass": "c", "documentation": documentation}));
        let refused = refusal(server.client.request::<Value>(post(serde_json::to_vec(&huge).unwrap())).await);
        assert_eq!((refused.code, refused.reason.as_str()), (413, "RequestEntityTooLarge"));
    }

    async fn the_lock_table_is_changed_by_compare_and_swap(server: &Server) {
        let api = server.api::<DeviceLocks>();
        let mut table = DeviceLocks::new("device-locks", crds::DeviceLocksSpec::default());
        table.spec.epoch = "e".into();
        let table = api.create(&PostParams::default(), &table).await.unwrap();
        let race = (0..8).map(|number| {
            let (api, mut table) = (api.clone(), table.clone());
            table.spec.version = number + 1;
            async move { api.replace("device-locks", &PostParams::default(), &table).await }
        });
        let outcomes = futures::future::join_all(race).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for lost in outcomes.into_iter().filter(Result::is_err) {
            assert_eq!(refusal(lost).code, 409);
        }
    }
}
