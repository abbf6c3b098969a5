//! Items by other means: created, edited and deleted as resources.

use crds::conditions::{is_true, types};
use crds::queue_item::ItemState;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::fixture::{Machine, opened};

fn applied(name: &str, spec: serde_json::Value) -> crds::QueueItem {
    crds::QueueItem::new(name, serde_json::from_value(spec).unwrap())
}

#[tokio::test]
async fn an_applied_item_is_taken_up_at_the_back_and_runs() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    pod.add("other").await;
    let item = applied("mine", json!({"name": "quick", "kwargs": {"num": 3}}));
    let created = machine.items().create(&PostParams::default(), &item).await.unwrap();
    pod.until("it is queued", async |pod| pod.queued().await == ["other", "quick"]).await;
    let queue = pod.get("/queue/get").await;
    assert_eq!(json!(queue["items"][1]["item_uid"]), json!(created.metadata.uid));
    pod.until("it is accepted", async |_| {
        let item = machine.items().get("mine").await.unwrap();
        is_true(&item.status.unwrap_or_default().conditions, types::ACCEPTED)
    })
    .await;
    pod.must("/queue/start", json!({})).await;
    pod.until("it ran", async |_| {
        let item = machine.items().get("mine").await.unwrap();
        item.status.is_some_and(|status| status.state == ItemState::Completed)
    })
    .await;
    let item = machine.items().get("mine").await.unwrap();
    let observed = item.status.and_then(|status| status.observed_generation);
    assert_eq!(observed, item.metadata.generation, "kubectl wait waits for as long as they differ");
    pod.stop().await;
}

#[tokio::test]
async fn an_applied_item_that_cannot_run_is_rejected_with_the_reason() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let item = applied("bad", json!({"name": "quick", "kwargs": {"zz": 3}}));
    machine.items().create(&PostParams::default(), &item).await.unwrap();
    pod.until("it is rejected", async |_| {
        let status = machine.items().get("bad").await.unwrap().status.unwrap_or_default();
        status.state == ItemState::Rejected
            && status
                .conditions
                .iter()
                .any(|c| c.message.contains("unexpected keyword argument 'zz'"))
    })
    .await;
    assert!(pod.queued().await.is_empty());
    let conditions =
        machine.items().get("bad").await.unwrap().status.unwrap_or_default().conditions;
    assert!(is_true(&conditions, types::STALLED), "kstatus is told that it fails");

    let patch = Patch::Merge(json!({"spec": {"kwargs": {"zz": null, "num": 3}}}));
    machine.items().patch("bad", &PatchParams::default(), &patch).await.unwrap();
    pod.until("the edit helps", async |pod| pod.queued().await == ["quick"]).await;
    let conditions =
        machine.items().get("bad").await.unwrap().status.unwrap_or_default().conditions;
    assert!(is_true(&conditions, types::ACCEPTED) && !is_true(&conditions, types::STALLED));
    pod.stop().await;
}

#[tokio::test]
async fn deleting_and_editing_a_queued_item_is_respected() {
    let machine = Machine::new().await;
    let (pod, _operator) = opened(&machine).await;
    let first = pod.add("quick").await;
    let second = pod.add("other").await;
    let name = |uid: &str| format!("item-{uid}");
    let patch = Patch::Merge(json!({"spec": {"kwargs": {"num": 9}}}));
    machine.items().patch(&name(&first), &PatchParams::default(), &patch).await.unwrap();
    pod.until("the edit is seen", async |pod| {
        pod.get("/queue/get").await["items"][0]["kwargs"] == json!({"num": 9})
    })
    .await;
    machine.items().delete(&name(&second), &DeleteParams::default()).await.unwrap();
    pod.until("it is gone", async |pod| pod.queued().await == ["quick"]).await;
    pod.stop().await;
}

#[tokio::test]
async fn half_a_batch_that_was_applied_waits_for_the_other_half() {
    let machine = Machine::new().await;
    let (pod, operator) = opened(&machine).await;
    let part = |index| json!({"name": "quick", "batch": {"uid": "b", "size": 2, "index": index}});
    machine.items().create(&PostParams::default(), &applied("b-0", part(0))).await.unwrap();
    pod.add("other").await;
    pod.must("/queue/start", json!({})).await;
    pod.until("the other ran", async |pod| pod.history().await.len() == 1).await;
    pod.manager("idle").await;
    assert_eq!(operator.ran(), ["other"]);
    machine.items().create(&PostParams::default(), &applied("b-1", part(1))).await.unwrap();
    pod.until("both are queued", async |pod| pod.queued().await.len() == 2).await;
    pod.stop().await;
}
