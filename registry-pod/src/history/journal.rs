//! Where the history is kept: ConfigMaps, appended to by compare-and-swap.
//!
//! `registry-history` is the head: epoch and snapshot. `registry-history-<first id>` are the
//! chunks: one row a line. Only the newest chunk grows, until it is full; then the next one is
//! created. One task appends for the whole process and takes all waiting rows in one write.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Log, NewRow, Operation, Row, Snapshot};
use crate::store::{FIELD_MANAGER, StoreError, bounded_call};

/// Name of the head.
const HEAD: &str = "registry-history";
/// Marks every ConfigMap of the history.
const LABEL: &str = "beamline.dev/registry-history";
/// Rows in a full chunk: some 40 KiB, rewritten with every append.
const ROWS_PER_CHUNK: usize = 200;
/// A chunk is full with fewer rows when these are long: an object of the API may have 1 MiB.
const BYTES_PER_CHUNK: usize = 256 * 1024;
/// Rows that are kept: the most that one history request can ask for.
const ROWS: usize = 10_000;
/// Chunks that are kept, however few rows they have.
const CHUNKS: usize = 200;
/// Requests that wait for the writer: each is one HTTP request in progress.
const WAITING: usize = 1024;
/// How often a write is tried when other replicas append at the same time.
const ATTEMPTS: u32 = 20;
/// Wait before trying again, longer each time.
const PAUSE: Duration = Duration::from_millis(2);
/// A watch is renewed this often; a connection that died silently is noticed by then.
const WATCH_SECONDS: u32 = 190;
/// Keys of the two kinds of ConfigMap.
const SNAPSHOT_KEY: &str = "snapshot.json";
const ROWS_KEY: &str = "rows.jsonl";

/// Appends to the history, and shows it.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    known: Arc<Known>,
    requests: mpsc::Sender<Request>,
}

/// The history as this process knows it, and who waits for more of it.
#[derive(Debug, Default)]
struct Known {
    log: RwLock<Log>,
    /// Counts changes of the log.
    revision: watch::Sender<u64>,
}

impl Known {
    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log.write());
        self.revision.send_modify(|revision| *revision += 1);
    }
}

