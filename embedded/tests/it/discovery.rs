//! Discovery, OpenAPI, health, tables, and what is refused by method or path.

use crds::Device;
use kube::api::PostParams;
use kube::discovery::{Discovery, verbs};
use serde_json::Value;

use crate::server::{Server, conformance, device, refusal};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async fn get(server: &Server, path: &str, accept: &str) -> kube::Result<Value> {
    let request = http::Request::get(path).header("accept", accept).body(vec![]).unwrap();
    server.client.request::<Value>(request).await
}

conformance! {
    async fn clients_find_every_kind(server: &Server) {
        for discovery in [
            Discovery::new(server.client.clone()).run().await.unwrap(),
            Discovery::new(server.client.clone()).run_aggregated().await.unwrap(),
        ] {
            let group = discovery.get("beamline.dev").expect("our group");
            let (resource, capabilities) = group.recommended_kind("Device").unwrap();
            assert_eq!((resource.plural.as_str(), resource.version.as_str()), ("devices", "v1alpha1"));
            assert!(capabilities.supports_operation(verbs::WATCH));
            assert_eq!(capabilities.subresources.len(), 1);
            for (group, kind) in [("", "ConfigMap"), ("coordination.k8s.io", "Lease"), ("events.k8s.io", "Event"), ("apiextensions.k8s.io", "CustomResourceDefinition")] {
                let group = discovery.get(group).unwrap();
                assert!(group.recommended_kind(kind).is_some(), "{kind}");
            }
        }
        let version = server.client.apiserver_version().await.unwrap();
        assert_eq!(version.major, "1");
    }

    async fn short_names_and_categories_are_told(server: &Server) {
        let list = get(server, "/apis/beamline.dev/v1alpha1", "application/json").await.unwrap();
        let resources = list["resources"].as_array().unwrap();
        let devices = resources.iter().find(|r| r["name"] == "devices").unwrap();
        assert_eq!(devices["shortNames"][0], "dev");
        assert_eq!(devices["categories"][0], "beamline-all");
        assert!(resources.iter().any(|r| r["name"] == "devices/status"));
    }

    async fn the_schema_of_every_kind_is_published(server: &Server) {
        let index = get(server, "/openapi/v3", "application/json").await.unwrap();
        let path = index["paths"]["apis/beamline.dev/v1alpha1"]["serverRelativeURL"].as_str().unwrap();
        let document = get(server, path, "application/json").await.unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let device = schemas
            .values()
            .find(|schema| schema["x-kubernetes-group-version-kind"][0]["kind"] == "Device")
            .unwrap();
        let prefix = &device["properties"]["spec"]["properties"]["prefix"];
        assert!(prefix["description"].as_str().unwrap().starts_with("PV prefix."));
        let patch = &document["paths"]["/apis/beamline.dev/v1alpha1/namespaces/{namespace}/devices/{name}"]["patch"];
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"));
    }

    async fn the_definitions_can_be_read(server: &Server) {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/devices.beamline.dev";
        let definition = get(server, path, "application/json").await.unwrap();
        assert_eq!(definition["spec"]["names"]["kind"], "Device");
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True"));
    }

    async fn tables_have_the_columns_of_the_kind(server: &Server) {
        server.api::<Device>().create(&PostParams::default(), &device("m1")).await.unwrap();
        let path = format!("/apis/beamline.dev/v1alpha1/namespaces/{}/devices", server.namespace);
        let table = get(server, &path, TABLE).await.unwrap();
        assert_eq!(table["kind"], "Table");
        let columns = table["columnDefinitions"].as_array().unwrap();
        let at = |name: &str| columns.iter().position(|column| column["name"] == name).unwrap();
        let cells = &table["rows"][0]["cells"];
        assert_eq!(cells[at("Name")], "m1");
        assert_eq!(cells[at("Prefix")], "sim:mtr1");
        assert_eq!(columns[at("Prefix")]["priority"], 1);
        assert_eq!(cells[at("Signals")], Value::Null);
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        let one = get(server, &format!("{path}/m1"), TABLE).await.unwrap();
        assert_eq!(one["rows"].as_array().unwrap().len(), 1);
    }

    async fn what_is_not_there_is_refused(server: &Server) {
        for path in ["/apis/nothing.dev/v1", "/apis/beamline.dev/v1alpha1/things", "/api/v1/pods/a/b/c"] {
            assert_eq!(refusal(get(server, path, "application/json").await).code, 404, "{path}");
        }
        let path = format!("/apis/beamline.dev/v1alpha1/namespaces/{}/devices", server.namespace);
        let put = |path: String| http::Request::put(path).body(vec![]).unwrap();
        let refused = refusal(server.client.request::<Value>(put(path)).await);
        assert_eq!((refused.code, refused.message.as_str()), (400, "name must be provided"));
        let path = format!("/api/v1/namespaces/{}/configmaps", server.namespace);
        let refused = refusal(server.client.request::<Value>(put(path)).await);
        assert_eq!((refused.code, refused.reason.as_str()), (405, "MethodNotAllowed"));
    }

    async fn health_is_told(server: &Server) {
        for path in ["/healthz", "/readyz", "/livez"] {
            let request = http::Request::get(path).body(vec![]).unwrap();
            assert_eq!(server.client.request_text(request).await.unwrap(), "ok");
        }
    }
}
