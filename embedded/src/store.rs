//! Durable storage of objects: a SQLite file that is written, and an index in memory that is read.

pub(crate) mod history;
pub(crate) mod index;
pub(crate) mod log;
pub(crate) mod object;
pub(crate) mod writer;

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use history::{Compacted, Event};
use index::{Index, Key};
use log::{Log, OpenError, Row};
use object::{Draft, Stored};
use writer::{Command, Expect, QUEUE, Write, WriteError};

/// What the writer thread and the readers share.
#[derive(Debug)]
struct Shared {
    index: RwLock<Index>,
    /// Name of each resource in the file, by its position in the catalogue.
    resources: Vec<String>,
    /// Rung when the collector has something to look at.
    suspicion: Notify,
}

/// The store of one machine.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// A list at one version.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) version: u64,
    pub(crate) objects: Vec<Arc<Stored>>,
}

impl Store {
    /// Opens the file and starts the writer. `read` turns a row into the key and the object; rows of resources that are
    /// not served any more stay in the file untouched. `fixed` are objects that exist without being stored.
    pub(crate) fn open(
        path: &Path,
        resources: Vec<String>,
        fixed: Vec<(Key, Draft)>,
        read: impl Fn(&Row, usize) -> Result<Draft, String>,
    ) -> Result<Self, OpenError> {
        let (log, version, rows) = Log::open(path)?;
        let mut objects = Vec::with_capacity(rows.len() + fixed.len());
        for row in &rows {
            let Some(resource) = resources.iter().position(|name| *name == row.resource) else {
                tracing::warn!(resource = row.resource, name = row.name, "stored, but not served");
                continue;
            };
            let draft = read(row, resource).map_err(|reason| OpenError::Broken {
                path: path.to_owned(),
                reason: format!("{} {}/{}: {reason}", row.resource, row.namespace, row.name),
            })?;
            let key = Key::new(resource, &row.namespace, &row.name);
            objects.push((key, draft.finish(row.version)));
        }
        objects.extend(fixed.into_iter().map(|(key, draft)| (key, draft.finish(1))));
        let shared = Arc::new(Shared {
            index: RwLock::new(Index::new(resources.len(), version, objects)),
            resources,
            suspicion: Notify::new(),
        });
        shared.suspicion.notify_one();
        let (commands, receiver) = mpsc::channel(QUEUE);
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("embedded-writer".to_owned())
            .spawn(move || writer::run(log, &writer, receiver))
            .map_err(|error| OpenError::Start {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self { shared, commands, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.shared.index.read().get(key)
    }

    /// Version of the newest durable change.
    pub(crate) fn version(&self) -> u64 {
        self.shared.index.read().version()
    }

    pub(crate) fn list(&self, resource: usize, namespace: Option<&str>) -> Listing {
        let index = self.shared.index.read();
        Listing { version: index.version(), objects: index.list(resource, namespace) }
    }

    /// At most `limit` events of a resource after `version`, with a receiver that wakes for later ones, and the version
    /// up to which the answer is complete when it is shorter than `limit`.
    pub(crate) fn events_after(
        &self,
        resource: usize,
        version: u64,
        limit: usize,
    ) -> Result<(Vec<Event>, watch::Receiver<u64>, u64), Compacted> {
        let index = self.shared.index.read();
        let (history, latest) = index.history(resource);
        Ok((history.after(version, limit)?, latest, index.version()))
    }

    /// The object with that UID, and the objects that name it as an owner.
    pub(crate) fn owner(&self, uid: &str) -> Option<Arc<Stored>> {
        let index = self.shared.index.read();
        index.by_uid(uid).and_then(|key| index.get(key))
    }

    /// Keys of the objects that name that UID as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.shared.index.read().dependents(uid)
    }

    /// Waits until there are objects for the collector, and takes them.
    pub(crate) async fn suspects(&self) -> Vec<Key> {
        loop {
            let suspects = self.shared.index.write().take_suspects();
            if !suspects.is_empty() {
                return suspects.into_iter().collect();
            }
            self.shared.suspicion.notified().await;
        }
    }

    /// Puts an object back on the collector's list, for its next round.
    pub(crate) fn suspect(&self, key: Key) {
        self.shared.index.write().suspect(key);
    }

    /// Stores an object; durable when it returns.
    pub(crate) async fn put(
        &self,
        key: Key,
        expect: Expect,
        draft: Draft,
    ) -> Result<Arc<Stored>, WriteError> {
        self.submit(key, expect, draft, false).await
    }

    /// Removes an object; `draft` is its last state, as watches will see it. Durable when it returns.
    pub(crate) async fn remove(
        &self,
        key: Key,
        expect: Expect,
        draft: Draft,
    ) -> Result<Arc<Stored>, WriteError> {
        self.submit(key, expect, draft, true).await
    }

    async fn submit(
        &self,
        key: Key,
        expect: Expect,
        draft: Draft,
        delete: bool,
    ) -> Result<Arc<Stored>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let write = Box::new(Write { key, expect, draft, delete, reply });
        self.commands.send(Command::Write(write)).await.map_err(|_| WriteError::Closed)?;
        answer.await.map_err(|_| WriteError::Closed)?
    }

    /// Finishes the writes that are under way, refuses later ones, and closes the file.
    pub(crate) async fn close(&self) {
        // Fails only when the writer has ended already.
        let _ = self.commands.send(Command::Close).await;
        let Some(thread) = self.thread.lock().take() else { return };
        if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
            tracing::error!("the writer of the store ended in a panic");
        }
    }
}
