//! How far the running plan is, as its worker says.

use futures::StreamExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::fixture::{Machine, Pod, opened};

/// What is published now.
async fn news(pod: &Pod) -> Value {
    let address = format!("{}/api/info/ws", pod.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    let frame = socket.next().await.unwrap().unwrap();
    let message: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
    assert!(message["time"].is_number());
    message["msg"].clone()
}

#[tokio::test]
async fn it_is_published_beside_the_status_and_kept_on_the_item() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    assert!(news(&pod).await.get("progress").is_none());
    let uid = pod.add("wait").await;
    pod.must("/queue/start", json!({})).await;
    let is_told = async |pod: &Pod| news(pod).await["progress"]["points_done"] == 3;
    pod.until("told", is_told).await;
    let now = news(&pod).await;
    assert_eq!(now["status"]["running_item_uid"], json!(uid));
    assert_eq!(now["progress"]["item_uid"], json!(uid));
    assert_eq!(now["progress"]["points_expected"], 11);
    assert_eq!(now["progress"]["moving"][0]["name"], "m");
    pod.must("/re/pause", json!({"option": "immediate"})).await;
    pod.manager("paused").await;
    pod.must("/re/stop", json!({})).await;
    pod.until("it ended", async |pod| pod.history().await.len() == 1).await;
    assert!(news(&pod).await.get("progress").is_none());
    let item = machine.items().list(&ListParams::default()).await.unwrap().items.remove(0);
    let shown = item.status.unwrap().progress.unwrap();
    assert_eq!((shown.points_done, shown.points_expected), (3, Some(11)));
    assert_eq!(shown.shown, "3/11");
    pod.stop().await;
}
