//! Create, get, replace and the status subresource; generation and resourceVersion.

use crds::Device;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::{Server, conformance, device, observed, refusal};

conformance! {
    async fn a_created_object_has_what_the_server_sets_and_its_defaults(server: &Server) {
        let api = server.api::<Device>();
        let made = api.create(&PostParams::default(), &device("m1")).await.unwrap();
        assert_eq!(made.metadata.generation, Some(1));
        assert!(made.uid().is_some() && made.metadata.creation_timestamp.is_some());
        assert!(made.resource_version().unwrap().parse::<u64>().unwrap() > 0);
        assert!(made.spec.active, "the default is filled in");
        let found = api.get("m1").await.unwrap();
        assert_eq!((found.uid(), found.resource_version()), (made.uid(), made.resource_version()));
        assert_eq!(found.namespace().as_deref(), Some(server.namespace.as_str()));
    }

    async fn a_name_can_be_taken_only_once(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let refused = refusal(api.create(&PostParams::default(), &device("m1")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "AlreadyExists"));
        assert_eq!(refused.message, "devices.beamline.dev \"m1\" already exists");
        let details = refused.details.unwrap();
        assert_eq!((details.name.as_str(), details.kind.as_str()), ("m1", "devices"));
    }

    async fn names_are_generated_on_request(server: &Server) {
        let api = server.api::<Device>();
        let mut wanted = device("x");
        wanted.metadata.name = None;
        wanted.metadata.generate_name = Some("dev-".into());
        let one = api.create(&PostParams::default(), &wanted).await.unwrap();
        let two = api.create(&PostParams::default(), &wanted).await.unwrap();
        assert!(one.name_any().starts_with("dev-") && one.name_any().len() == 9);
        assert_ne!(one.name_any(), two.name_any());
    }

    async fn an_object_needs_an_existing_namespace(server: &Server) {
        let api: kube::Api<Device> = kube::Api::namespaced(server.client.clone(), "nowhere");
        let refused = refusal(api.create(&PostParams::default(), &device("m1")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (404, "NotFound"));
        assert_eq!(refused.message, "namespaces \"nowhere\" not found");
    }

    async fn what_does_not_exist_is_not_found(server: &Server) {
        let api = server.api::<Device>();
        let refused = refusal(api.get("none").await);
        assert_eq!((refused.code, refused.reason.as_str()), (404, "NotFound"));
        assert_eq!(refused.message, "devices.beamline.dev \"none\" not found");
        let mut unborn = device("none");
        unborn.metadata.resource_version = Some("1".into());
        let refused = refusal(api.replace("none", &PostParams::default(), &unborn).await);
        assert_eq!(refused.code, 404);
        let secrets = server.api::<Secret>();
        assert_eq!(refusal(secrets.get("none").await).message, "secrets \"none\" not found");
    }

    async fn a_replace_needs_the_newest_version(server: &Server) {
        let api = server.api::<Device>();
        let mut old = api.create(&PostParams::default(), &device("m1")).await.unwrap();
        old.spec.prefix = Some("a".into());
        let new = api.replace("m1", &PostParams::default(), &old).await.unwrap();
        assert_eq!(new.metadata.generation, Some(2));
        assert_ne!(new.resource_version(), old.resource_version());
        old.spec.prefix = Some("b".into());
        let refused = refusal(api.replace("m1", &PostParams::default(), &old).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
        assert_eq!(refused.message, "Operation cannot be fulfilled on devices.beamline.dev \"m1\": the object has been modified; please apply your changes to the latest version and try again");
        old.metadata.resource_version = None;
        let refused = refusal(api.replace("m1", &PostParams::default(), &old).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.contains("metadata.resourceVersion"), "{}", refused.message);
        assert_eq!(api.get("m1").await.unwrap().spec.prefix.as_deref(), Some("a"));
    }

    async fn a_write_that_changes_nothing_keeps_the_version(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let made = observed(&api, "m1").await;
        let same = api.replace("m1", &PostParams::default(), &made).await.unwrap();
        assert_eq!(same.resource_version(), made.resource_version());
        let patch = Patch::Merge(json!({"spec": {"prefix": made.spec.prefix}}));
        let same = api.patch("m1", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(same.resource_version(), made.resource_version());
    }

    async fn spec_and_status_are_written_apart(server: &Server) {
        let api = server.api::<Device>();
        let mut with_status = serde_json::to_value(device("m1")).unwrap();
        with_status["status"] = json!({"signalCount": 9});
        let wanted: Device = serde_json::from_value(with_status).unwrap();
        let made = api.create(&PostParams::default(), &wanted).await.unwrap();
        let status = made.status.clone().unwrap();
        assert_eq!(status.signal_count, None, "a create does not write the status");
        assert_eq!(status.observed_generation, Some(-1), "nobody has looked yet");
        let patch = Patch::Merge(json!({"status": {"signalCount": 3}, "spec": {"prefix": "no"}}));
        let after = api.patch_status("m1", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(after.status.as_ref().unwrap().signal_count, Some(3));
        assert_eq!(after.spec.prefix, made.spec.prefix, "a status write leaves the spec");
        assert_eq!(after.metadata.generation, Some(1), "generation counts the spec only");
        assert_ne!(after.resource_version(), made.resource_version());
        let patch = Patch::Merge(json!({"status": {"signalCount": 4}, "spec": {"prefix": "yes"}}));
        let after = api.patch("m1", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(after.status.as_ref().unwrap().signal_count, Some(3));
        assert_eq!((after.spec.prefix.as_deref(), after.metadata.generation), (Some("yes"), Some(2)));
        let mut replaced = after.clone();
        replaced.status.as_mut().unwrap().signal_count = Some(5);
        let after = api
            .replace_status("m1", &PostParams::default(), &replaced)
            .await
            .unwrap();
        assert_eq!(after.status.unwrap().signal_count, Some(5));
        let refused = refusal(api.replace_status("m1", &PostParams::default(), &replaced).await);
        assert_eq!(refused.code, 409);
    }

    async fn metadata_changes_do_not_count_as_a_generation(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patch = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
        let after = api.patch("m1", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(after.metadata.generation, Some(1));
        assert_eq!(after.labels()["a"], "b");
    }

    async fn identity_cannot_be_changed(server: &Server) {
        let api = server.api::<Device>();
        let made = api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let mut other = made.clone();
        other.metadata.uid = Some("00000000-0000-0000-0000-000000000000".into());
        let refused = refusal(api.replace("m1", &PostParams::default(), &other).await);
        assert_eq!(refused.code, 409);
        let mut other = made.clone();
        other.metadata.creation_timestamp = None;
        other.metadata.generation = Some(77);
        other.metadata.labels = Some([("a".into(), "b".into())].into());
        let after = api.replace("m1", &PostParams::default(), &other).await.unwrap();
        assert_eq!(after.metadata.creation_timestamp, made.metadata.creation_timestamp);
        assert_eq!(after.metadata.generation, Some(1));
    }

    async fn a_dry_run_checks_everything_and_stores_nothing(server: &Server) {
        let api = server.api::<Device>();
        let dry = PostParams { dry_run: true, field_manager: None };
        let shown = api.create(&dry, &device("m1")).await.unwrap();
        assert!(shown.spec.active);
        assert_eq!(refusal(api.get("m1").await).code, 404);
        let mut bad = device("m1");
        bad.spec.name = String::new();
        assert_eq!(refusal(api.create(&dry, &bad).await).code, 422);
    }

    async fn built_in_kinds_are_stored_like_ours(server: &Server) {
        let maps = server.api::<ConfigMap>();
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "c"}, "data": {"a": "b"}})).unwrap();
        let made = maps.create(&PostParams::default(), &map).await.unwrap();
        assert_eq!(made.data.unwrap()["a"], "b");
        assert_eq!(made.metadata.generation, None);
        let replaced: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "c"}, "data": {"x": "y"}})).unwrap();
        let after = maps.replace("c", &PostParams::default(), &replaced).await.unwrap();
        assert_eq!(after.data.unwrap().len(), 1, "without a version a replace is unconditional");
        let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "s"}, "stringData": {"p": "q"}})).unwrap();
        let made = server.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
        assert_eq!(made.data.unwrap()["p"].0, b"q");
        assert_eq!((made.type_.as_deref(), made.string_data), (Some("Opaque"), None));
        let leases = server.api::<Lease>();
        let lease: Lease = serde_json::from_value(json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})).unwrap();
        let mut made = leases.create(&PostParams::default(), &lease).await.unwrap();
        made.spec.as_mut().unwrap().holder_identity = Some("b".into());
        leases.replace("l", &PostParams::default(), &made).await.unwrap();
        assert_eq!(refusal(leases.replace("l", &PostParams::default(), &made).await).code, 409);
    }

    async fn an_event_is_seen_in_both_its_forms(server: &Server) {
        let event = json!({
            "metadata": {"name": "e1"},
            "regarding": {"kind": "Device", "name": "m1", "namespace": server.namespace},
            "note": "hello", "reason": "Tested", "type": "Normal", "action": "Test",
            "reportingController": "beamline.dev/test", "reportingInstance": "one",
            "eventTime": "2024-01-01T00:00:00.000000Z",
        });
        let new: k8s_openapi::api::events::v1::Event = serde_json::from_value(event).unwrap();
        server.api().create(&PostParams::default(), &new).await.unwrap();
        let core = server.api::<Event>().get("e1").await.unwrap();
        assert_eq!(core.message.as_deref(), Some("hello"));
        assert_eq!(core.involved_object.name.as_deref(), Some("m1"));
        let again = server.api::<k8s_openapi::api::events::v1::Event>().get("e1").await.unwrap();
        assert_eq!(again.note.as_deref(), Some("hello"));
        let params = kube::api::ListParams::default().fields("involvedObject.name=m1");
        assert_eq!(server.api::<Event>().list(&params).await.unwrap().items.len(), 1);
        let params = kube::api::ListParams::default().fields("involvedObject.name=m2");
        assert!(server.api::<Event>().list(&params).await.unwrap().items.is_empty());
    }

    async fn a_body_that_contradicts_its_path_is_refused(server: &Server) {
        let path = format!("/apis/beamline.dev/v1alpha1/namespaces/{}/devices", server.namespace);
        for (change, code) in [
            (json!({"metadata": {"namespace": "other"}}), 400),
            (json!({"kind": "Queue"}), 422),
            (json!({"kind": ""}), 400),
            (json!({"apiVersion": ""}), 400),
            (json!({"apiVersion": "beamline.dev/v2"}), 400),
        ] {
            let mut body = serde_json::to_value(device("m1")).unwrap();
            for (key, value) in change.as_object().unwrap() {
                match value {
                    Value::Object(map) => map.iter().for_each(|(k, v)| body[key][k] = v.clone()),
                    other => body[key] = other.clone(),
                }
            }
            let request = http::Request::post(&path)
                .header("content-type", "application/json")
                .body(body.to_string().into_bytes())
                .unwrap();
            let refused = refusal(server.client.request::<Value>(request).await);
            assert_eq!(refused.code, code, "{change}: {}", refused.message);
        }
        let devices = server.api::<Device>();
        let mut versioned = device("m1");
        versioned.metadata.resource_version = Some("5".into());
        let refused = refusal(devices.create(&PostParams::default(), &versioned).await);
        assert_eq!(refused.message, "resourceVersion should not be set on objects to be created");
        assert_eq!(refusal(devices.get("m1").await).code, 404);
        devices.create(&PostParams::default(), &device("m1")).await.unwrap();
        let patch = Patch::Merge(json!({"kind": "Queue"}));
        let refused = refusal(devices.patch("m1", &PatchParams::default(), &patch).await);
        assert_eq!((refused.code, refused.details.unwrap().causes[0].field.as_str()), (422, "kind"));
        let patch = Patch::Apply(json!({"apiVersion": "v1", "kind": "Secret"}));
        let refused = refusal(devices.patch("m1", &PatchParams::apply("t").force(), &patch).await);
        assert_eq!((refused.code, refused.message.as_str()), (400, "invalid object type: /v1, Kind=Secret"));
        let maps = server.api::<ConfigMap>();
        let path = format!("/api/v1/namespaces/{}/configmaps", server.namespace);
        for (body, code) in [
            (json!({"metadata": {"name": "c"}}), None),
            (json!({"kind": "Secret", "metadata": {"name": "d"}}), Some(400)),
            (json!({"apiVersion": "v2", "metadata": {"name": "d"}}), Some(400)),
        ] {
            let request = http::Request::post(&path)
                .header("content-type", "application/json")
                .body(body.to_string().into_bytes())
                .unwrap();
            match (server.client.request::<Value>(request).await, code) {
                (Ok(_), None) => {}
                (answer, code) => assert_eq!(Some(refusal(answer).code), code, "{body}"),
            }
        }
        assert_eq!(refusal(maps.get("d").await).code, 404);
    }
}
