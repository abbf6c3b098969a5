//! How fast the API of one machine is: creates, updates, gets, lists and watch latency, over the typed client in this
//! process and over the loopback port. Prints a small table; asserts nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crds::QueueItem;
use embedded::{Embedded, Settings};
use futures::{StreamExt, TryStreamExt};
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const WRITERS: u64 = 16;
const OBJECTS: u64 = 20_000;
const GETS: u64 = 40_000;
const LATENCIES: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:<44} {:>12} {:>12} {:>12}", "what", "per second", "median ms", "p99 ms");
    for over_loopback in [false, true] {
        let folder = tempfile::tempdir_in(std::env::current_dir()?)?;
        let path = folder.path().join("state.db");
        let embedded = Arc::new(Embedded::open(Settings { path, crds: crds::all() }).await?);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn({
            let (embedded, shutdown) = (embedded.clone(), shutdown.clone());
            async move { embedded.serve(listener, shutdown).await }
        });
        let (client, place) = if over_loopback {
            let mut config = kube::Config::new(url.parse()?);
            config.default_namespace = "default".to_owned();
            (Client::try_from(config)?, "loopback")
        } else {
            (embedded.client("default"), "in process")
        };
        run(&client, place).await?;
        drop(client);
        shutdown.cancel();
        serving.await??;
    }
    Ok(())
}

async fn run(client: &Client, place: &str) -> Result<(), Box<dyn std::error::Error>> {
    let api: Api<QueueItem> = Api::default_namespaced(client.clone());
    let what = format!("create, {WRITERS} writers ({place})");
    measure(&api, &what, OBJECTS, |api, number| async move {
        api.create(&PostParams::default(), &item(number)?).await.map(|_| ())
    })
    .await?;
    let what = format!("merge patch, {WRITERS} writers ({place})");
    measure(&api, &what, OBJECTS, |api, number| async move {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"round": "2"}}}));
        api.patch(&name(number), &PatchParams::default(), &patch).await.map(|_| ())
    })
    .await?;
    let what = format!("get, {WRITERS} readers ({place})");
    measure(&api, &what, GETS, |api, number| async move {
        api.get(&name(number % OBJECTS)).await.map(|_| ())
    })
    .await?;
    let start = Instant::now();
    let listed = api.list(&ListParams::default()).await?.items.len();
    row(&format!("list of {listed} ({place})"), 1, start.elapsed(), &mut [start.elapsed()]);
    watch_latency(&api, place).await
}

fn name(number: u64) -> String {
    format!("item-{number:06}")
}

fn item(number: u64) -> kube::Result<QueueItem> {
    let spec = json!({"name": "count", "args": [["det1"]], "kwargs": {"num": 5}, "user": "bench"});
    let spec = serde_json::from_value(spec).map_err(kube::Error::SerdeError)?;
    Ok(QueueItem::new(&name(number), spec))
}

/// Runs `work` for the numbers 0..count on as many tasks as there are writers.
async fn measure<F, R>(
    api: &Api<QueueItem>,
    what: &str,
    count: u64,
    work: F,
) -> Result<(), Box<dyn std::error::Error>>
where
    F: Fn(Api<QueueItem>, u64) -> R + Copy + Send + 'static,
    R: Future<Output = kube::Result<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (next, api) = (next.clone(), api.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, kube::Error>(times);
                    }
                    let start = Instant::now();
                    work(api.clone(), number).await?;
                    times.push(start.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    row(what, count, start.elapsed(), &mut times);
    Ok(())
}

/// From the call of `create` to the event at a watch.
async fn watch_latency(
    api: &Api<QueueItem>,
    place: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let version = api.list(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let params = WatchParams::default().timeout(200);
    let mut events = api.watch(&params, &version.unwrap_or_default()).await?.boxed();
    let mut times = Vec::new();
    let all = Instant::now();
    for number in 0..LATENCIES {
        let name = format!("latency-{number}");
        let start = Instant::now();
        let mut new = item(0)?;
        new.metadata.name = Some(name.clone());
        api.create(&PostParams::default(), &new).await?;
        while let Some(event) = events.try_next().await? {
            if matches!(&event, WatchEvent::Added(object) if object.name_any() == name) {
                break;
            }
        }
        times.push(start.elapsed());
    }
    row(&format!("create to watch event ({place})"), LATENCIES as u64, all.elapsed(), &mut times);
    Ok(())
}

fn row(what: &str, count: u64, elapsed: Duration, times: &mut [Duration]) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    let rate = count as f64 / elapsed.as_secs_f64();
    println!("{what:<44} {rate:>12.0} {:>12.2} {:>12.2}", at(50), at(99));
}
