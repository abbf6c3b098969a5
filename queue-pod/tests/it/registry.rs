//! Devices of the registry for a worker that wants them, and the registry that is filled from its profile.

use crds::Device;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::fake_worker::Operator;
use crate::fixture::{Machine, Pod};

fn devices(machine: &Machine) -> Api<Device> {
    Api::default_namespaced(machine.client())
}

fn motor(name: &str, prefix: &str) -> Device {
    let spec = json!({"name": name, "deviceClass": "ophyd.EpicsMotor", "prefix": prefix});
    Device::new(name, serde_json::from_value(spec).unwrap())
}

/// A queue server whose environment is open and has the devices of the registry.
async fn opened(machine: &Machine) -> (Pod, Operator) {
    let pod = machine.serve().await;
    machine.configure(json!({"engine": "bluesky", "profile": {"registryDevices": true}})).await;
    let operator = Operator::start(machine.client());
    pod.must("/environment/open", json!({})).await;
    pod.until("open", async |pod| pod.status().await["worker_environment_exists"] == true).await;
    (pod, operator)
}

fn told(operator: &Operator) -> Vec<Vec<(String, Value)>> {
    operator.seen.lock().told.clone()
}

fn at(name: &str, prefix: &str) -> (String, Value) {
    (name.to_owned(), json!([prefix]))
}

#[tokio::test]
async fn a_device_that_changed_is_told_before_the_next_plan_and_while_there_is_none() {
    let machine = Machine::new().await;
    let api = devices(&machine);
    api.create(&PostParams::default(), &motor("m1", "one:")).await.unwrap();
    let (pod, operator) = opened(&machine).await;
    assert_eq!(told(&operator), [[at("m1", "one:")]]);

    let patch = Patch::Merge(json!({"spec": {"prefix": "two:"}}));
    api.patch("m1", &PatchParams::default(), &patch).await.unwrap();
    pod.add("quick").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it ran", async |pod| pod.history().await.len() == 1).await;
    assert_eq!(told(&operator).last().unwrap(), &[at("m1", "two:")]);
    let before = told(&operator).len();
    pod.add("quick").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("the next ran", async |pod| pod.history().await.len() == 2).await;
    assert_eq!(told(&operator).len(), before, "nothing has changed");

    api.create(&PostParams::default(), &motor("m2", "new:")).await.unwrap();
    let all = [at("m1", "two:"), at("m2", "new:")];
    pod.until("told without a plan", async |_| *told(&operator).last().unwrap() == all).await;
    api.delete("m1", &DeleteParams::default()).await.unwrap();
    let rest = [at("m2", "new:")];
    pod.until("gone as well", async |_| *told(&operator).last().unwrap() == rest).await;
    pod.stop().await;
}

#[tokio::test]
async fn an_empty_registry_begins_with_the_devices_of_the_profile() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    let api = devices(&machine);
    let list = async || api.list(&ListParams::default()).await.unwrap().items;
    pod.until("filled", async |_| list().await.len() == 2).await;
    let mut found = list().await;
    found.sort_by_key(|device| device.spec.name.clone());
    let names: Vec<_> = found.iter().map(|device| device.spec.name.as_str()).collect();
    assert_eq!(names, ["ophyd.epicsmotor", "own.thing"]);
    for device in &found {
        assert_eq!(device.labels()["beamline.dev/created-by"], "profile");
        assert_eq!(device.spec.args, [json!("own:")]);
    }
    pod.until("told back", async |_| told(&operator).last().unwrap().len() == 2).await;
    let console = pod.get("/console_output").await["text"].as_str().unwrap().to_owned();
    assert!(console.contains("it has 2 devices of the profile now"), "{console}");
    pod.stop().await;
}