/// Rows to append together.
#[derive(Debug)]
struct Request {
    rows: Vec<NewRow>,
    /// Only those rows that tell something new about their device.
    only_news: bool,
    new_epoch: Option<String>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Rows that were handed in.
#[derive(Debug)]
pub(crate) struct Receipt(oneshot::Receiver<Result<(), StoreError>>);

impl Receipt {
    /// Waits until the rows are stored.
    pub(crate) async fn stored(self) -> Result<(), StoreError> {
        self.0.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Writes the history. Owned by one task.
#[derive(Debug)]
pub(crate) struct Writer {
    api: Api<ConfigMap>,
    known: Arc<Known>,
    requests: mpsc::Receiver<Request>,
    head: Stored<Snapshot>,
    /// Full and growing chunks by their first id.
    chunks: BTreeMap<u64, Stored<Vec<Row>>>,
}

#[derive(Debug)]
struct Stored<T> {
    /// Without its data, which is `content`.
    object: ConfigMap,
    /// Length of that data.
    bytes: usize,
    content: T,
}

impl<T> Stored<T> {
    fn new(mut object: ConfigMap, content: T) -> Self {
        let bytes = object.data.take().unwrap_or_default().values().map(String::len).sum();
        object.metadata.managed_fields = None;
        Self { object, bytes, content }
    }
}

/// The history of `namespace`, empty until the writer has loaded it.
pub(crate) fn new(client: Client, namespace: &str) -> (Journal, Writer) {
    let (sender, requests) = mpsc::channel(WAITING);
    let known = Arc::new(Known::default());
    let writer = Writer {
        api: Api::namespaced(client, namespace),
        known: Arc::clone(&known),
        requests,
        head: Stored::new(ConfigMap::default(), Snapshot::default()),
        chunks: BTreeMap::new(),
    };
    (Journal { known, requests: sender }, writer)
}

/// Seconds since 1970 as Python prints them.
fn epoch_of(time: Timestamp) -> String {
    time.as_duration().as_secs_f64().to_string()
}

fn post() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

impl Journal {
    /// Appends rows. When this returns they are stored.
    pub(crate) async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.request(rows, false, None).await
    }

    /// Appends those rows whose device is not yet recorded as they say.
    pub(crate) async fn append_news(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        self.request(rows, true, None).await
    }

    /// Notes that the registry is emptied, and starts the epoch of that time, unless that was done before.
    pub(crate) async fn reset(&self, time: Timestamp) -> Result<(), StoreError> {
        let details = super::details::reset();
        let row = NewRow::new(super::ALL_DEVICES, Operation::Reset, Some(&details));
        let row = NewRow { digest: Some(epoch_of(time)), ..row };
        self.request(vec![row], true, Some(epoch_of(time))).await
    }

    async fn request(
        &self,
        rows: Vec<NewRow>,
        only_news: bool,
        new_epoch: Option<String>,
    ) -> Result<(), StoreError> {
        self.submit(rows, only_news, new_epoch).await?.stored().await
    }

    /// Hands in rows. They come before those that are handed in later.
    pub(crate) async fn hand_in(&self, rows: Vec<NewRow>) -> Result<Receipt, StoreError> {
        self.submit(rows, false, None).await
    }

    async fn submit(
        &self,
        rows: Vec<NewRow>,
        only_news: bool,
        new_epoch: Option<String>,
    ) -> Result<Receipt, StoreError> {
        let (done, answer) = oneshot::channel();
        let request = Request { rows, only_news, new_epoch, done };
        self.requests.send(request).await.map_err(|_| StoreError::Stopped)?;
        Ok(Receipt(answer))
    }

    /// Looks at the history.
    pub(crate) fn look<T>(&self, question: impl FnOnce(&Log) -> T) -> T {
        question(&self.known.log.read())
    }

    /// Counts changes of what [`Journal::look`] sees.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.known.revision.subscribe()
    }
}

impl Writer {
    /// Creates the history at the very first start. Answers whether it was created.
    pub(crate) async fn create(&self) -> Result<bool, StoreError> {
        let head = encode_head(
            &Snapshot { epoch: epoch_of(Timestamp::now()), ..Snapshot::default() },
            None,
        );
        match bounded_call(self.api.create(&post(), &head)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends what is asked for, and follows what other replicas append, until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let config = watcher::Config::default().labels(LABEL).timeout(WATCH_SECONDS);
        let mut events = pin!(watcher(self.api.clone(), config).backoff(service::watch::backoff()));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                request = self.requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                event = events.next() => self.follow(event.and_then(Result::ok)).await,
            }
        }
    }

    async fn serve(&mut self, first: Request) {
        let mut batch = vec![first];
        while batch.iter().map(|request| request.rows.len()).sum::<usize>() < ROWS_PER_CHUNK {
            let Ok(next) = self.requests.try_recv() else { break };
            batch.push(next);
        }
        let result = self.write(&batch).await;
        if let Err(error) = &result {
            tracing::error!(%error, "cannot write the history");
        }
        for request in batch {
            request.done.send(result.clone()).ok();
        }
    }

