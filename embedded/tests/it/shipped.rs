//! What we ship is accepted: the catalogue of device classes and the examples.

use std::path::Path;

use crds::DeviceClass;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::server::{Server, conformance, observed};

/// The manifests in the YAML files of a folder of `examples/`.
fn example(folder: &str) -> Vec<DynamicObject> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(folder);
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            objects.extend(documents.into_iter().map(|d| serde_json::from_value(d).unwrap()));
        }
    }
    objects
}

/// The resource of ours that an object belongs to.
fn resource(object: &DynamicObject) -> ApiResource {
    let kind = &object.types.as_ref().unwrap().kind;
    let crd = crds::all().into_iter().find(|crd| crd.spec.names.kind == *kind).unwrap();
    ApiResource {
        group: crds::GROUP.into(),
        version: crds::VERSION.into(),
        api_version: format!("{}/{}", crds::GROUP, crds::VERSION),
        kind: kind.clone(),
        plural: crd.spec.names.plural,
    }
}

conformance! {
    async fn the_shipped_device_classes_are_accepted_and_kept_as_they_are(server: &Server) {
        let api = server.api::<DeviceClass>();
        let classes = crds::catalogue::shipped().unwrap();
        assert!(classes.len() > 50);
        for class in classes {
            let made = api.create(&PostParams::default(), &class).await;
            let made = made.unwrap_or_else(|error| panic!("{}: {error}", class.name_any()));
            assert_eq!(made.spec, class.spec);
        }
    }

    async fn the_examples_are_accepted_and_applied_again_without_a_change(server: &Server) {
        let params = PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..PatchParams::apply("example") };
        for object in ["mini-beamline", "sim-devices"].into_iter().flat_map(example) {
            let name = object.name_any();
            let api: Api<DynamicObject> =
                Api::namespaced_with(server.client.clone(), &server.namespace, &resource(&object));
            let made = api.patch(&name, &params, &Patch::Apply(&object)).await;
            let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
            let has_status = made.data.get("status").is_some();
            let made = if has_status { observed(&api, &name).await } else { made };
            let same = api.patch(&name, &params, &Patch::Apply(&object)).await.unwrap();
            assert_eq!(same.resource_version(), made.resource_version(), "{name}");
        }
    }
}
