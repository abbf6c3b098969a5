//! Create, get, replace, patch, status and delete.

use crds::Device;
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use serde_json::json;

use crate::server::{Server, conformance, device, refusal};

conformance! {
    async fn an_object_lives_from_create_to_delete(server: &Server) {
        let api = server.api::<Device>();
        let made = api.create(&PostParams::default(), &device("m1")).await.unwrap();
        assert_eq!(made.metadata.generation, Some(1));
        assert!(made.spec.active, "the default is filled in");
        let found = api.get("m1").await.unwrap();
        assert_eq!(found.uid(), made.uid());
        let mut changed = found.clone();
        changed.spec.prefix = Some("sim:mtr2".into());
        let replaced = api.replace("m1", &PostParams::default(), &changed).await.unwrap();
        assert_eq!(replaced.metadata.generation, Some(2));
        let refused = refusal(api.replace("m1", &PostParams::default(), &changed).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
        let status = json!({"status": {"signalCount": 3}});
        let params = PatchParams::default();
        let with_status = api.patch_status("m1", &params, &Patch::Merge(&status)).await.unwrap();
        assert_eq!(with_status.status.unwrap().signal_count, Some(3));
        assert_eq!(with_status.metadata.generation, Some(2));
        api.delete("m1", &DeleteParams::default()).await.unwrap();
        let gone = refusal(api.get("m1").await);
        assert_eq!((gone.code, gone.reason.as_str()), (404, "NotFound"));
        assert_eq!(gone.message, "devices.beamline.dev \"m1\" not found");
    }

    async fn a_watch_sees_every_change_in_order(server: &Server) {
        let api = server.api::<Device>();
        let version = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        let mut events = api.watch(&WatchParams::default().timeout(30), &version).await.unwrap().boxed();
        api.create(&PostParams::default(), &device("w1")).await.unwrap();
        let patch = json!({"spec": {"documentation": "new"}});
        api.patch("w1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        api.delete("w1", &DeleteParams::default()).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(match events.try_next().await.unwrap().unwrap() {
                WatchEvent::Added(_) => "added",
                WatchEvent::Modified(_) => "modified",
                WatchEvent::Deleted(_) => "deleted",
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(error) => panic!("{error:?}"),
            });
        }
        assert_eq!(seen, ["added", "modified", "deleted"]);
    }
}
