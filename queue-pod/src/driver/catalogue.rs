//! The last plans and devices, kept in a ConfigMap so that items can be checked before an environment is open.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::store::MANAGER;
use crate::plans::Catalogue;

const PLANS: &str = "plans.json";
const DEVICES: &str = "devices.json";
const DEADLINE: Duration = Duration::from_secs(10);

fn name(queue: &str) -> String {
    format!("queue-{queue}-plans")
}

/// The stored catalogue; `None` when there is none or it cannot be read.
pub(super) async fn load(client: &Client, namespace: &str, queue: &str) -> Option<Catalogue> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = name(queue);
    let data = match tokio::time::timeout(DEADLINE, maps.get_opt(&name)).await {
        Ok(Ok(map)) => map?.data?,
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot read the stored plans");
            return None;
        }
        Err(_) => return None,
    };
    let part = |key| data.get(key).and_then(|text| serde_json::from_str::<Value>(text).ok());
    Some(Catalogue::new(part(PLANS)?, part(DEVICES)?))
}

/// Stores the catalogue.
pub(super) async fn save(client: &Client, namespace: &str, queue: &str, catalogue: &Catalogue) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let name = name(queue);
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name },
        "data": {
            PLANS: Value::Object(catalogue.plans.clone()).to_string(),
            DEVICES: Value::Object(catalogue.devices.clone()).to_string(),
        },
    });
    let write = async {
        let params =
            PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match maps.patch(&name, &params, &Patch::Merge(&map)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let fresh = serde_json::from_value(map).map_err(kube::Error::SerdeError)?;
                maps.create(&PostParams::default(), &fresh).await
            }
            other => other,
        }
    };
    match tokio::time::timeout(DEADLINE, write).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "cannot store the plans"),
        Err(_) => tracing::warn!("the plans were not stored in time"),
    }
}
