//! What was acknowledged survives: restarts, `kill -9`, and files that cannot be used.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crds::Device;
use embedded::{Embedded, OpenError, Settings};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::server::{device, open, refusal};

const CHILD: &str = "BEAMLINE_EMBEDDED_CRASH_CHILD";
const PATIENCE: Duration = Duration::from_secs(60);

fn api(embedded: &Embedded) -> Api<Device> {
    Api::default_namespaced(embedded.client("default"))
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let devices = api(&first);
    let made = devices.create(&PostParams::default(), &device("kept")).await.unwrap();
    devices.create(&PostParams::default(), &device("deleted")).await.unwrap();
    devices.delete("deleted", &DeleteParams::default()).await.unwrap();
    let version = devices.list(&ListParams::default()).await.unwrap().metadata.resource_version;
    first.close().await;
    let refused = refusal(devices.create(&PostParams::default(), &device("late")).await);
    assert_eq!(refused.code, 503, "a closed API takes no writes");
    let second = open(folder.path()).await;
    let devices = api(&second);
    let found = devices.list(&ListParams::default()).await.unwrap();
    assert_eq!(found.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["kept"]);
    assert_eq!(found.items[0].uid(), made.uid());
    assert_eq!(found.items[0].resource_version(), made.resource_version());
    assert_eq!(found.metadata.resource_version, version, "deletions count, too");
    let next = devices.create(&PostParams::default(), &device("next")).await.unwrap();
    let number = |text: Option<String>| text.unwrap().parse::<u64>().unwrap();
    assert!(number(next.resource_version()) > number(version.clone()));
    let params = WatchParams::default().timeout(30);
    let mut resumed = Box::pin(devices.watch(&params, &version.unwrap()).await.unwrap());
    let event = futures::StreamExt::next(&mut resumed).await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Added(object) if object.name_any() == "next"));
    let mut stale = Box::pin(devices.watch(&params, "2").await.unwrap());
    let event = futures::StreamExt::next(&mut stale).await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Error(error) if error.code == 410));
    assert!(futures::StreamExt::next(&mut stale).await.is_none());
    drop((resumed, stale));
    second.close().await;
}

#[tokio::test]
async fn a_file_that_is_in_use_broken_or_foreign_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |name: &str| Settings { path: folder.path().join(name), crds: crds::all() };
    let broken = settings("broken.db");
    std::fs::write(&broken.path, "this is not a database, but it is long enough to look like one")
        .unwrap();
    let error = Embedded::open(broken).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Broken { .. }) && error.to_string().contains("broken.db"),
        "{error}"
    );
    let nowhere = Settings { path: "/proc/nowhere/state.db".into(), crds: vec![] };
    let error = Embedded::open(nowhere).await.unwrap_err();
    assert!(error.to_string().contains("/proc/nowhere/state.db"), "{error}");
    let foreign = settings("foreign.db");
    let other = rusqlite::Connection::open(&foreign.path).unwrap();
    other.execute_batch("CREATE TABLE something (id INTEGER)").unwrap();
    drop(other);
    let error = Embedded::open(foreign).await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let twice = settings("twice.db");
    let holder = Embedded::open(twice.clone()).await.unwrap();
    let error = Embedded::open(twice).await.unwrap_err();
    assert!(
        matches!(error, OpenError::InUse { .. }) && error.to_string().contains("twice.db"),
        "{error}"
    );
    holder.close().await;
}

/// Not a test of its own: the process that is killed. It reports each acknowledged write on its standard output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test that kills it"]
async fn crash_child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let embedded = Embedded::open(Settings { path: path.into(), crds: crds::all() }).await.unwrap();
    let devices = api(&embedded);
    let round = devices.list(&ListParams::default()).await.unwrap().items.len();
    let writers = (0..16).map(|writer| {
        let devices = devices.clone();
        async move {
            for number in 0.. {
                let name = format!("r{round}-w{writer}-{number}");
                devices.create(&PostParams::default(), &device(&name)).await.unwrap();
                println!("\ncreated {name}");
                if number % 3 == 1 {
                    let patch = Patch::Merge(json!({"spec": {"prefix": "changed"}}));
                    devices.patch(&name, &PatchParams::default(), &patch).await.unwrap();
                    println!("\nchanged {name}");
                }
                if number % 3 == 2 {
                    devices.delete(&name, &DeleteParams::default()).await.unwrap();
                    println!("\ndeleted {name}");
                }
            }
        }
    });
    futures::future::join_all(writers).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let (mut created, mut changed, mut deleted) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::crash_child", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        // Killed after a different number of acknowledged writes each time, in the middle of others.
        let mut left = 200 + round * 137;
        let mut take = |line: String| match line.split_once(' ') {
            Some(("created", name)) => created.insert(name.to_owned()),
            Some(("changed", name)) => changed.insert(name.to_owned()),
            Some(("deleted", name)) => deleted.insert(name.to_owned()),
            _ => false,
        };
        while left > 0 {
            left -= usize::from(take(lines.recv_timeout(PATIENCE).expect("the child writes")));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        reading.join().unwrap();
        lines.iter().for_each(|line| {
            take(line);
        });
        let embedded = open(folder.path()).await;
        let found = api(&embedded).list(&ListParams::default()).await.unwrap().items;
        let names: BTreeSet<String> = found.iter().map(ResourceExt::name_any).collect();
        for name in &created {
            // A deletion may have happened without its acknowledgement having been read.
            let index: usize = name.rsplit('-').next().unwrap().parse().unwrap();
            assert!(names.contains(name) || index % 3 == 2, "{name} was acknowledged and is lost");
        }
        for object in &found {
            let name = object.name_any();
            assert!(!deleted.contains(&name), "{name} was deleted and is back");
            if changed.contains(&name) {
                assert_eq!(object.spec.prefix.as_deref(), Some("changed"), "{name}");
            }
        }
        embedded.close().await;
    }
    assert!(created.len() > 500 && !deleted.is_empty() && !changed.is_empty());
}