    /// Another replica may have appended.
    async fn follow(&mut self, event: Option<watcher::Event<ConfigMap>>) {
        let Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
            return;
        };
        let stored = std::iter::once(&self.head.object)
            .chain(self.chunks.values().map(|chunk| &chunk.object))
            .find(|stored| stored.name_any() == object.name_any());
        if stored.is_some_and(|stored| version(&object) <= version(stored)) {
            return;
        }
        if let Err(error) = self.load().await {
            tracing::warn!(%error, "cannot read the history again");
        }
    }

    async fn write(&mut self, batch: &[Request]) -> Result<(), StoreError> {
        let rows = batch
            .iter()
            .flat_map(|request| request.rows.iter().map(|row| (row.clone(), request.only_news)));
        let mut queue: VecDeque<(NewRow, bool)> = rows.collect();
        let mut epoch = batch.iter().rev().find_map(|request| request.new_epoch.clone());
        let mut attempt = 0;
        loop {
            queue.retain(|(row, only_news)| !only_news || self.is_news(row));
            epoch = epoch.filter(|epoch| self.begins(epoch, &queue));
            let written = match (&epoch, queue.is_empty()) {
                (Some(new), _) => self.write_epoch(new.clone()).await.map(|()| None),
                (None, false) => self.append(&queue).await.map(Some),
                (None, true) => break,
            };
            match written {
                Ok(None) => epoch = None,
                Ok(Some(count)) => drop(queue.drain(..count)),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE * attempt).await;
                    self.load().await?;
                }
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = self.compact().await {
            tracing::warn!(%error, "cannot fold the oldest part of the history; will try again");
        }
        Ok(())
    }

    fn is_news(&self, row: &NewRow) -> bool {
        let log = self.known.log.read();
        match (row.operation, &row.digest) {
            (Operation::Reset, Some(epoch)) => !log.has_begun(epoch),
            (_, digest) => log.recorded(&row.device_name) != digest.as_deref(),
        }
    }

    /// Whether the epoch is yet to be written: it is not, and its row is still to come.
    fn begins(&self, epoch: &String, queue: &VecDeque<(NewRow, bool)>) -> bool {
        self.known.log.read().epoch() != epoch
            && queue.iter().any(|(row, _)| row.digest.as_ref() == Some(epoch))
    }

    /// Appends as many rows as fit into one chunk. Answers how many.
    async fn append(&mut self, queue: &VecDeque<(NewRow, bool)>) -> Result<usize, StoreError> {
        let next = self.known.log.read().version() + 1;
        let mut new: Vec<Row> = (next..)
            .zip(queue.iter().take(ROWS_PER_CHUNK))
            .map(|(id, (row, _))| Row { id, row: row.clone() })
            .collect();
        let growing = self.chunks.last_key_value().and_then(|(first, chunk)| {
            let count = fitting(chunk.content.len(), chunk.bytes, &new);
            (count > 0).then(|| (*first, chunk.content.clone(), Some(chunk.object.clone()), count))
        });
        let (first, mut rows, object, count) =
            growing.unwrap_or_else(|| (next, Vec::new(), None, fitting(0, 0, &new)));
        new.truncate(count);
        rows.extend_from_slice(&new);
        let wanted = encode_chunk(first, &rows, object.as_ref());
        let object = match object {
            None => bounded_call(self.api.create(&post(), &wanted)).await?,
            Some(_) => bounded_call(self.api.replace(&wanted.name_any(), &post(), &wanted)).await?,
        };
        self.chunks.insert(first, Stored::new(object, rows));
        self.known.change(|log| new.into_iter().for_each(|row| log.push(row)));
        Ok(count)
    }

    async fn write_epoch(&mut self, epoch: String) -> Result<(), StoreError> {
        let head = Snapshot { epoch: epoch.clone(), ..self.head.content.clone() };
        self.write_head(head).await?;
        self.known.change(|log| log.set_epoch(epoch));
        Ok(())
    }

    async fn write_head(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        let wanted = encode_head(&snapshot, Some(&self.head.object));
        let object = bounded_call(self.api.replace(HEAD, &post(), &wanted)).await?;
        self.head = Stored::new(object, snapshot);
        Ok(())
    }

    /// Folds the oldest chunks into the snapshot, and drops them.
    async fn compact(&mut self) -> Result<(), StoreError> {
        while let Some((_, oldest)) = self.chunks.first_key_value() {
            let rows: usize = self.chunks.values().map(|chunk| chunk.content.len()).sum();
            if rows - oldest.content.len() < ROWS && self.chunks.len() <= CHUNKS {
                break;
            }
            let mut snapshot = self.head.content.clone();
            oldest.content.iter().for_each(|row| snapshot.fold(row));
            let (name, base) = (oldest.object.name_any(), snapshot.base);
            self.write_head(snapshot).await?;
            self.known.change(|log| log.forget(base));
            self.chunks.pop_first();
            self.delete(&name).await?;
        }
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match bounded_call(self.api.delete(name, &DeleteParams::default())).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads everything.
    pub(crate) async fn load(&mut self) -> Result<(), StoreError> {
        let list = bounded_call(self.api.list(&ListParams::default().labels(LABEL))).await?;
        let mut chunks = BTreeMap::new();
        let mut head = None;
        for object in list.items {
            if object.name_any() == HEAD {
                let content = decode_head(&object)?;
                head = Some(Stored::new(object, content));
            } else {
                let rows = decode_chunk(&object)?;
                if let Some(first) = rows.first().map(|row| row.id) {
                    chunks.insert(first, Stored::new(object, rows));
                }
            }
        }
        let head = head.ok_or_else(|| unreadable(HEAD, &"it is gone"))?;
        let base = head.content.base;
        let is_folded = |rows: &[Row]| rows.last().is_none_or(|row| row.id <= base);
        let folded: Vec<String> = chunks
            .values()
            .filter(|chunk: &&Stored<Vec<Row>>| is_folded(&chunk.content))
            .map(|chunk| chunk.object.name_any())
            .collect();
        for name in &folded {
            self.delete(name).await?;
        }
        chunks.retain(|_, chunk| !is_folded(&chunk.content));
        let rows = chunks.values().flat_map(|chunk| chunk.content.iter().cloned());
        let loaded = Log::new(head.content.clone(), rows);
        self.known.change(|log| *log = loaded);
        (self.head, self.chunks) = (head, chunks);
        Ok(())
    }
}

