//! The devices of the profile against those of the registry, over HTTP and 0MQ: on a real registry, with a worker that says what its
//! profile makes.

use crds::Device;
use crds::locking::{self, Claimant};
use crds::{DeviceLocks, DeviceLocksSpec};
use jiff::Timestamp;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use plan_worker::protocol::DeviceRecipe;
use serde_json::{Value, json};

use crate::fake_worker::Operator;
use crate::fixture::{Machine, Pod, opened};

const DIFFERENCE: &str = "/api/devices/diff_against_profile";

fn devices(machine: &Machine) -> Api<Device> {
    Api::default_namespaced(machine.client())
}

async fn register(machine: &Machine, name: &str, more: Value) {
    let mut spec = json!({"name": name, "deviceClass": "ophyd.EpicsMotor"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let device = Device::new(name, serde_json::from_value(spec).unwrap());
    devices(machine).create(&PostParams::default(), &device).await.unwrap();
}

/// Has the profile make motors at these places.
fn make(operator: &Operator, motors: &[(&str, &str)]) {
    let recipe = |(name, prefix): &(&str, &str)| DeviceRecipe {
        name: (*name).to_owned(),
        device_class: "ophyd.EpicsMotor".to_owned(),
        args: vec![json!(prefix)],
        kwargs: [("name".to_owned(), json!(name))].into_iter().collect(),
        ..DeviceRecipe::default()
    };
    let left_out = [("simulated".to_owned(), "it has no PVs".to_owned())].into();
    operator.seen.lock().profile = (motors.iter().map(recipe).collect(), left_out);
}

async fn sync(pod: &Pod, body: Value) -> (u16, Value) {
    let url = format!("{}/api/devices/sync_from_profile", pod.url);
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the registry has: names and prefixes or arguments, and whether it is on.
async fn stored(machine: &Machine) -> Vec<(String, Value, bool)> {
    let list = devices(machine).list(&ListParams::default()).await.unwrap().items;
    let mut found: Vec<_> = list
        .iter()
        .map(|one| (one.spec.name.clone(), json!(one.spec.rendered_args()), one.is_active()))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn at(name: &str, prefix: &str) -> (String, Value, bool) {
    (name.to_owned(), json!([prefix]), true)
}

#[tokio::test]
async fn the_registry_follows_the_profile_as_far_as_it_is_told_to() {
    let machine = Machine::new().await;
    register(&machine, "same", json!({"prefix": "same:"})).await;
    register(&machine, "moved", json!({"prefix": "here:", "documentation": "of the hutch"})).await;
    register(&machine, "off", json!({"prefix": "off:", "active": false})).await;
    register(&machine, "gone", json!({"prefix": "gone:"})).await;
    register(&machine, "simulated", json!({})).await;
    let (pod, operator) = opened(&machine).await;
    make(&operator, &[("same", "same:"), ("moved", "there:"), ("off", "off:"), ("new", "new:")]);

    let (code, answer) = pod.try_get(DIFFERENCE).await;
    let diff = &answer["diff"];
    assert_eq!((code.as_u16(), &diff["added"]), (200, &json!(["new"])), "{answer}");
    assert_eq!((&diff["removed"], &diff["disabled"]), (&json!(["gone"]), &json!(["off"])));
    let modified = diff["modified"].as_array().unwrap();
    assert_eq!((modified.len(), &modified[0]["name"]), (1, &json!("moved")));
    assert_eq!(modified[0]["fields_changed"], json!(["args"]));
    assert_eq!(modified[0]["before"]["args"], json!(["here:"]));
    assert_eq!(modified[0]["after"]["args"], json!(["there:"]));

    let before = stored(&machine).await;
    let (code, answer) = sync(&pod, json!({"strategy": "additions_only"})).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["applied"], json!({"upserted": ["new"], "deleted": []}));
    assert_eq!(answer["diff_after"]["removed"], json!(["gone"]));
    let now = stored(&machine).await;
    assert_eq!(
        now.iter().filter(|one| !before.contains(one)).collect::<Vec<_>>(),
        [&at("new", "new:")]
    );
    let new = devices(&machine).get("new").await.unwrap();
    assert_eq!(new.labels()["beamline.dev/created-by"], "profile");

    let chosen = json!({"strategy": "selected", "devices": ["off", "gone", "unheard"]});
    let (_, answer) = sync(&pod, chosen).await;
    assert_eq!(answer["applied"], json!({"upserted": ["off"], "deleted": []}), "{answer}");

    let (_, answer) = sync(&pod, Value::Null).await;
    assert_eq!(answer["applied"], json!({"upserted": ["moved"], "deleted": ["gone"]}), "{answer}");
    let nothing = json!({"added": [], "removed": [], "modified": [], "disabled": []});
    assert_eq!(answer["diff_after"], nothing);
    let simulated = ("simulated".to_owned(), json!([]), true);
    let all = [
        at("moved", "there:"),
        at("new", "new:"),
        at("off", "off:"),
        at("same", "same:"),
        simulated,
    ];
    assert_eq!(stored(&machine).await, all);
    let moved = devices(&machine).get("moved").await.unwrap();
    assert_eq!(moved.spec.documentation.as_deref(), Some("of the hutch"));
    let console = pod.get("/console_output").await["text"].as_str().unwrap().to_owned();
    assert!(console.contains("1 devices new or changed, 1 removed, 0 failed"), "{console}");
    pod.stop().await;
}

#[tokio::test]
async fn what_git_owns_or_a_plan_holds_stays_and_so_does_everything_else() {
    let machine = Machine::new().await;
    register(&machine, "held", json!({"prefix": "here:"})).await;
    register(&machine, "synced", json!({"prefix": "synced:"})).await;
    let label = json!({"metadata": {"labels": {"argocd.argoproj.io/instance": "lab"}}});
    let patch = kube::api::Patch::Merge(label);
    devices(&machine).patch("synced", &Default::default(), &patch).await.unwrap();
    let word = |word: &str| word.to_owned();
    let claimant = Claimant { item_id: word("1"), plan_name: word("scan"), service: word("other") };
    let free = DeviceLocksSpec::default();
    let locked = locking::take(&free, &[word("held")], &claimant, "l", Timestamp::now(), None);
    let tables: Api<DeviceLocks> = Api::default_namespaced(machine.client());
    let table = DeviceLocks::new(crds::device_locks::OBJECT_NAME, locked);
    tables.create(&PostParams::default(), &table).await.unwrap();
    let (pod, operator) = opened(&machine).await;
    make(&operator, &[("held", "there:"), ("new", "new:")]);

    let before = stored(&machine).await;
    let (code, answer) = sync(&pod, json!({})).await;
    let why = answer["detail"].as_str().unwrap();
    assert_eq!(code, 409);
    for reason in [
        "device-diff apply failed for 2 device(s): ",
        "held: Device 'held' is locked and cannot be updated",
        "synced: Device 'synced' is synced from git by Argo CD application 'lab'; change it there",
    ] {
        assert!(why.contains(reason), "{why}");
    }
    assert_eq!(stored(&machine).await, before, "nothing was changed");
    assert_eq!(pod.status().await["config_service_sync_error"], Value::Null);
    pod.stop().await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_with_the_codes_of_the_contract() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    make(&operator, &[("new", "new:")]);
    let (code, answer) = sync(&pod, json!({"strategy": "some"})).await;
    let unknown = "unknown strategy 'some'; expected one of ['all', 'additions_only', 'selected']";
    assert_eq!((code, &answer["detail"]), (409, &json!(unknown)));
    let (code, answer) = sync(&pod, json!({"strategy": "selected"})).await;
    let nothing = "strategy='selected' requires a non-empty 'devices' list";
    assert_eq!((code, &answer["detail"]), (409, &json!(nothing)));
    let (code, answer) = sync(&pod, json!({"strategy": 5})).await;
    assert_eq!((code, &answer["detail"][0]["type"]), (422, &json!("string_type")));

    pod.writes.cut(true);
    let (code, answer) = sync(&pod, json!({})).await;
    let why = answer["detail"].as_str().unwrap().to_owned();
    assert!(code == 503 && why.starts_with("configuration-service is unreachable: "), "{answer}");
    pod.until("the status says so", async |pod| {
        pod.status().await["config_service_sync_error"] == why
    })
    .await;
    pod.writes.cut(false);
    let (code, answer) = sync(&pod, json!({})).await;
    assert_eq!((code, &answer["applied"]["upserted"]), (200, &json!(["new"])), "{answer}");
    pod.until("and that it is over", async |pod| {
        pod.status().await["config_service_sync_error"] == Value::Null
    })
    .await;

    pod.must("/environment/close", json!({})).await;
    pod.manager("idle").await;
    let (code, answer) = pod.try_get(DIFFERENCE).await;
    let closed = "RE Worker environment is not open; open it before requesting a device diff";
    assert_eq!((code.as_u16(), &answer["detail"]), (409, &json!(closed)));
    pod.stop().await;
}
