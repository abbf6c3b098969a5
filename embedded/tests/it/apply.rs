//! Server-side apply: who owns which field.

use crds::device_locks::OBJECT_NAME;
use crds::{Device, DeviceLocks};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::server::{Server, conformance, device, observed, refusal};

fn intent(spec: Value) -> Patch<Value> {
    Patch::Apply(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
        "metadata": {"name": "m1"}, "spec": spec,
    }))
}

fn status_intent(type_: &str, status: &str) -> Patch<Value> {
    Patch::Apply(json!({
        "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": "m1"},
        "status": {"conditions": [{
            "type": type_, "status": status, "reason": "Test", "message": "",
            "lastTransitionTime": "2024-01-01T00:00:00Z",
        }]},
    }))
}

const BASE: &str = r#"{"name": "m1", "deviceClass": "ophyd.EpicsMotor"}"#;

fn base() -> Value {
    serde_json::from_str(BASE).unwrap()
}

conformance! {
    async fn an_apply_creates_and_the_same_apply_changes_nothing(server: &Server) {
        let api = server.api::<Device>();
        let params = PatchParams::apply("tester");
        let made = api.patch("m1", &params, &intent(base())).await.unwrap();
        let settled = observed(&api, "m1").await;
        let same = api.patch("m1", &params, &intent(base())).await.unwrap();
        assert_eq!(same.resource_version(), settled.resource_version());
        let managers = made.metadata.managed_fields.unwrap();
        assert_eq!(managers.len(), 1);
        assert_eq!(managers[0].manager.as_deref(), Some("tester"));
        assert_eq!(managers[0].operation.as_deref(), Some("Apply"));
        let fields = &managers[0].fields_v1.as_ref().unwrap().0;
        assert_eq!(*fields, json!({"f:spec": {"f:name": {}, "f:deviceClass": {}}}));
    }

    async fn a_field_of_another_writer_is_a_conflict_unless_forced(server: &Server) {
        let api = server.api::<Device>();
        let mut one = base();
        one["prefix"] = json!("a");
        api.patch("m1", &PatchParams::apply("one"), &intent(one)).await.unwrap();
        let mut two = base();
        two["prefix"] = json!("b");
        let params = PatchParams::apply("two");
        let refused = refusal(api.patch("m1", &params, &intent(two.clone())).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\": .spec.prefix");
        let causes = refused.details.unwrap().causes;
        assert_eq!((causes[0].reason.as_str(), causes[0].field.as_str()), ("FieldManagerConflict", ".spec.prefix"));
        let after = api.patch("m1", &params.force(), &intent(two)).await.unwrap();
        assert_eq!(after.spec.prefix.as_deref(), Some("b"));
        let again = refusal(api.patch("m1", &PatchParams::apply("one"), &intent({
            let mut one = base();
            one["prefix"] = json!("a");
            one
        })).await);
        assert!(again.message.contains("\"two\""), "{}", again.message);
    }

    async fn the_same_value_can_be_owned_by_two(server: &Server) {
        let api = server.api::<Device>();
        let mut spec = base();
        spec["prefix"] = json!("a");
        api.patch("m1", &PatchParams::apply("one"), &intent(spec.clone())).await.unwrap();
        api.patch("m1", &PatchParams::apply("two"), &intent(spec)).await.unwrap();
        let after = api.patch("m1", &PatchParams::apply("one"), &intent(base())).await.unwrap();
        assert_eq!(after.spec.prefix.as_deref(), Some("a"), "the other one still wants it");
        let after = api.patch("m1", &PatchParams::apply("two"), &intent(base())).await.unwrap();
        assert_eq!(after.spec.prefix, None, "nobody wants it any more");
    }

    async fn what_a_writer_no_longer_applies_is_removed(server: &Server) {
        let api = server.api::<Device>();
        let mut spec = base();
        spec["kwargs"] = json!({"a": 1, "b": 2});
        spec["pvs"] = json!({"x": "X", "y": "Y"});
        let params = PatchParams::apply("one");
        api.patch("m1", &params, &intent(spec)).await.unwrap();
        let by_hand = Patch::Merge(json!({"spec": {"documentation": "by hand", "pvs": {"z": "Z"}}}));
        api.patch("m1", &PatchParams::default(), &by_hand).await.unwrap();
        let mut spec = base();
        spec["kwargs"] = json!({"b": 2});
        let after = api.patch("m1", &params, &intent(spec)).await.unwrap();
        assert_eq!(Value::Object(after.spec.kwargs), json!({"b": 2}));
        assert_eq!(after.spec.pvs.into_keys().collect::<Vec<_>>(), ["z"]);
        assert_eq!(after.spec.documentation.as_deref(), Some("by hand"));
    }

    async fn an_update_takes_fields_from_their_owner(server: &Server) {
        let api = server.api::<Device>();
        let mut spec = base();
        spec["prefix"] = json!("a");
        let params = PatchParams::apply("one");
        api.patch("m1", &params, &intent(spec.clone())).await.unwrap();
        let by_hand = PatchParams { field_manager: Some("hand".into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({"spec": {"prefix": "b"}}));
        api.patch("m1", &by_hand, &patch).await.unwrap();
        let refused = refusal(api.patch("m1", &params, &intent(spec)).await);
        assert!(refused.message.contains("conflict with \"hand\" using beamline.dev/v1alpha1"), "{}", refused.message);
        let after = api.patch("m1", &params, &intent(base())).await.unwrap();
        assert_eq!(after.spec.prefix.as_deref(), Some("b"), "it is not theirs to remove any more");
    }

    async fn two_writers_own_a_condition_each(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("m1")).await.unwrap();
        let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
        api.patch_status("m1", &one, &status_intent("Ready", "True")).await.unwrap();
        api.patch_status("m1", &two, &status_intent("Connected", "False")).await.unwrap();
        let after = api.patch_status("m1", &one, &status_intent("Ready", "False")).await.unwrap();
        let conditions = after.status.unwrap().conditions;
        let state = |type_: &str| {
            conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str())
        };
        assert_eq!((state("Ready"), state("Connected")), (Some("False"), Some("False")));
        let nothing = Patch::Apply(json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": "m1"}, "status": {},
        }));
        let after = api.patch_status("m1", &two, &nothing).await.unwrap();
        let left: Vec<_> = after.status.unwrap().conditions.into_iter().map(|c| c.type_).collect();
        assert_eq!(left, ["Ready"]);
    }

    async fn the_lock_table_has_one_owner_however_many_locks_it_has(server: &Server) {
        let api = server.api::<DeviceLocks>();
        let lock = json!({
            "lockId": "l", "itemId": "i", "planName": "p", "lockedByService": "s",
            "lockedAt": "2024-01-01T00:00:00Z",
        });
        let mut table = DeviceLocks::new(OBJECT_NAME, Default::default());
        table.spec.locks = serde_json::from_value(json!({"m1": lock, "m2": lock})).unwrap();
        let first = PostParams { field_manager: Some("first".into()), ..PostParams::default() };
        let mut made = api.create(&first, &table).await.unwrap();
        made.spec.locks.remove("m1");
        made.metadata.managed_fields = None;
        let second = PostParams { field_manager: Some("second".into()), ..PostParams::default() };
        let after = api.replace(OBJECT_NAME, &second, &made).await.unwrap();
        let owners = after.metadata.managed_fields.unwrap();
        let of_locks = owners.iter().filter_map(|entry| {
            let fields = &entry.fields_v1.as_ref()?.0;
            Some((entry.manager.as_deref()?, fields.pointer("/f:spec/f:locks")?.clone()))
        });
        assert_eq!(of_locks.collect::<Vec<_>>(), [("second", json!({}))]);
    }

    async fn an_apply_says_who_it_is_and_fits_the_schema(server: &Server) {
        let api = server.api::<Device>();
        let anonymous = PatchParams { force: false, ..PatchParams::default() };
        assert!(api.patch("m1", &anonymous, &intent(base())).await.is_err());
        let mut spec = base();
        spec["unheardOf"] = json!(1);
        assert!(api.patch("m1", &PatchParams::apply("one"), &intent(spec)).await.is_err());
        assert_eq!(refusal(api.get("m1").await).code, 404);
    }

    async fn a_version_in_an_apply_counts_only_for_what_exists(server: &Server) {
        let api = server.api::<Device>();
        let params = PatchParams::apply("one");
        let versioned = Patch::Apply(json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "Device",
            "metadata": {"name": "m1", "resourceVersion": "5"}, "spec": base(),
        }));
        api.patch("m1", &params, &versioned).await.unwrap();
        assert_eq!(refusal(api.patch("m1", &params, &versioned).await).code, 409);
    }

    async fn a_status_cannot_be_applied_to_nothing(server: &Server) {
        let api = server.api::<Device>();
        let params = PatchParams::apply("one");
        let refused = refusal(api.patch_status("m1", &params, &status_intent("Ready", "True")).await);
        assert_eq!(refused.code, 404);
    }
}
