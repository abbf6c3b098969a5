//! The change feed as Server-Sent Events.

use std::time::Duration;

use crds::Device;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::lab::{Lab, mini_beamline, new_device, settings, spec};

const PATH: &str = "/api/v1/devices/changes";
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that listens.
pub(crate) struct Listener {
    response: reqwest::Response,
    text: String,
}

/// One event: its id and what it says.
#[derive(Debug)]
pub(crate) struct Event {
    id: String,
    pub(crate) data: Value,
}

impl Event {
    fn names(&self) -> Vec<&str> {
        let changes = self.data["changes"].as_array().unwrap();
        changes.iter().map(|change| change["device_name"].as_str().unwrap()).collect()
    }
}

impl Listener {
    pub(crate) async fn new(lab: &Lab, path: &str, last: Option<&str>) -> Self {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let response = lab.open(path, &headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("nothing came in time")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim().to_owned())
                };
                let read = field("data:").map(|data| Event {
                    id: field("id:").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.text = rest.to_owned();
                match read {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn a_listener_hears_of_every_road_and_misses_nothing_when_it_comes_back() {
    let lab = Lab::new(settings()).await;
    let mut listener = Listener::new(&lab, PATH, None).await;
    let first = listener.next().await.unwrap();
    assert_eq!(first.data, lab.get(PATH).await.of(200), "the words of the polled feed");
    assert!(first.names().is_empty());

    lab.post("/api/v1/devices", new_device("a", "P:a")).await.of(201);
    let created = listener.next().await.unwrap();
    assert_eq!(created.names(), ["a"]);
    assert_eq!(created.data, lab.get(PATH).await.of(200));
    assert_eq!(
        created.id,
        format!(
            "{}@{}",
            created.data["current_version"],
            created.data["service_epoch"].as_str().unwrap()
        )
    );

    // A lock is no change of a device: nobody is woken for it.
    let lock = json!({ "device_names": ["a"], "item_id": "i", "plan_name": "p" });
    lab.post("/api/v1/devices/lock", lock).await.of(200);
    let patch = json!({ "spec": { "documentation": "by hand" } });
    let devices = lab.objects::<Device>();
    devices.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let patched = listener.next().await.unwrap();
    assert_eq!(patched.data["changes"][0]["metadata"]["documentation"], "by hand");
    assert_eq!(patched.data["current_version"], 3);

    drop(listener);
    lab.post("/api/v1/devices", new_device("b", "P:b")).await.of(201);
    let mut again = Listener::new(&lab, PATH, Some(&created.id)).await;
    assert_eq!(again.next().await.unwrap().names(), ["a", "b"]);
    let mut late = Listener::new(&lab, &format!("{PATH}?since_version=3"), None).await;
    assert_eq!(late.next().await.unwrap().names(), ["b"]);
}

#[tokio::test]
async fn a_reset_and_an_id_of_another_registry_are_said_so() {
    let lab = Lab::with(vec![spec(json!({ "name": "m", "deviceClass": "a.B" }))]).await;
    lab.until(async || lab.get(PATH).await.of(200)["current_version"] == 1).await;
    let mut stranger = Listener::new(&lab, PATH, Some("7@of-another")).await;
    let told = stranger.next().await.unwrap();
    assert_eq!((told.names(), told.data["reset_occurred"].as_bool()), (vec!["m"], Some(true)));

    let mut listener = Listener::new(&lab, PATH, Some(&told.id)).await;
    assert!(listener.next().await.unwrap().names().is_empty());
    lab.post("/api/v1/registry/clear", json!({})).await.of(200);
    let cleared = listener.next().await.unwrap();
    assert_eq!(cleared.data["reset_occurred"], true);
    assert_ne!(cleared.data["service_epoch"], told.data["service_epoch"]);
}

#[tokio::test]
async fn a_large_registry_comes_in_parts_that_can_be_resumed() {
    let many =
        (0..450).map(|at| spec(json!({ "name": format!("d{at:03}"), "deviceClass": "a.B" })));
    let lab = Lab::with(many.collect()).await;
    lab.until(async || lab.get(PATH).await.of(200)["current_version"] == 450).await;
    let mut listener = Listener::new(&lab, PATH, None).await;
    let first = listener.next().await.unwrap();
    let mut names: Vec<String> = first.names().into_iter().map(str::to_owned).collect();
    assert!(names.len() < 450, "one event does not hold everything");
    let mut resumed = Listener::new(&lab, PATH, Some(&first.id)).await;
    while names.len() < 450 {
        let part = resumed.next().await.unwrap();
        names.extend(part.names().into_iter().map(str::to_owned));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 450);
}

#[tokio::test]
async fn a_stream_ends_with_the_service_and_goes_on_after_it() {
    let lab = Lab::with(mini_beamline()).await;
    lab.until(async || lab.get(PATH).await.of(200)["current_version"] == 26).await;
    let path = format!("{PATH}?since_version=26");
    let mut listener = Listener::new(&lab, &path, None).await;
    let last = listener.next().await.unwrap();
    let lab = lab
        .restart(async |client| {
            let devices: kube::Api<Device> = kube::Api::namespaced(client, "default");
            devices.delete("spot", &kube::api::DeleteParams::default()).await.unwrap();
        })
        .await;
    assert!(listener.next().await.is_none(), "the stream has ended");
    let mut again = Listener::new(&lab, PATH, Some(&last.id)).await;
    let mut missed = again.next().await.unwrap();
    while missed.names().is_empty() {
        missed = again.next().await.unwrap();
    }
    assert_eq!(
        (missed.names(), missed.data["changes"][0]["op"].as_str()),
        (vec!["spot"], Some("delete"))
    );
}

#[tokio::test]
async fn without_history_there_is_no_stream() {
    let lab = Lab::new(registry_pod::Settings { writable: false, ..settings() }).await;
    let refused = lab.open(PATH, &[("accept", "text/event-stream")]).await;
    assert_eq!(refused.status(), 501);
}
