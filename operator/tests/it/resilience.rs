//! One bad object never stops the others.

use crds::Device;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use serde_json::json;

use crate::beamline::{Beamline, NAMESPACE, ready};

#[tokio::test]
async fn an_object_that_cannot_be_read_does_not_stop_the_others() {
    // An API that validates nothing, as after a downgrade from a version with other words.
    let mut crds = crds::all();
    for crd in &mut crds {
        let schema = crd.spec.versions[0].schema.as_mut().unwrap();
        let root = schema.open_api_v3_schema.as_mut().unwrap();
        let spec = root.properties.as_mut().unwrap().get_mut("spec").unwrap();
        *spec = serde_json::from_value(json!({
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        }))
        .unwrap();
    }
    let mut beamline = Beamline::without_operator(crds).await;
    let object = |name: &str, class: serde_json::Value| {
        let body = json!({
            "apiVersion": "beamline.dev/v1alpha1", "kind": "Device", "metadata": {"name": name},
            "spec": {"name": name, "deviceClass": class, "pvs": {"v": "P:v"}},
        });
        serde_json::from_value::<DynamicObject>(body).unwrap()
    };
    let resource = ApiResource::erase::<Device>(&());
    let devices: Api<DynamicObject> =
        Api::namespaced_with(beamline.client.clone(), NAMESPACE, &resource);
    devices.create(&PostParams::default(), &object("bad", json!(7))).await.unwrap();
    devices.create(&PostParams::default(), &object("good", json!("x.Y"))).await.unwrap();
    beamline.start_operator("exit 0");
    beamline
        .wait("good", |device: &Device| {
            let conditions = device.status.as_ref().map(|status| status.conditions.as_slice());
            ready(conditions.unwrap_or_default()) == Some(("True", "UnknownClass"))
        })
        .await;
    beamline.stop_operator().await;
}
