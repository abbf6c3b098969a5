//! `Connected` of devices and standalone PVs: told when it lasts, and written no more often than that.

use std::sync::Arc;
use std::time::Duration;

use control_pod::{Server, Settings};
use crds::conditions::types::CONNECTED;
use crds::{Device, ProcessVariable, names};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::wait::await_condition;
use peers::CaprotoIoc;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fake::FakePvs;
use crate::ioc::client_of;
use crate::support::{Control, PATIENCE, pinhole, settings};

fn connected(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == CONNECTED)
}

fn of_device(device: &Device) -> Option<&Condition> {
    device.status.as_ref().and_then(|status| connected(&status.conditions))
}

/// Waits until `Connected` of the device has that status and reason.
async fn told(control: &Control, name: &str, status: &str, reason: &str) -> Condition {
    is(control, name, |one| one.status == status && one.reason == reason).await
}

/// Waits until `Connected` of the device is as wanted.
async fn is(control: &Control, name: &str, wanted: impl Fn(&Condition) -> bool) -> Condition {
    let api: Api<Device> = Api::namespaced(control.client.clone(), "default");
    let is = |found: Option<&Device>| found.and_then(of_device).is_some_and(&wanted);
    let object = names::object_name(name);
    let waiting = tokio::time::timeout(PATIENCE, await_condition(api, &object, is)).await;
    let device = waiting.expect("the condition").unwrap().unwrap();
    of_device(&device).unwrap().clone()
}

#[tokio::test]
async fn a_device_says_whether_its_ioc_answers_which_pv_does_not_and_when_nobody_looks() {
    let control = Control::start(settings()).await;
    let det = control.pvs.add("mini:ph:det", 1.0);
    pinhole(&control).await;
    told(&control, "pinhole", "True", "Connected").await;
    det.set_connected(false);
    let lost = told(&control, "pinhole", "False", "Disconnected").await;
    assert_eq!(lost.message, "no IOC answers for mini:ph:det");
    assert_eq!(lost.observed_generation, Some(1));
    det.set_connected(true);
    told(&control, "pinhole", "True", "Connected").await;
    assert_eq!(control.status_writes(), 3, "one for each transition");
    control.set_active("pinhole", false).await;
    told(&control, "pinhole", "Unknown", "Inactive").await;
}

#[tokio::test]
async fn a_standalone_pv_says_it_too() {
    let control = Control::start(settings()).await;
    control.pvs.add("alone", 1.0);
    control.standalone("alone").await;
    let api: Api<ProcessVariable> = Api::namespaced(control.client.clone(), "default");
    let is_up = |found: Option<&ProcessVariable>| {
        let conditions = found.and_then(|pv| pv.status.as_ref()).map(|status| &status.conditions);
        conditions.is_some_and(|all| connected(all).is_some_and(|one| one.status == "True"))
    };
    let name = names::object_name("alone");
    tokio::time::timeout(PATIENCE, await_condition(api, &name, is_up)).await.unwrap().unwrap();
}

#[tokio::test]
async fn switched_off_nothing_is_searched_for_and_nothing_is_written() {
    let off = Settings { connection_rate: 0, ..settings() };
    let control = Control::start(off).await;
    control.pvs.add("mini:ph:det", 1.0);
    pinhole(&control).await;
    let leases: Api<Lease> = Api::namespaced(control.client.clone(), "default");
    assert!(leases.list(&Default::default()).await.unwrap().items.is_empty());
    assert_eq!(control.status_writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_flapping_pvs_cost_a_few_writes_each_however_often_they_flap() {
    const DEVICES: usize = 200;
    const FLAP: Duration = Duration::from_millis(50);
    const LEAST_FLAPS: usize = 200;
    let control = Control::start(Settings { connection_rate: 10_000, ..settings() }).await;
    let devices: Api<Device> = Api::namespaced(control.client.clone(), "default");
    let mut flapping = Vec::new();
    for number in 0..DEVICES {
        flapping.push(control.pvs.add(&format!("flap:{number}"), 0.0));
        let name = format!("flap-{number}");
        let device = Device {
            metadata: ObjectMeta { name: Some(names::object_name(&name)), ..ObjectMeta::default() },
            spec: serde_json::from_value(json!({
                "name": name, "deviceClass": "x.Y", "pvs": {"value": format!("flap:{number}")},
            }))
            .unwrap(),
            status: None,
        };
        devices.create(&PostParams::default(), &device).await.unwrap();
    }
    let all_say = async |status: &str| {
        for number in 0..DEVICES {
            is(&control, &format!("flap-{number}"), |one| one.status == status).await;
        }
    };
    all_say("True").await;
    assert_eq!(control.status_writes(), DEVICES);
    let mut flaps = 0;
    let mut said = std::pin::pin!(all_say("False"));
    let mut pause = tokio::time::interval(FLAP);
    let mut is_said = false;
    while !is_said || flaps < LEAST_FLAPS {
        tokio::select! {
            () = &mut said, if !is_said => is_said = true,
            _ = pause.tick() => {
                flaps += 1;
                flapping.iter().for_each(|pv| pv.set_connected(flaps % 2 == 0));
            }
        }
    }
    // Connected, unsteady, and on a machine that looks too seldom to see it come back, gone.
    let writes = control.status_writes();
    assert!((2 * DEVICES..=3 * DEVICES).contains(&writes), "{writes} writes for {flaps} flaps");
    flapping[0].set_connected(false);
    told(&control, "flap-0", "False", "Disconnected").await;
}

#[tokio::test]
async fn of_two_replicas_one_writes_and_the_other_takes_over_without_repeating_it() {
    let mut control = Control::start(settings()).await;
    let det = control.pvs.add("mini:ph:det", 1.0);
    pinhole(&control).await;
    told(&control, "pinhole", "True", "Connected").await;
    let second = Server::bind(settings()).await.unwrap();
    let (client, stop) = (control.client.clone(), CancellationToken::new());
    let pvs = Arc::clone(&control.pvs);
    let serving =
        tokio::spawn(second.serve(client.clone(), "default".to_owned(), pvs, stop.clone()));
    let leases: Api<Lease> = Api::namespaced(client, "default");
    let epoch = async || {
        let lease = leases.get("control-connections").await.unwrap();
        lease.spec.unwrap().lease_transitions.unwrap()
    };
    assert_eq!(epoch().await, 1);
    det.set_connected(false);
    told(&control, "pinhole", "False", "Disconnected").await;
    assert_eq!(control.status_writes(), 2);
    control.stop().await;
    det.set_connected(true);
    told(&control, "pinhole", "True", "Connected").await;
    assert_eq!(epoch().await, 2);
    assert_eq!(control.status_writes(), 3);
    stop.cancel();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ioc_that_is_killed_shows_on_its_devices_and_its_return_too() {
    let Some(mut ioc) = CaprotoIoc::start("mini_beamline", &[]) else { return };
    let client = client_of(&ioc).await;
    let pvs: Arc<dyn channels::PvClient> = Arc::clone(&client) as _;
    let control = Control::start_with(settings(), pvs, Arc::new(FakePvs::default())).await;
    pinhole(&control).await;
    told(&control, "pinhole", "True", "Connected").await;
    assert_eq!(client.channel_count(), 1, "only what a reading brings");
    ioc.kill().await;
    let lost = told(&control, "pinhole", "False", "Disconnected").await;
    assert_eq!(lost.message, "no IOC answers for mini:ph:det");
    ioc.restart().await;
    told(&control, "pinhole", "True", "Connected").await;
}
