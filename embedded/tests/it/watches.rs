//! Watches: order, start, selection, bookmarks, end.

use std::time::Duration;

use crds::Device;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::server::{Server, conformance, device, refusal};

/// Bound of every wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// The next `count` events as `kind name`; bookmarks do not count.
async fn next(
    events: &mut (impl Stream<Item = kube::Result<WatchEvent<Device>>> + Unpin),
    count: usize,
) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let event = tokio::time::timeout(PATIENCE, events.try_next()).await;
        seen.push(match event.expect("an event in time").unwrap().expect("an open watch") {
            WatchEvent::Added(object) => format!("added {}", object.name_any()),
            WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
            WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(error) => format!("error {}", error.code),
        });
    }
    seen
}

async fn version(api: &Api<Device>) -> String {
    api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap()
}

fn labelled(name: &str, tier: &str) -> Device {
    let mut object = device(name);
    object.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
    object
}

conformance! {
    async fn a_watch_sees_every_change_in_order(server: &Server) {
        let api = server.api::<Device>();
        let start = version(&api).await;
        let mut events = api.watch(&WatchParams::default().timeout(60), &start).await.unwrap().boxed();
        api.create(&PostParams::default(), &device("w1")).await.unwrap();
        let patch = Patch::Merge(json!({"spec": {"documentation": "new"}}));
        api.patch("w1", &PatchParams::default(), &patch).await.unwrap();
        api.patch("w1", &PatchParams::default(), &patch).await.unwrap();
        api.delete("w1", &DeleteParams::default()).await.unwrap();
        assert_eq!(next(&mut events, 3).await, ["added w1", "modified w1", "deleted w1"]);
        let mut late = api.watch(&WatchParams::default().timeout(60), &start).await.unwrap().boxed();
        assert_eq!(next(&mut late, 3).await, ["added w1", "modified w1", "deleted w1"]);
    }

    async fn a_watch_from_nothing_starts_with_what_is_there(server: &Server) {
        let api = server.api::<Device>();
        api.create(&PostParams::default(), &device("a")).await.unwrap();
        api.create(&PostParams::default(), &device("b")).await.unwrap();
        let mut events = api.watch(&WatchParams::default().timeout(60), "0").await.unwrap().boxed();
        let mut first = next(&mut events, 2).await;
        first.sort();
        assert_eq!(first, ["added a", "added b"]);
        api.create(&PostParams::default(), &device("c")).await.unwrap();
        assert_eq!(next(&mut events, 1).await, ["added c"]);
    }

    async fn entering_and_leaving_a_selection_look_like_creation_and_deletion(server: &Server) {
        let api = server.api::<Device>();
        let start = version(&api).await;
        let params = WatchParams::default().timeout(60).labels("tier=a");
        let mut events = api.watch(&params, &start).await.unwrap().boxed();
        api.create(&PostParams::default(), &labelled("x", "b")).await.unwrap();
        api.create(&PostParams::default(), &labelled("y", "a")).await.unwrap();
        let tier = |tier: &str| Patch::Merge(json!({"metadata": {"labels": {"tier": tier}}}));
        api.patch("x", &PatchParams::default(), &tier("a")).await.unwrap();
        api.patch("y", &PatchParams::default(), &tier("b")).await.unwrap();
        api.delete("y", &DeleteParams::default()).await.unwrap();
        api.delete("x", &DeleteParams::default()).await.unwrap();
        assert_eq!(next(&mut events, 4).await, ["added y", "added x", "deleted y", "deleted x"]);
    }

    async fn one_object_can_be_watched(server: &Server) {
        let api = server.api::<Device>();
        let start = version(&api).await;
        let params = WatchParams::default().timeout(60).fields("metadata.name=b");
        let mut events = api.watch(&params, &start).await.unwrap().boxed();
        api.create(&PostParams::default(), &device("a")).await.unwrap();
        api.create(&PostParams::default(), &device("b")).await.unwrap();
        assert_eq!(next(&mut events, 1).await, ["added b"]);
    }

    async fn a_watch_ends_when_its_time_is_up_and_says_how_far_it_was(server: &Server) {
        let api = server.api::<Device>();
        let start = version(&api).await;
        let params = WatchParams::default().timeout(1);
        let events: Vec<_> = tokio::time::timeout(
            PATIENCE,
            api.watch(&params, &start).await.unwrap().collect::<Vec<_>>(),
        )
        .await
        .expect("the watch ends by itself");
        for event in events {
            assert!(matches!(event, Ok(WatchEvent::Bookmark(_))), "{event:?}");
        }
    }

    async fn initial_events_end_with_a_marked_bookmark(server: &Server) {
        let api = server.api::<Device>();
        let created = api.create(&PostParams::default(), &device("a")).await.unwrap();
        let params = WatchParams::default().timeout(60).initial_events();
        // From "0" a real API server may answer from a cache that has not seen the device yet.
        let at_least = created.resource_version().unwrap();
        let mut events = api.watch(&params, &at_least).await.unwrap().boxed();
        let mut added = 0;
        loop {
            let event = tokio::time::timeout(PATIENCE, events.try_next()).await.unwrap();
            match event.unwrap().unwrap() {
                WatchEvent::Added(_) => added += 1,
                WatchEvent::Bookmark(mark) => {
                    assert_eq!(mark.metadata.annotations["k8s.io/initial-events-end"], "true");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(added, 1);
    }

    async fn a_version_that_has_not_happened_yet_is_refused(server: &Server) {
        if server.real || server.url.is_some() {
            // A real API server waits for it, and the network client tries again for minutes.
            return;
        }
        let api = server.api::<Device>();
        let refused = refusal(api.watch(&WatchParams::default(), "99999999").await.map(|_| ()));
        assert_eq!((refused.code, refused.reason.as_str()), (504, "Timeout"));
    }

    async fn watches_of_other_namespaces_and_kinds_see_nothing(server: &Server) {
        let elsewhere: Api<Device> = Api::namespaced(server.client.clone(), "default");
        let start = version(&elsewhere).await;
        let watch = elsewhere.watch(&WatchParams::default().timeout(2), &start).await.unwrap();
        server.api::<Device>().create(&PostParams::default(), &device("a")).await.unwrap();
        let seen: Vec<_> = watch.try_collect().await.unwrap();
        let changes = seen.iter().filter(|event| !matches!(event, WatchEvent::Bookmark(_)));
        assert_eq!(changes.count(), 0);
    }
}
