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
    let [rate, median, most, cpu] = ["per second", "median ms", "p99 ms", "cpu us each"];
    println!("{:<44} {rate:>12} {median:>12} {most:>12} {cpu:>12}", "what");
    for over_loopback in [false, true] {
        // Not the system's folder for temporary files: that is often in memory.
        let place = std::env::var("BENCH_FOLDER");
        let place = place.unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
        let folder = tempfile::tempdir_in(place)?;
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
    let spent = Spent::now();
    let listed = api.list(&ListParams::default()).await?.items.len();
    let time = spent.start.elapsed();
    spent.row(&format!("list of {listed} ({place})"), 1, &mut [time]);
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
    let spent = Spent::now();
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
    spent.row(what, count, &mut times);
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
    let spent = Spent::now();
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
    spent.row(&format!("create to watch event ({place})"), LATENCIES as u64, &mut times);
    Ok(())
}

/// What this process has spent: wall time, and processor time, which other processes disturb less.
struct Spent {
    start: Instant,
    cpu: Option<Duration>,
}

impl Spent {
    fn now() -> Self {
        Self { start: Instant::now(), cpu: cpu() }
    }

    fn row(&self, what: &str, count: u64, times: &mut [Duration]) {
        let (elapsed, cpu) = (self.start.elapsed(), cpu());
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
        let rate = count as f64 / elapsed.as_secs_f64();
        let each = cpu.zip(self.cpu).map_or(f64::NAN, |(now, then)| {
            now.saturating_sub(then).as_secs_f64() * 1e6 / count as f64
        });
        println!("{what:<44} {rate:>12.0} {:>12.2} {:>12.2} {each:>12.0}", at(50), at(99));
    }
}

/// Processor time of this process, in user and in kernel mode, where Linux tells it.
fn cpu() -> Option<Duration> {
    /// Of `/proc/self/stat`, on every Linux.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which is in brackets: the state, ten more fields, and then the two.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 1_000 / TICKS_PER_SECOND))
}