/// How many of the `new` rows a chunk of so many rows and `bytes` takes. One that is empty takes at
/// least one.
fn fitting(rows: usize, bytes: usize, new: &[Row]) -> usize {
    let room = ROWS_PER_CHUNK.saturating_sub(rows);
    let mut total = bytes;
    let fits = new.iter().take(room).enumerate().take_while(|(at, row)| {
        total += serde_json::to_string(row).map_or(0, |line| line.len() + 1);
        total < BYTES_PER_CHUNK || (rows == 0 && *at == 0)
    });
    fits.count()
}

fn version(object: &ConfigMap) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn encode(name: String, key: &str, text: String, previous: Option<&ConfigMap>) -> ConfigMap {
    let resource_version = previous.and_then(ResourceExt::resource_version);
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name),
            labels: Some([(LABEL.to_owned(), "1".to_owned())].into()),
            resource_version,
            ..ObjectMeta::default()
        },
        data: Some([(key.to_owned(), text)].into()),
        ..ConfigMap::default()
    }
}

fn encode_head(snapshot: &Snapshot, previous: Option<&ConfigMap>) -> ConfigMap {
    let text = serde_json::to_string(snapshot).unwrap_or_default();
    encode(HEAD.to_owned(), SNAPSHOT_KEY, text, previous)
}

fn encode_chunk(first: u64, rows: &[Row], previous: Option<&ConfigMap>) -> ConfigMap {
    let lines: Vec<String> =
        rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
    encode(format!("{HEAD}-{first:012}"), ROWS_KEY, lines.join("\n"), previous)
}

fn text<'a>(object: &'a ConfigMap, key: &str) -> &'a str {
    object.data.as_ref().and_then(|data| data.get(key)).map(String::as_str).unwrap_or_default()
}

fn decode_head(object: &ConfigMap) -> Result<Snapshot, StoreError> {
    serde_json::from_str(text(object, SNAPSHOT_KEY)).map_err(|error| unreadable(HEAD, &error))
}

fn decode_chunk(object: &ConfigMap) -> Result<Vec<Row>, StoreError> {
    text(object, ROWS_KEY)
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(&object.name_any(), &error))
}

fn unreadable(name: &str, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: format!("ConfigMap {name}"), reason: reason.to_string() }
}
